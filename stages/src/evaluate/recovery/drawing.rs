//! The plot: completeness above, magnitude bias below, against magnitude.

use crate::plot::overview::canvas::{Anchor, Canvas, Pen};
use crate::plot::overview::colours::{INK, PAPER, Rgb};

use super::algorithm::Cell;

/// All radii in black, then one colour per radius bin: those of Okabe and Ito that are dark enough for lines.
const COLOURS: [Rgb; 6] = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233]];
const GRID: Rgb = [220, 220, 220];
const SIZE: (usize, usize) = (1000, 900);
const FONT: usize = 15;
/// Left, right, top and bottom of the two panels.
const COMPLETENESS: [f64; 4] = [90.0, 970.0, 60.0, 520.0];
const BIAS: [f64; 4] = [90.0, 970.0, 580.0, 830.0];

/// A panel with its axes.
struct Panel {
    frame: [f64; 4],
    x: (f64, f64),
    y: (f64, f64),
}

impl Panel {
    fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let [left, right, top, bottom] = self.frame;
        let part = |v: f64, (low, high): (f64, f64)| ((v - low) / (high - low)).clamp(0.0, 1.0);
        let (u, v) = (part(x, self.x), part(y, self.y));
        ((left + u * (right - left)).round() as i32, (bottom - v * (bottom - top)).round() as i32)
    }

    fn axes(&self, pen: &Pen<'_>, x_ticks: &[f64], y_ticks: &[f64], label: &str) -> Result<(), String> {
        let [left, right, top, bottom] = self.frame;
        for &x in x_ticks {
            let (px, low) = self.at(x, self.y.0);
            pen.line(vec![(px, low), (px, top as i32)], GRID, 1)?;
            pen.text(&number(x), (px as usize, bottom as usize + 6), FONT, INK, Anchor::Top)?;
        }
        for &y in y_ticks {
            let (px, py) = self.at(self.x.0, y);
            pen.line(vec![(px, py), (right as i32, py)], GRID, 1)?;
            pen.text(&number(y), (left as usize - 8, py as usize), FONT, INK, Anchor::Right)?;
        }
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        pen.line(corners.iter().map(|c| (c.0 as i32, c.1 as i32)).collect(), INK, 1)?;
        pen.text(label, (left as usize, top as usize - FONT - 6), FONT, INK, Anchor::Left)
    }

    /// Points with error bars, joined by a line. Points without a value break it.
    fn curve(&self, pen: &Pen<'_>, points: &[(f64, f64, f64, f64)], ink: Rgb, width: u32) -> Result<(), String> {
        let mut path = Vec::new();
        for &(x, y, low, high) in points {
            if !y.is_finite() {
                self.path(pen, &mut path, ink, width)?;
                continue;
            }
            let at = self.at(x, y);
            if low.is_finite() && high.is_finite() {
                pen.line(vec![self.at(x, low), self.at(x, high)], ink, 1)?;
            }
            pen.ring(at, 3, ink, width)?;
            path.push(at);
        }
        self.path(pen, &mut path, ink, width)
    }

    fn path(&self, pen: &Pen<'_>, path: &mut Vec<(i32, i32)>, ink: Rgb, width: u32) -> Result<(), String> {
        let points = std::mem::take(path);
        if points.len() > 1 { pen.line(points, ink, width) } else { Ok(()) }
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Multiples of a round step inside a range, at most `most`.
fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let steps = [0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
    let step = steps.into_iter().find(|s| (high - low) / s <= most as f64).unwrap_or(100.0);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

/// Draws the bins as PNG. Without any object it says so.
///
/// # Errors
/// When the drawing library fails.
pub fn draw_recovery(cells: &[Cell], title: &str) -> Result<Vec<u8>, String> {
    let mut canvas = Canvas::new(SIZE, PAPER);
    canvas.draw(|pen| {
        if !title.is_empty() {
            pen.text(title, (SIZE.0 / 2, 6), FONT * 3 / 2, INK, Anchor::Top)?;
        }
        let low = cells.iter().map(|c| c.mag_low).fold(f64::INFINITY, f64::min);
        let high = cells.iter().map(|c| c.mag_high).fold(f64::NEG_INFINITY, f64::max);
        if low >= high {
            return pen.text("no planted object", (SIZE.0 / 2, SIZE.1 / 2), FONT * 2, INK, Anchor::Top);
        }
        panels(pen, cells, (low, high))
    })?;
    canvas.png()
}

fn panels(pen: &Pen<'_>, cells: &[Cell], x: (f64, f64)) -> Result<(), String> {
    // Bins that some object lies in decide the range of the lower panel; one wild value must not flatten it.
    let worst = cells
        .iter()
        .filter(|c| c.n_mag > 0 && c.r_high == f64::INFINITY)
        .map(|c| c.mag_bias.abs() + c.mag_scatter)
        .filter(|v| v.is_finite())
        .fold(0.2, f64::max)
        .min(3.0);
    let upper = Panel { frame: COMPLETENESS, x, y: (0.0, 1.05) };
    let lower = Panel { frame: BIAS, x, y: (-worst, worst) };
    let x_ticks = ticks(x.0, x.1, 12);
    upper.axes(pen, &x_ticks, &ticks(0.0, 1.0, 5), "recovered fraction (bars: Wilson interval)")?;
    lower.axes(pen, &x_ticks, &ticks(-worst, worst, 6), "measured - true magnitude: median and scatter")?;
    let middle = ((BIAS[0] + BIAS[1]) / 2.0) as usize;
    pen.text("true magnitude", (middle, BIAS[3] as usize + 30), FONT, INK, Anchor::Top)?;
    let zero = (lower.at(x.0, 0.0), lower.at(x.1, 0.0));
    pen.line(vec![zero.0, zero.1], INK, 1)?;

    let mut groups: Vec<(f64, f64)> = Vec::new();
    for cell in cells {
        if !groups.contains(&(cell.r_low, cell.r_high)) {
            groups.push((cell.r_low, cell.r_high));
        }
    }
    // Upper right: faint objects are seldom complete.
    let (mut legend, left) = (COMPLETENESS[2] as usize + 12, COMPLETENESS[1] as usize - 280);
    for (k, group) in groups.iter().enumerate() {
        let members: Vec<&Cell> = cells.iter().filter(|c| (c.r_low, c.r_high) == *group).collect();
        let n: usize = members.iter().map(|c| c.n).sum();
        if n == 0 {
            continue;
        }
        let (ink, width) = if k == 0 { (INK, 2) } else { (COLOURS[(k - 1) % COLOURS.len()], 1) };
        // Bars of different groups stand side by side.
        let shift = |c: &Cell| 0.5 * (c.mag_low + c.mag_high) + 0.04 * (c.mag_high - c.mag_low) * k as f64;
        let points: Vec<_> = members.iter().map(|c| (shift(c), c.completeness(), c.interval.0, c.interval.1)).collect();
        upper.curve(pen, &points, ink, width)?;
        let points: Vec<_> = members
            .iter()
            .map(|c| (shift(c), c.mag_bias, c.mag_bias - c.mag_scatter, c.mag_bias + c.mag_scatter))
            .collect();
        lower.curve(pen, &points, ink, width)?;
        let name = if group.1 == f64::INFINITY {
            format!("all radii, {n} objects")
        } else {
            format!("r_half {} to {} px, {n} objects", number(group.0), number(group.1))
        };
        let y = legend as i32 + 8;
        pen.line(vec![(left as i32, y), (left as i32 + 30, y)], ink, width + 1)?;
        pen.text(&name, (left + 40, legend), FONT, INK, Anchor::Left)?;
        legend += FONT + 8;
    }
    Ok(())
}
