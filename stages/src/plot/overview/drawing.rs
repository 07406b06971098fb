//! The picture: three panels, axes, outlines, colour bar, notes.

use ndarray::Array2;
use skyloom_data::Image;

use super::blocks::block_means;
use super::canvas::{Anchor, Canvas, Pen};
use super::colours::{INK, OUTLINE, PAPER, cividis};
use super::layout::{Layout, line_height, ticks};
use super::stretch::{BLACK_SIGMA, Stretch, median_and_scatter, white_sigma};

/// What the picture shows.
#[derive(Debug)]
pub struct Panels<'a> {
    /// The image in which sources were looked for.
    pub image: &'a Image,
    /// The same frame without point sources.
    pub residual: &'a Image,
    /// Outlines over the third panel.
    pub outlines: Vec<Outline<'a>>,
    /// Noise of one pixel; `None` takes the robust scatter of the residual.
    pub sigma: Option<f64>,
    /// Title above the panels; empty for none.
    pub title: &'a str,
    /// Largest width of the picture, in its own pixels; at least 600.
    pub width_px: usize,
}

/// One outline with its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline<'a> {
    /// Text beside it; empty for none.
    pub label: String,
    /// Vertices `[x, y]` in image pixels, the first repeated at the end.
    pub vertices: &'a [[f64; 2]],
}

/// An outline smaller than this on the picture, in font heights, gets a ring around it.
const SMALL: f64 = 0.7;
const NOTE_LINES: usize = 4;
/// Labels are never smaller, in picture pixels.
const SMALLEST_LABEL: usize = 10;

/// Draws the picture and encodes it as PNG.
///
/// # Errors
/// When the two images differ in size, or the drawing library fails.
pub fn draw_overview(panels: &Panels<'_>) -> Result<Vec<u8>, String> {
    let (width, height) = (panels.image.width(), panels.image.height());
    if (panels.residual.width(), panels.residual.height()) != (width, height) {
        return Err(format!(
            "the image has {width} x {height} pixels, the residual {} x {}",
            panels.residual.width(),
            panels.residual.height()
        ));
    }
    let layout = Layout::new(width, height, panels.width_px.max(600), !panels.title.is_empty(), NOTE_LINES);
    let shown = [block_means(&panels.image.pixels, layout.block), block_means(&panels.residual.pixels, layout.block)];
    let (stretches, scale_note) = stretches(panels, &shown[0]);

    let mut canvas = Canvas::new(layout.size, PAPER);
    for (panel, of) in [0, 1, 1].into_iter().enumerate() {
        paint(&mut canvas, &layout, panel, &shown[of], &stretches[of]);
    }
    paint_bar(&mut canvas, &layout);
    canvas.draw(|pen| {
        let count = panels.outlines.len();
        let plural = if count == 1 { "" } else { "s" };
        let titles = ["image".to_owned(), "residual".to_owned(), format!("residual, {count} isophote{plural}")];
        for (panel, title) in titles.iter().enumerate() {
            axes(pen, &layout, panel, title, (width, height))?;
        }
        if !panels.title.is_empty() {
            let middle = (layout.size.0 / 2, layout.font / 2);
            pen.text(panels.title, middle, layout.font * 3 / 2, INK, Anchor::Top)?;
        }
        bar_ticks(pen, &layout, &stretches[0])?;
        let drawn = outlines(pen, &layout, &panels.outlines)?;
        notes(pen, &layout, &scale_note, &drawn)
    })?;
    canvas.png()
}

/// The stretch of image and residual: each about its own sky, with one noise and one white so that they compare.
fn stretches(panels: &Panels<'_>, shown: &Array2<f32>) -> ([Stretch; 2], String) {
    let (image, residual) = (median_and_scatter(panels.image), median_and_scatter(panels.residual));
    let sky = [image, residual].map(|s| s.map_or(0.0, |(median, _)| median));
    let usable = |sigma: &f64| sigma.is_finite() && *sigma > 0.0;
    let measured = panels.sigma.or(residual.map(|(_, scatter)| scatter)).filter(usable);
    // Without any noise (a constant or empty image) a pixel unit serves: there is nothing to see.
    let sigma = measured.unwrap_or(1.0);
    let values: Vec<f32> = shown.iter().copied().collect();
    let white = white_sigma(&values, sky[0], sigma);
    let unit = panels.image.meta.unit.as_deref().map(|u| format!(" {u}")).unwrap_or_default();
    let note = if image.is_none() {
        "the image has no pixel with a value".to_owned()
    } else if measured.is_none() {
        format!("the pixels have no scatter: sigma is taken as 1{unit}")
    } else {
        format!(
            "sigma = {}{unit}; sky = {}{unit} in the image, {}{unit} in the residual",
            short(sigma),
            short(sky[0]),
            short(sky[1])
        )
    };
    (sky.map(|sky| Stretch { sky, sigma, white_sigma: white }), note)
}

