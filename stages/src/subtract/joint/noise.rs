//! The noise of a pixel, measured between the stars.

use ndarray::{Array2, s};
use rayon::prelude::*;

/// Side of the boxes in which the noise is measured, px.
const BOX: usize = 64;
/// Usable pixels that a box needs.
const MIN_PIXELS: usize = 400;

/// Sky level, its noise at full confidence, and how the noise grows with light.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoiseModel {
    /// Median of the image with its sky.
    pub level: f64,
    /// Standard deviation at that level and confidence 100.
    pub sigma: f64,
    /// Sky that was subtracted from the image before, if that is known.
    pub subtracted_sky: Option<f64>,
}

impl NoiseModel {
    /// Variance relative to that of the sky at a pixel of this value. Where the image still has its sky, photon noise
    /// is in proportion to it; an image without sky has the same noise everywhere, unless the sky that it had is known.
    fn growth(&self, value: f64) -> f64 {
        match self.subtracted_sky {
            Some(sky) => ((value - self.level) / sky + 1.0).max(0.3),
            None if self.level > 10.0 * self.sigma => (value / self.level).max(0.3),
            None => 1.0,
        }
    }

    /// Noise of a pixel.
    pub fn at(&self, value: f64, confidence: f64) -> f64 {
        self.sigma * (self.growth(value) * 100.0 / confidence.max(3.0)).sqrt()
    }
}

/// Measures the noise of a residual: per box the distance of median and 15.87 % quantile, where no star is; the lower
/// quartile of the boxes, because nebulosity and clusters only add to it.
///
/// The lower side alone counts: unresolved stars make the upper one wide. Differences of neighbouring pixels would be
/// too small: drizzled and interpolated images have correlated noise. `None` when no box has enough pixels.
pub(super) fn measure(
    image: &Array2<f32>,
    residual: &Array2<f32>,
    bad: &Array2<bool>,
    confidence: Option<&Array2<f32>>,
    is_faint: impl Fn(usize, usize) -> bool + Sync,
    before: NoiseModel,
) -> Option<f64> {
    let (height, width) = image.dim();
    let (n_y, n_x) = (height.div_ceil(BOX), width.div_ceil(BOX));
    let mut sigmas: Vec<f64> = (0..n_y * n_x)
        .into_par_iter()
        .filter_map(|i| {
            let (y0, x0) = (i / n_x * BOX, i % n_x * BOX);
            let (y1, x1) = ((y0 + BOX).min(height), (x0 + BOX).min(width));
            let mut values = Vec::with_capacity(BOX * BOX);
            for ((j, k), &v) in residual.slice(s![y0..y1, x0..x1]).indexed_iter() {
                let (y, x) = (y0 + j, x0 + k);
                let c = confidence.map_or(100.0, |c| f64::from(c[[y, x]]));
                if !bad[[y, x]] && c > 60.0 && is_faint(y, x) {
                    let growth = before.growth(f64::from(image[[y, x]]));
                    values.push(f64::from(v) * (c / 100.0 / growth).sqrt());
                }
            }
            if values.len() < MIN_PIXELS {
                return None;
            }
            values.sort_unstable_by(f64::total_cmp);
            let at = |q: f64| values[(q * (values.len() - 1) as f64).round() as usize];
            Some(at(0.5) - at(0.1587))
        })
        .collect();
    sigmas.sort_unstable_by(f64::total_cmp);
    let sigma = *sigmas.get(sigmas.len() / 4)?;
    (sigma > 0.0).then_some(sigma)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_grows_with_light_above_the_sky_that_is_there_or_was() {
        let with_sky = NoiseModel { level: 400.0, sigma: 2.0, subtracted_sky: None };
        let without = NoiseModel { level: 0.0, sigma: 2.0, subtracted_sky: Some(400.0) };
        let unknown = NoiseModel { level: 0.0, sigma: 2.0, subtracted_sky: None };
        for light in [0.0, 100.0, 1200.0] {
            assert!((with_sky.at(400.0 + light, 100.0) - without.at(light, 100.0)).abs() < 1e-12);
        }
        assert!((without.at(1200.0, 100.0) - 4.0).abs() < 1e-12);
        assert!((unknown.at(1200.0, 100.0) - 2.0).abs() < 1e-12);
    }
}
