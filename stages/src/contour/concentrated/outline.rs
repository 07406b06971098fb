//! The contour of a region.

use ndarray::{Array2, ArrayView2};

use crate::contour::{ContourOptions, find_contours};

use super::region::Region;

/// The contour of `significance` at `level` around a region without holes that lies above it: closed and simple, the
/// pixels whose centres are inside are those of the region. `None` for a region without pixels.
///
/// Other regions above the level that touch it at a corner, and holes that were filled, are moved to the side of the level that
/// they belong to.
pub(super) fn outline(region: &Region, significance: ArrayView2<'_, f32>, level: f64) -> Option<Vec<[f64; 2]>> {
    let (height, width) = region.mask.dim();
    // A border of one pixel: the contour runs between pixels inside and outside, and beyond the image's edge there is nothing.
    let values = Array2::from_shape_fn((height + 2, width + 2), |(y, x)| {
        let (ix, iy) = ((region.x0 + x).checked_sub(1), (region.y0 + y).checked_sub(1));
        let here = ix.zip(iy);
        let value = here.and_then(|(x, y)| significance.get([y, x])).map_or(0.0, |v| f64::from(*v));
        let belongs = here.is_some_and(|(x, y)| region.contains(x, y));
        match (belongs, value > level) {
            (true, true) => value,
            (true, false) => 1.5 * level,
            (false, true) => 0.5 * level,
            // A pixel at the level itself would have its centre on the contour.
            (false, false) => value.min(level * (1.0 - 1e-6)),
        }
    });
    let contours = find_contours(values.view(), level, None, &ContourOptions::default());
    let longest = contours.into_iter().filter(|c| c.is_closed).max_by_key(|c| c.vertices.len())?;
    let shift = [region.x0 as f64 - 1.0, region.y0 as f64 - 1.0];
    Some(longest.vertices.into_iter().map(|[x, y]| [x + shift[0], y + shift[1]]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contour::concentrated::regions_above;
    use crate::measure::polygon;

    #[test]
    fn the_contour_of_a_ragged_region_holds_exactly_its_pixels() {
        let noisy = Array2::from_shape_fn((40, 50), |(y, x)| {
            let r2 = (y as f64 - 20.0).powi(2) + (x as f64 - 25.0).powi(2);
            (8.0 * libm::exp(-r2 / 200.0) + ((y * 31 + x * 17 + y * x) % 13) as f64 * 0.5) as f32
        });
        for level in [4.0, 5.5, 7.0, 9.0] {
            for region in regions_above(noisy.view(), level, None, 1, &|| true).unwrap() {
                let region = region.filled();
                let vertices = outline(&region, noisy.view(), level).unwrap();
                let inside: Vec<_> = polygon::pixels(&polygon::spans(&vertices, 50, 40)).collect();
                assert_eq!(inside, region.pixels().collect::<Vec<_>>());
                assert!(vertices.first() == vertices.last() && polygon::signed_area(&vertices) > 0.0);
            }
        }
    }
}