/// Three significant digits.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = libm::floor(libm::log10(value.abs()));
    if (-4.0..6.0).contains(&digits) {
        format!("{value:.*}", (2.0 - digits).max(0.0) as usize)
    } else {
        format!("{value:.2e}")
    }
}

fn paint(canvas: &mut Canvas, layout: &Layout, panel: usize, shown: &Array2<f32>, stretch: &Stretch) {
    for ((row, column), &value) in shown.indexed_iter() {
        let colour = cividis(stretch.brightness(f64::from(value)));
        let left = layout.lefts[panel] + column * layout.magnify;
        // Row 0 is at the bottom, as in every FITS viewer.
        let top = layout.top + layout.panel.1 - (row + 1) * layout.magnify;
        for y in top..top + layout.magnify {
            for x in left..left + layout.magnify {
                canvas.set(x, y, colour);
            }
        }
    }
}

/// Left edge and length of the colour bar.
fn bar(layout: &Layout) -> (usize, usize) {
    (layout.lefts[0], 24 * layout.font)
}

/// The bar is even in brightness; its ticks carry the stretch.
fn paint_bar(canvas: &mut Canvas, layout: &Layout) {
    let (left, length) = bar(layout);
    for i in 0..length {
        let colour = cividis(i as f64 / (length - 1) as f64);
        for y in 0..layout.font * 3 / 4 {
            canvas.set(left + i, layout.bar_top() + y, colour);
        }
    }
}

fn bar_ticks(pen: &Pen<'_>, layout: &Layout, stretch: &Stretch) -> Result<(), String> {
    let (left, length) = bar(layout);
    let below = layout.bar_top() + layout.font * 3 / 4;
    let size = layout.font * 4 / 5;
    for sigmas in [BLACK_SIGMA, 0.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0] {
        if sigmas <= stretch.white_sigma {
            let x = left + (stretch.brightness_of_sigma(sigmas) * (length - 1) as f64) as usize;
            pen.line(vec![(x as i32, below as i32), (x as i32, (below + 3) as i32)], INK, 1)?;
            pen.text(&format!("{sigmas}"), (x, below + 4), size, INK, Anchor::Top)?;
        }
    }
    let text = "sigma above the sky (asinh stretch)";
    pen.text(text, (left + length + layout.font * 2, layout.bar_top()), layout.font, INK, Anchor::Left)
}

fn axes(
    pen: &Pen<'_>,
    layout: &Layout,
    panel: usize,
    title: &str,
    (width, height): (usize, usize),
) -> Result<(), String> {
    let (left, top) = (layout.lefts[panel] as i32, layout.top as i32);
    let (right, bottom) = (left + layout.panel.0 as i32, top + layout.panel.1 as i32);
    let frame = [(left - 1, top - 1), (right, top - 1), (right, bottom), (left - 1, bottom), (left - 1, top - 1)];
    pen.line(frame.to_vec(), INK, 1)?;
    let font = layout.font;
    pen.text(title, (left as usize, layout.top - font * 7 / 5), font, INK, Anchor::Left)?;
    let (most_x, most_y) = layout.most_ticks();
    for x in ticks(width, most_x) {
        let at = layout.place(panel, x as f64, 0.0).0 as i32;
        pen.line(vec![(at, bottom), (at, bottom + 5)], INK, 1)?;
        pen.text(&x.to_string(), (at as usize, bottom as usize + 7), font * 4 / 5, INK, Anchor::Top)?;
    }
    let middle = left as usize + layout.panel.0 / 2;
    pen.text("x (px)", (middle, bottom as usize + 7 + font), font * 4 / 5, INK, Anchor::Top)?;
    if panel == 0 {
        // Beside the titles, where no tick label can be.
        pen.text("y (px)", (left as usize - 8, layout.top - font), font * 4 / 5, INK, Anchor::Right)?;
    }
    for y in ticks(height, most_y) {
        let at = layout.place(panel, 0.0, y as f64).1 as i32;
        pen.line(vec![(left - 6, at), (left - 1, at)], INK, 1)?;
        if panel == 0 {
            pen.text(&y.to_string(), (left as usize - 8, at as usize), font * 4 / 5, INK, Anchor::Right)?;
        }
    }
    Ok(())
}

/// What was drawn of the outlines.
struct Drawn {
    labels: usize,
    outlines: usize,
    rings: usize,
}

