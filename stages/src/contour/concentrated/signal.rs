//! The signal: smoothed image over noise, where noise includes what subtracted stars leave.

use ndarray::{Array2, ArrayView2, Zip, s};

use crate::background::Watch;
use crate::background::mesh::MeshError;
use crate::filter::{dilate, fill_bad, gaussian, local_noise};

use super::region::neighbours;

/// How the signal is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalOptions {
    /// Sigma of the smoothing in pixels.
    pub smooth_px: f64,
    /// Boxes of the noise in pixels.
    pub noise_box_px: usize,
    /// Least noise as a fraction of its median.
    pub noise_floor: f64,
    /// Noise as a fraction of the light of subtracted stars.
    pub star_noise: f64,
    /// Pixels around groups of bad pixels without signal.
    pub guard_px: usize,
    /// Bad pixels that make a group.
    pub guard_min_pixels: usize,
}

/// The smoothing of the star model, in pixels: the errors of a subtracted star reach as far as its core.
const STAR_SMOOTH_PX: f64 = 1.0;
/// Every so many rows and columns of a noise map, which is smooth, give its median.
const MEDIAN_STEP: usize = 8;

/// The maps that objects are looked for in, `[y, x]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The smoothed image, bad pixels filled.
    pub smooth: Array2<f32>,
    /// The same in units of the noise; 0 in the guard around bad pixels. Finite.
    pub significance: Array2<f32>,
}

/// Makes the signal of an image. `star_light` is the light of the subtracted stars; `is_saturated` pixels are guarded even alone.
///
/// # Errors
/// See [`MeshError`].
pub fn signal_of(
    image: ArrayView2<'_, f32>,
    bad: ArrayView2<'_, bool>,
    is_saturated: &dyn Fn(usize, usize) -> bool,
    star_light: Option<Array2<f32>>,
    options: &SignalOptions,
    watch: Watch<'_>,
) -> Result<Signal, MeshError> {
    let smooth = gaussian(fill_bad(image, bad).view(), options.smooth_px);
    let mut noise = local_noise(smooth.view(), bad, options.noise_box_px, watch)?;
    let floor = (options.noise_floor * median(&noise)) as f32;
    noise.mapv_inplace(|v| v.max(floor));
    if let Some(light) = star_light {
        let light = gaussian(light.view(), STAR_SMOOTH_PX);
        let share = options.star_noise as f32;
        Zip::from(&mut noise).and(&light).par_for_each(|n, &l| {
            let l = share * l.max(0.0);
            *n = (*n * *n + l * l).sqrt();
        });
    }
    let guard = dilate(groups(bad, is_saturated, options.guard_min_pixels).view(), options.guard_px);
    let mut significance = noise;
    Zip::from(&mut significance).and(&smooth).and(&guard).par_for_each(|to, &v, &is_guarded| {
        let ratio = v / *to;
        *to = if is_guarded || !ratio.is_finite() { 0.0 } else { ratio };
    });
    Ok(Signal { smooth, significance })
}

fn median(map: &Array2<f32>) -> f64 {
    let mut values: Vec<f32> = map.slice(s![..;MEDIAN_STEP, ..;MEDIAN_STEP]).iter().copied().collect();
    values.sort_unstable_by(f32::total_cmp);
    values.get(values.len() / 2).map_or(0.0, |v| f64::from(*v))
}

/// The bad pixels that are saturated or hang together with at least `min_pixels - 1` others.
fn groups(bad: ArrayView2<'_, bool>, is_saturated: &dyn Fn(usize, usize) -> bool, min_pixels: usize) -> Array2<bool> {
    let (height, width) = bad.dim();
    let mut kept = Array2::from_elem((height, width), false);
    let mut seen = kept.clone();
    let mut group: Vec<(usize, usize)> = Vec::new();
    for ((y, x), _) in bad.indexed_iter().filter(|(_, b)| **b) {
        if seen[[y, x]] {
            continue;
        }
        seen[[y, x]] = true;
        group.clear();
        group.push((x, y));
        let mut next = 0;
        while let Some(&(px, py)) = group.get(next) {
            next += 1;
            for (nx, ny) in neighbours(px, py, width, height) {
                if bad[[ny, nx]] && !seen[[ny, nx]] {
                    seen[[ny, nx]] = true;
                    group.push((nx, ny));
                }
            }
        }
        if group.len() >= min_pixels || group.iter().any(|&(x, y)| is_saturated(x, y)) {
            group.iter().for_each(|&(x, y)| kept[[y, x]] = true);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_bad_pixels_and_saturated_ones_are_guarded_dead_pixels_are_not() {
        let mut bad = Array2::from_elem((20, 20), false);
        for (y, x) in [(3, 3), (10, 10), (10, 11), (16, 4)] {
            bad[[y, x]] = true;
        }
        let kept = groups(bad.view(), &|x, y| (x, y) == (4, 16), 2);
        assert_eq!(kept.iter().filter(|v| **v).count(), 3);
        assert!(!kept[[3, 3]] && kept[[10, 11]] && kept[[16, 4]]);
    }

    #[test]
    fn light_of_subtracted_stars_counts_as_noise() {
        let image = Array2::from_shape_fn((64, 64), |(y, x)| {
            ((y * 31 + x * 17 + y * x) % 13) as f32 - 6.0 + if (y, x) == (30, 30) { 900.0 } else { 0.0 }
        });
        let bad = Array2::from_elem((64, 64), false);
        let options = SignalOptions {
            smooth_px: 1.0,
            noise_box_px: 32,
            noise_floor: 0.8,
            star_noise: 0.05,
            guard_px: 3,
            guard_min_pixels: 2,
        };
        let mut light = Array2::zeros((64, 64));
        light[[30, 30]] = 1e5;
        let run = |light| signal_of(image.view(), bad.view(), &|_, _| false, light, &options, &|_| true).unwrap();
        let (without, with) = (run(None), run(Some(light)));
        assert!(without.significance[[30, 30]] > 30.0 && with.significance[[30, 30]] < 1.0);
        assert_eq!(without.significance[[50, 10]], with.significance[[50, 10]]);
    }
}
