//! Marching squares on one row of cells: where a level crosses, and which crossings belong together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a saddle cell (two diagonal corners above the level, two not) joins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Saddle {
    /// The two low corners: high pixels that touch only diagonally lie in two contours.
    #[default]
    Low,
    /// The two high corners: high pixels that touch only diagonally lie in one contour.
    High,
}

/// A crossing of the level: the grid edge that it lies on, and its position `[x, y]`.
///
/// The edge names the crossing exactly, where positions could coincide: two crossings fall on one pixel centre when
/// that pixel equals the level. Edge `2 (y w + x)` runs from pixel (x, y) to (x + 1, y), `2 (y w + x) + 1` to (x, y + 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Crossing {
    pub(super) edge: u64,
    pub(super) at: [f64; 2],
}

/// A directed piece of contour through one cell, with the high side on its left (x to the right, y upwards).
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) from: Crossing,
    pub(super) to: Crossing,
}

/// Fraction of the way from a pixel of value `a` to one of value `b` at which the level is reached; one is above it.
fn fraction(a: f64, b: f64, level: f64) -> f64 {
    (level - a) / (b - a)
}

/// Appends the segments of the cells between pixel rows `y` (`upper`) and `y + 1` (`lower`).
///
/// A corner is high when its value is above the level, not equal to it. A cell with a NaN corner gives no segment, so
/// contours end there.
pub(super) fn trace_cell_row(
    y: usize,
    upper: &[f64],
    lower: &[f64],
    level: f64,
    saddle: Saddle,
    out: &mut Vec<Segment>,
) {
    let width = upper.len() as u64;
    for x in 1..upper.len() {
        let (a, b, c, d) = (upper[x - 1], upper[x], lower[x - 1], lower[x]);
        let high = u8::from(a > level) | u8::from(b > level) << 1 | u8::from(c > level) << 2 | u8::from(d > level) << 3;
        if high == 0 || high == 15 || a.is_nan() || b.is_nan() || c.is_nan() || d.is_nan() {
            continue;
        }
        let x = x - 1;
        let (xf, yf) = (x as f64, y as f64);
        let pixel = |dx: u64, dy: u64| 2 * ((y as u64 + dy) * width + x as u64 + dx);
        let top = || Crossing { edge: pixel(0, 0), at: [xf + fraction(a, b, level), yf] };
        let bottom = || Crossing { edge: pixel(0, 1), at: [xf + fraction(c, d, level), yf + 1.0] };
        let left = || Crossing { edge: pixel(0, 0) + 1, at: [xf, yf + fraction(a, c, level)] };
        let right = || Crossing { edge: pixel(1, 0) + 1, at: [xf + 1.0, yf + fraction(b, d, level)] };
        let mut push = |from: Crossing, to: Crossing| out.push(Segment { from, to });
        // Bits: 1 upper left, 2 upper right, 4 lower left, 8 lower right.
        match (high, saddle) {
            (1, _) => push(top(), left()),
            (2, _) => push(right(), top()),
            (4, _) => push(left(), bottom()),
            (8, _) => push(bottom(), right()),
            (14, _) => push(left(), top()),
            (13, _) => push(top(), right()),
            (11, _) => push(bottom(), left()),
            (7, _) => push(right(), bottom()),
            (3, _) => push(right(), left()),
            (12, _) => push(left(), right()),
            (5, _) => push(top(), bottom()),
            (10, _) => push(bottom(), top()),
            (9, Saddle::Low) => {
                push(top(), left());
                push(bottom(), right());
            }
            (9, Saddle::High) => {
                push(top(), right());
                push(bottom(), left());
            }
            (6, Saddle::Low) => {
                push(right(), top());
                push(left(), bottom());
            }
            (6, Saddle::High) => {
                push(left(), top());
                push(right(), bottom());
            }
            _ => unreachable!("all sixteen patterns of four corners are listed"),
        }
    }
}
