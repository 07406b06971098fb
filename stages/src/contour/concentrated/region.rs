//! Connected regions above a level, cut out of the image.

use std::collections::VecDeque;

use ndarray::{Array2, ArrayView2};

/// Connected pixels of an image (over their edges), as a mask of the smallest window that holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// First column of the window.
    pub x0: usize,
    /// First row.
    pub y0: usize,
    /// Which pixels of the window belong, `[y, x]`.
    pub mask: Array2<bool>,
}

impl Region {
    /// The pixels as `(x, y)` of the image, in raster order.
    pub fn pixels(&self) -> impl Iterator<Item = (usize, usize)> + Clone + '_ {
        self.mask.indexed_iter().filter(|(_, belongs)| **belongs).map(|((y, x), _)| (self.x0 + x, self.y0 + y))
    }

    /// Pixels.
    #[must_use]
    pub fn n_pixels(&self) -> usize {
        self.mask.iter().filter(|v| **v).count()
    }

    /// Whether pixel (`x`, `y`) of the image belongs.
    #[must_use]
    pub fn contains(&self, x: usize, y: usize) -> bool {
        let (Some(x), Some(y)) = (x.checked_sub(self.x0), y.checked_sub(self.y0)) else { return false };
        self.mask.get([y, x]).copied().unwrap_or(false)
    }

    fn of_pixels(pixels: &[(usize, usize)]) -> Option<Self> {
        let x0 = pixels.iter().map(|p| p.0).min()?;
        let x1 = pixels.iter().map(|p| p.0).max()?;
        let y0 = pixels.iter().map(|p| p.1).min()?;
        let y1 = pixels.iter().map(|p| p.1).max()?;
        let mut mask = Array2::from_elem((y1 - y0 + 1, x1 - x0 + 1), false);
        for &(x, y) in pixels {
            mask[[y - y0, x - x0]] = true;
        }
        Some(Self { x0, y0, mask })
    }

    /// The region with its holes: what it surrounds over pixel edges.
    #[must_use]
    pub fn filled(&self) -> Self {
        let (height, width) = self.mask.dim();
        // With a border of one pixel, everything outside hangs together.
        let mut outside = Array2::from_elem((height + 2, width + 2), false);
        let mut queue = VecDeque::from([(0_usize, 0_usize)]);
        outside[[0, 0]] = true;
        while let Some((x, y)) = queue.pop_front() {
            for (nx, ny) in neighbours(x, y, width + 2, height + 2) {
                let belongs = nx > 0 && ny > 0 && self.mask.get([ny - 1, nx - 1]).copied().unwrap_or(false);
                if !outside[[ny, nx]] && !belongs {
                    outside[[ny, nx]] = true;
                    queue.push_back((nx, ny));
                }
            }
        }
        let mask = Array2::from_shape_fn((height, width), |(y, x)| !outside[[y + 1, x + 1]]);
        Self { mask, ..*self }
    }
}

/// The pixels that share an edge with one, inside an image.
pub(super) fn neighbours(x: usize, y: usize, width: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    let near = [
        y.checked_sub(1).map(|y| (x, y)),
        x.checked_sub(1).map(|x| (x, y)),
        (x + 1 < width).then_some((x + 1, y)),
        (y + 1 < height).then_some((x, y + 1)),
    ];
    near.into_iter().flatten()
}

/// The regions of at least `min_area` pixels above `level`, in raster order of their first pixels; of the whole image, or
/// `within` a region. `None` when `go_on`, asked once per row, says no.
pub fn regions_above(
    signal: ArrayView2<'_, f32>,
    level: f64,
    within: Option<&Region>,
    min_area: usize,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Region>> {
    let (x0, y0, (height, width)) = within.map_or((0, 0, signal.dim()), |r| (r.x0, r.y0, r.mask.dim()));
    let belongs =
        |x: usize, y: usize| within.is_none_or(|r| r.mask[[y, x]]) && f64::from(signal[[y0 + y, x0 + x]]) > level;
    let mut seen = Array2::from_elem((height, width), false);
    let mut regions = Vec::new();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for y in 0..height {
        if !go_on() {
            return None;
        }
        for x in 0..width {
            if seen[[y, x]] || !belongs(x, y) {
                continue;
            }
            seen[[y, x]] = true;
            found.clear();
            found.push((x, y));
            let mut next = 0;
            while let Some(&(px, py)) = found.get(next) {
                next += 1;
                for (nx, ny) in neighbours(px, py, width, height) {
                    if !seen[[ny, nx]] && belongs(nx, ny) {
                        seen[[ny, nx]] = true;
                        found.push((nx, ny));
                    }
                }
            }
            if found.len() >= min_area {
                regions.extend(Region::of_pixels(&found).map(|r| Region {
                    x0: x0 + r.x0,
                    y0: y0 + r.y0,
                    mask: r.mask,
                }));
            }
        }
    }
    Some(regions)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn pixels_that_touch_at_a_corner_are_two_regions_and_holes_are_filled() {
        let signal = array![
            [9.0_f32, 9.0, 9.0, 0.0, 0.0],
            [9.0, 0.0, 9.0, 0.0, 0.0],
            [9.0, 9.0, 9.0, 0.0, 9.0],
            [0.0, 0.0, 0.0, 9.0, f32::NAN],
        ];
        let regions = regions_above(signal.view(), 3.0, None, 1, &|| true).unwrap();
        assert_eq!(regions.iter().map(Region::n_pixels).collect::<Vec<_>>(), [8, 1, 1]);
        assert_eq!(regions[0].filled().n_pixels(), 9);
        assert_eq!((regions[2].x0, regions[2].y0), (3, 3));
        assert_eq!(regions_above(signal.view(), 3.0, None, 2, &|| true).unwrap().len(), 1);
        assert!(regions_above(signal.view(), 3.0, None, 1, &|| false).is_none());
        assert!(regions_above(Array2::zeros((0, 0)).view(), 3.0, None, 1, &|| true).unwrap().is_empty());
    }

    #[test]
    fn higher_levels_divide_a_region_and_stay_inside_it() {
        let signal = array![[0.0_f32, 9.0, 5.0, 9.0, 0.0, 9.0]];
        let low = regions_above(signal.view(), 3.0, None, 1, &|| true).unwrap();
        let high = regions_above(signal.view(), 7.0, Some(&low[0]), 1, &|| true).unwrap();
        assert_eq!(high.iter().map(|r| r.x0).collect::<Vec<_>>(), [1, 3]);
        assert!(high[0].contains(1, 0) && !high[0].contains(3, 0));
    }
}
