//! How many contours a cut-out has at a level, without tracing them.
//!
//! With the saddle rule `low`, pixels that touch only diagonally lie in two contours. A closed contour around a high region is
//! therefore the outline of one 4-connected component of high pixels that does not reach the edge, and an open contour runs
//! between two places of the edge where high and low pixels meet. Counting these is many times faster than tracing; a test
//! compares the two.

use ndarray::ArrayView2;

/// Memory for [`count_contours`], to be used again from call to call.
#[derive(Debug, Clone, Default)]
pub struct CountScratch {
    is_seen: Vec<bool>,
    stack: Vec<usize>,
}

/// The closed contours around high regions (holes do not count) plus the contours cut by the edge, at `level`; counting stops
/// above `limit`, and the result is then `limit + 1`.
///
/// `values` is `[y, x]`, all finite; a pixel is high when its value is above the level. Equal to the number that
/// [`find_contours`](crate::contour::find_contours) gives with `drop_holes`, unless rounding cannot tell a peak from the level.
#[must_use]
pub fn count_contours(values: ArrayView2<'_, f64>, level: f64, limit: usize, scratch: &mut CountScratch) -> usize {
    let (height, width) = values.dim();
    // One row or column has no cells.
    if width < 2 || height < 2 {
        return 0;
    }
    let at = |i: usize| values[[i / width, i % width]] > level;
    let mut count = count_open(values, level);
    scratch.is_seen.clear();
    scratch.is_seen.resize(width * height, false);
    for first in 0..width * height {
        if count > limit {
            return limit + 1;
        }
        if scratch.is_seen[first] || !at(first) {
            continue;
        }
        let mut is_inside = true;
        scratch.is_seen[first] = true;
        scratch.stack.push(first);
        while let Some(i) = scratch.stack.pop() {
            let (x, y) = (i % width, i / width);
            is_inside &= x > 0 && y > 0 && x + 1 < width && y + 1 < height;
            let neighbours = [
                (x > 0).then(|| i - 1),
                (x + 1 < width).then(|| i + 1),
                (y > 0).then(|| i - width),
                (y + 1 < height).then(|| i + width),
            ];
            for j in neighbours.into_iter().flatten() {
                if !scratch.is_seen[j] && at(j) {
                    scratch.is_seen[j] = true;
                    scratch.stack.push(j);
                }
            }
        }
        count += usize::from(is_inside);
    }
    count.min(limit + 1)
}

/// Contours that end at the edge: half of the places around it where high and low pixels meet.
fn count_open(values: ArrayView2<'_, f64>, level: f64) -> usize {
    let (height, width) = values.dim();
    let around = (0..width)
        .map(|x| [0, x])
        .chain((1..height).map(|y| [y, width - 1]))
        .chain((0..width - 1).rev().map(|x| [height - 1, x]))
        .chain((1..height - 1).rev().map(|y| [y, 0]));
    // The last of the round.
    let mut is_high = values[[1, 0]] > level;
    let mut changes = 0;
    for at in around {
        let is_next_high = values[at] > level;
        changes += usize::from(is_next_high != is_high);
        is_high = is_next_high;
    }
    changes / 2
}
