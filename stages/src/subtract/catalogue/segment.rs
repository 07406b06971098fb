//! The segment of one star in its cut-out: detection, deblending, and the hole of a saturated star.

use ndarray::{Array2, ArrayView2, s};

use crate::segment::{Connectivity, DeblendMode, DeblendOptions, Labels, deblend_sources};

/// How a segment is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detection {
    pub pixels: usize,
    pub sigma: f64,
    pub deblend_pixels: usize,
    pub deblend_contrast: f64,
    pub deblend_levels: usize,
    /// How far from the star's own pixel its segment may begin.
    pub reach: usize,
}

/// Pixels of the connected region above a threshold that holds `seed`, in raster order; empty when the seed is below.
///
/// The same pixels as a labelling of the whole cut-out would give, without touching the rest of it.
fn region(
    sn: ArrayView2<f32>,
    seed: (usize, usize),
    seen: &mut Array2<bool>,
    is_in: impl Fn(f32) -> bool,
) -> Vec<(usize, usize)> {
    if !is_in(sn[seed]) || seen[seed] {
        return Vec::new();
    }
    let (height, width) = sn.dim();
    let mut found = vec![seed];
    seen[seed] = true;
    let mut next = 0;
    while next < found.len() {
        let (y, x) = found[next];
        next += 1;
        for ny in y.saturating_sub(1)..(y + 2).min(height) {
            for nx in x.saturating_sub(1)..(x + 2).min(width) {
                if !seen[[ny, nx]] && is_in(sn[[ny, nx]]) {
                    seen[[ny, nx]] = true;
                    found.push((ny, nx));
                }
            }
        }
    }
    found.sort_unstable();
    found
}

/// Pixels of the cut-out around `centre`, nearest first; raster order among equals.
fn by_distance(centre: (usize, usize), reach: usize, (height, width): (usize, usize)) -> Vec<(usize, usize)> {
    let (cy, cx) = centre;
    let mut list: Vec<(usize, usize)> = (cy.saturating_sub(reach)..(cy + reach + 1).min(height))
        .flat_map(|y| (cx.saturating_sub(reach)..(cx + reach + 1).min(width)).map(move |x| (y, x)))
        .filter(|&(y, x)| y.abs_diff(cy).pow(2) + x.abs_diff(cx).pow(2) <= reach * reach)
        .collect();
    list.sort_by_key(|&(y, x)| (y.abs_diff(cy).pow(2) + x.abs_diff(cx).pow(2), y, x));
    list
}

/// The segment of the star at `centre` in a cut-out of values in units of the noise, in raster order.
///
/// Detection and deblending with the semantics of [`crate::segment`], 8-connected. `None` when there is no segment within `reach`.
pub(super) fn star_segment(
    sn: ArrayView2<f32>,
    centre: (usize, usize),
    how: &Detection,
) -> Option<Vec<(usize, usize)>> {
    let threshold = how.sigma as f32;
    let mut seen = Array2::from_elem(sn.dim(), false);
    // The reach is a few pixels for most stars: the list stays short.
    let (seed, parent) = by_distance(centre, how.reach, sn.dim()).into_iter().find_map(|seed| {
        let pixels = region(sn, seed, &mut seen, |v| v > threshold);
        (pixels.len() >= how.pixels).then_some((seed, pixels))
    })?;
    if parent.len() < 2 * how.deblend_pixels || how.deblend_contrast >= 1.0 {
        return Some(parent);
    }
    let fold = |f: fn(usize, usize) -> usize, start: usize, axis: fn(&(usize, usize)) -> usize| {
        parent.iter().map(axis).fold(start, f)
    };
    let (y0, y1) = (fold(usize::min, usize::MAX, |p| p.0), fold(usize::max, 0, |p| p.0));
    let (x0, x1) = (fold(usize::min, usize::MAX, |p| p.1), fold(usize::max, 0, |p| p.1));
    let mut labels = Array2::<u32>::zeros((y1 - y0 + 1, x1 - x0 + 1));
    for &(y, x) in &parent {
        labels[[y - y0, x - x0]] = 1;
    }
    let options = DeblendOptions {
        n_pixels: how.deblend_pixels,
        n_levels: how.deblend_levels,
        contrast: how.deblend_contrast,
        mode: DeblendMode::Exponential,
        connectivity: Connectivity::Eight,
    };
    let children = deblend_sources(sn.slice(s![y0..=y1, x0..=x1]), &Labels { labels, n: 1 }, &options);
    let own = children.labels[[seed.0 - y0, seed.1 - x0]];
    Some(parent.into_iter().filter(|&(y, x)| children.labels[[y - y0, x - x0]] == own).collect())
}

/// The hole of a saturated star: pixels that `is_hole`, connected to the 3x3 pixels about the centre, in raster order.
pub(super) fn hole(
    sn: ArrayView2<f32>,
    centre: (usize, usize),
    is_hole: impl Fn(f32) -> bool + Copy,
) -> Vec<(usize, usize)> {
    let mut seen = Array2::from_elem(sn.dim(), false);
    let mut pixels: Vec<(usize, usize)> =
        by_distance(centre, 2, sn.dim()).into_iter().flat_map(|seed| region(sn, seed, &mut seen, is_hole)).collect();
    pixels.sort_unstable();
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how(reach: usize) -> Detection {
        Detection { pixels: 3, sigma: 3.0, deblend_pixels: 1, deblend_contrast: 0.0, deblend_levels: 32, reach }
    }

    fn two_stars() -> Array2<f32> {
        Array2::from_shape_fn((21, 31), |(y, x)| {
            let star = |cx: f64, peak: f64| {
                let r2 = (x as f64 - cx).powi(2) + (y as f64 - 10.0).powi(2);
                peak * libm::exp(-r2 / 8.0)
            };
            (star(11.0, 100.0) + star(18.0, 60.0)) as f32
        })
    }

    #[test]
    fn two_stars_that_touch_are_two_segments() {
        let sn = two_stars();
        let a = star_segment(sn.view(), (10, 11), &how(3)).expect("a segment");
        let b = star_segment(sn.view(), (10, 18), &how(3)).expect("a segment");
        assert!(a.contains(&(10, 11)) && !a.contains(&(10, 18)));
        assert!(b.contains(&(10, 18)) && !b.contains(&(10, 11)));
        assert_eq!(a.len() + b.len(), sn.iter().filter(|&&v| v > 3.0).count());
    }

    #[test]
    fn nothing_above_the_threshold_near_the_star_is_no_segment() {
        let sn = two_stars();
        assert_eq!(star_segment(sn.view(), (1, 2), &how(3)), None);
        assert!(star_segment(sn.view(), (10, 2), &how(8)).is_some());
        let nan = Array2::from_elem((5, 5), f32::NAN);
        assert_eq!(star_segment(nan.view(), (2, 2), &how(2)), None);
    }

    #[test]
    fn the_hole_is_what_is_connected_to_the_centre() {
        let mut sn = Array2::from_elem((9, 9), 4.0_f32);
        for p in [(4, 4), (4, 5), (5, 5), (0, 0)] {
            sn[p] = -900.0;
        }
        assert_eq!(hole(sn.view(), (4, 4), |v| v < -50.0), [(4, 4), (4, 5), (5, 5)]);
    }
}
