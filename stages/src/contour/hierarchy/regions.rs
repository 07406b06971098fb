//! Where an image is above a level: the boxes of its connected regions.
//!
//! Every contour around high pixels at this level or a higher one lies inside the box of one region, grown by a pixel. Cut-outs that hold
//! whole regions therefore lose no contour and cut none open.

use rayon::prelude::*;

/// A part of an image: columns `x0..x1`, rows `y0..y1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub x0: usize,
    /// Column after the last one.
    pub x1: usize,
    /// First row.
    pub y0: usize,
    /// Row after the last one.
    pub y1: usize,
}

impl Window {
    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.x1 - self.x0
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.y1 - self.y0
    }

    /// Least x, least y, greatest x, greatest y that contours around these pixels can reach.
    #[must_use]
    pub fn reach(&self) -> [f64; 4] {
        [self.x0 as f64 - 1.0, self.y0 as f64 - 1.0, self.x1 as f64, self.y1 as f64]
    }

    /// The least window that holds both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            x1: self.x1.max(other.x1),
            y0: self.y0.min(other.y0),
            y1: self.y1.max(other.y1),
        }
    }

    /// The window with a border of `margin` pixels, where `within` has room for it.
    #[must_use]
    pub fn grown(self, margin: usize, within: Self) -> Self {
        Self {
            x0: self.x0.saturating_sub(margin).max(within.x0),
            x1: (self.x1 + margin).min(within.x1),
            y0: self.y0.saturating_sub(margin).max(within.y0),
            y1: (self.y1 + margin).min(within.y1),
        }
    }
}

/// Boxes of the regions of `window` whose pixels are above `level` and touch over edges or corners, in raster order of the
/// regions' first pixels.
///
/// `fill(y, row)` writes the values of the window's columns of row `y`; what is not finite has no value. `go_on`, asked once per row, says no to stop: `None`.
pub fn regions_above(
    window: Window,
    level: f64,
    fill: &(dyn Fn(usize, &mut [f64]) + Sync),
    go_on: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Window>> {
    let runs_of = |buffer: &mut Vec<f64>, y: usize| {
        buffer.resize(window.width(), 0.0);
        fill(y, buffer);
        let mut runs: Vec<[usize; 2]> = Vec::new();
        let mut start = None;
        for (x, &value) in buffer.iter().enumerate() {
            match (value > level && value.is_finite(), start) {
                (true, None) => start = Some(x),
                (false, Some(first)) => {
                    runs.push([first, x]);
                    start = None;
                }
                _ => {}
            }
        }
        runs.extend(start.map(|first| [first, buffer.len()]));
        go_on().then_some(runs)
    };
    let rows: Vec<Vec<[usize; 2]>> =
        (window.y0..window.y1).into_par_iter().map_init(Vec::new, runs_of).collect::<Option<_>>()?;

    // Union-find over regions; a region's root is the one that was found first.
    let mut parent: Vec<usize> = Vec::new();
    let mut boxes: Vec<Window> = Vec::new();
    let mut above: Vec<([usize; 2], usize)> = Vec::new();
    for (y, runs) in (window.y0..).zip(&rows) {
        let mut current = Vec::with_capacity(runs.len());
        let mut first = 0;
        for &[start, end] in runs {
            let own = Window { x0: window.x0 + start, x1: window.x0 + end, y0: y, y1: y + 1 };
            let mut region = None;
            while above.get(first).is_some_and(|(run, _)| run[1] < start) {
                first += 1;
            }
            for &(_, other) in above[first..].iter().take_while(|(run, _)| run[0] <= end) {
                let other = root(&mut parent, other);
                region = Some(match region {
                    None => other,
                    Some(region) => {
                        let (low, high) = (other.min(region), other.max(region));
                        parent[high] = low;
                        boxes[low] = boxes[low].union(boxes[high]);
                        low
                    }
                });
            }
            let region = region.unwrap_or_else(|| {
                parent.push(parent.len());
                boxes.push(own);
                parent.len() - 1
            });
            boxes[region] = boxes[region].union(own);
            current.push(([start, end], region));
        }
        above = current;
    }
    Some((0..boxes.len()).filter(|&i| parent[i] == i).map(|i| boxes[i]).collect())
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(rows: &[&str], level: f64) -> Vec<[usize; 4]> {
        let window = Window { x0: 0, x1: rows[0].len(), y0: 0, y1: rows.len() };
        let fill = |y: usize, row: &mut [f64]| {
            for (out, c) in row.iter_mut().zip(rows[y].chars()) {
                *out = c.to_digit(10).map_or(f64::NAN, f64::from);
            }
        };
        let found = regions_above(window, level, &fill, &|| true).unwrap();
        found.into_iter().map(|w| [w.x0, w.x1, w.y0, w.y1]).collect()
    }

    #[test]
    fn regions_touch_over_corners_and_end_at_pixels_without_value() {
        let rows = ["500005", "050050", "000000", "55?550", "000000"];
        assert_eq!(regions(&rows, 1.0), [[0, 2, 0, 2], [4, 6, 0, 2], [0, 2, 3, 4], [3, 5, 3, 4]]);
        assert!(regions(&rows, 5.0).is_empty());
        assert!(regions(&["?"], 0.0).is_empty());
    }

    #[test]
    fn arms_that_meet_below_are_one_region() {
        assert_eq!(regions(&["50505", "50505", "55555", "00000"], 1.0), [[0, 5, 0, 3]]);
        assert_eq!(regions(&["55555", "50005", "50505", "50055"], 1.0), [[0, 5, 0, 4]]);
    }

    #[test]
    fn windows_grow_no_further_than_the_image() {
        let image = Window { x0: 0, x1: 9, y0: 0, y1: 7 };
        let window = Window { x0: 1, x1: 4, y0: 3, y1: 6 };
        assert_eq!(window.grown(2, image), Window { x0: 0, x1: 6, y0: 1, y1: 7 });
    }
}