fn outlines(pen: &Pen<'_>, layout: &Layout, list: &[Outline<'_>]) -> Result<Drawn, String> {
    let thick = (layout.font / 8).max(1) as u32;
    let font = (layout.font * 4 / 5).max(SMALLEST_LABEL);
    let mut boxes = Vec::with_capacity(list.len());
    let mut drawn = Drawn { labels: 0, outlines: list.len(), rings: 0 };
    for outline in list {
        let points: Vec<(f64, f64)> = outline.vertices.iter().map(|[x, y]| layout.place(2, *x, *y)).collect();
        let bounds = points.iter().fold([f64::MAX, f64::MAX, f64::MIN, f64::MIN], |b, (x, y)| {
            [b[0].min(*x), b[1].min(*y), b[2].max(*x), b[3].max(*y)]
        });
        let mut line: Vec<(i32, i32)> = points.iter().map(|(x, y)| (x.round() as i32, y.round() as i32)).collect();
        line.dedup();
        if line.len() > 1 {
            // The dark rim keeps the outline visible where it crosses bright light.
            pen.line(line.clone(), INK, thick + 2)?;
            pen.line(line, OUTLINE, thick)?;
        }
        let small = SMALL * layout.font as f64;
        let mut bounds = bounds;
        if bounds[2] - bounds[0] < small && bounds[3] - bounds[1] < small {
            let (x, y) = (f64::midpoint(bounds[0], bounds[2]), f64::midpoint(bounds[1], bounds[3]));
            pen.ring((x.round() as i32, y.round() as i32), small.round() as i32, OUTLINE, 1)?;
            bounds = [x - small, y - small, x + small, y + small];
            drawn.rings += 1;
        }
        boxes.push(bounds);
    }
    // Labels of large outlines come first; one that would cover another label is left out, and the note says so.
    let mut order: Vec<usize> = (0..list.len()).filter(|&i| !list[i].label.is_empty()).collect();
    let area = |b: &[f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    order.sort_by(|&i, &j| area(&boxes[j]).total_cmp(&area(&boxes[i])).then(i.cmp(&j)));
    let mut taken: Vec<[usize; 4]> = Vec::new();
    let (panel_left, panel_right) = (layout.lefts[2], layout.lefts[2] + layout.panel.0);
    for i in order {
        let (w, h) = pen.text_size(&list[i].label, font)?;
        // To the upper right, turned to the left at the right edge, and kept inside the panel.
        let right = boxes[i][2] as usize + 3;
        let x = if right + w < panel_right { right } else { (boxes[i][0] as usize).saturating_sub(w + 3) };
        let x = x.max(panel_left + 2);
        let y = (boxes[i][1].max(0.0) as usize).saturating_sub(h / 2).max(layout.top + 2);
        let place = [x, y, x + w, y + h];
        let covers = |t: &[usize; 4]| place[0] < t[2] && t[0] < place[2] && place[1] < t[3] && t[1] < place[3];
        if taken.iter().any(covers) {
            continue;
        }
        taken.push(place);
        drawn.labels += 1;
        // A dark rim keeps the label readable over bright light.
        for (dx, dy) in [(0, 1), (2, 1), (1, 0), (1, 2), (0, 0), (2, 2), (0, 2), (2, 0)] {
            pen.text(&list[i].label, (x + dx - 1, y + dy - 1), font, INK, Anchor::Left)?;
        }
        pen.text(&list[i].label, (x, y), font, OUTLINE, Anchor::Left)?;
    }
    Ok(drawn)
}

fn notes(pen: &Pen<'_>, layout: &Layout, scale: &str, drawn: &Drawn) -> Result<(), String> {
    let Layout { block, magnify, .. } = *layout;
    let size = match (block, magnify) {
        (1, 1) => "one picture pixel per image pixel".to_owned(),
        (1, m) => format!("each image pixel is shown as {m} x {m}"),
        (b, _) => format!("each picture pixel is the mean of {b} x {b} image pixels"),
    };
    let mut labels = Vec::new();
    if drawn.labels < drawn.outlines {
        labels.push(format!("{} of {} isophotes are labelled, the others had no room", drawn.labels, drawn.outlines));
    }
    if drawn.rings > 0 {
        labels.push("a ring marks an isophote too small to see".to_owned());
    }
    let lines = [
        scale.to_owned(),
        format!("{size}; grey has no value"),
        "zero-based pixels, y increases upwards (FITS convention)".to_owned(),
        labels.join("; "),
    ];
    for (i, line) in lines.iter().enumerate().take(layout.note_lines) {
        let top = layout.notes_top() + layout.font / 2 + i * line_height(layout.font);
        pen.text(line, (layout.lefts[0], top), layout.font, INK, Anchor::Left)?;
    }
    Ok(())
}
