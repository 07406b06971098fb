//! Is the light of an object smooth? Galaxies and nebulae are, clusters are made of stars.

use ndarray::ArrayView2;

use super::projected_fit::{Data, Loss, ProjectedOptions, fit};
use super::region_light::RegionLight;

/// How the smooth model is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmoothOptions {
    /// Radius of the fit in units of `r_geo`.
    pub radius: f64,
    /// Least and largest radius of the fit in pixels.
    pub radius_px: (f64, f64),
    /// Objects of a larger light radius, in pixels, are not fitted.
    pub max_r_light: f64,
    /// Error of the model as a fraction of the light, added to the noise.
    pub model_error: f64,
}

impl Default for SmoothOptions {
    fn default() -> Self {
        Self { radius: 1.3, radius_px: (6.0, 20.0), max_r_light: 30.0, model_error: 0.02 }
    }
}

/// Mean squared residual, in units of the expected scatter, of an elliptical Moffat plus Gaussian on a level, fitted to the object. About
/// 1 to 1.5 for what is smooth; a cluster whose stars are seen has far more. NaN where nothing can be fitted.
///
/// The two parts share centre and ellipse; `noise` is the standard deviation per pixel; bad pixels take no part. Large residuals
/// count linearly in the fit, so that a star on a galaxy does not bend the model; all count fully in the result.
#[must_use]
pub fn smooth_chi2(
    image: ArrayView2<'_, f32>,
    bad: ArrayView2<'_, bool>,
    noise: ArrayView2<'_, f32>,
    light: &RegionLight,
    options: &SmoothOptions,
) -> f64 {
    let (height, width) = image.dim();
    let reach = (options.radius * light.r_geo).round().clamp(options.radius_px.0, options.radius_px.1) as usize;
    let [cx, cy] = light.centre.map(f64::round);
    let inside = |c: f64, size: usize| c >= reach as f64 && c + (reach as f64) < size as f64;
    if light.r_light >= options.max_r_light || !inside(cx, width) || !inside(cy, height) {
        return f64::NAN;
    }
    let (x0, y0) = (cx as usize, cy as usize);
    let (mut places, mut values, mut sigmas) = (Vec::new(), Vec::new(), Vec::new());
    for y in y0 - reach..=y0 + reach {
        for x in x0 - reach..=x0 + reach {
            let (dx, dy) = (x as f64 - cx, y as f64 - cy);
            let (v, s) = (f64::from(image[[y, x]]), f64::from(noise[[y, x]]));
            let sigma = libm::hypot(s, options.model_error * v.max(0.0));
            if dx * dx + dy * dy <= (reach * reach) as f64
                && !bad[[y, x]]
                && v.is_finite()
                && sigma > 0.0
                && sigma.is_finite()
            {
                places.push([dx, dy]);
                values.push(v);
                sigmas.push(sigma);
            }
        }
    }
    // Centre; ln of the width; ellipticity along the axes and along the diagonals; slope of the Moffat; ln of the ratio of widths.
    let fit_options = ProjectedOptions {
        start: [light.centre[0] - cx, light.centre[1] - cy, libm::log(light.r_light.max(1.5)), 0.0, 0.0, 2.0, -0.5],
        low: [-4.0, -4.0, -0.5, -2.0, -2.0, 0.8, -2.5],
        high: [4.0, 4.0, 4.0, 2.0, 2.0, 8.0, 1.0],
        steps: [1e-5; 7],
        loss: Loss::Soft(3.0),
        n_evaluations: 25,
    };
    let basis = |p: &[f64; 7]| -> Vec<[f64; 3]> {
        let e = libm::hypot(p[3], p[4]) + 1e-12;
        let (flat, long) = (libm::cosh(e), libm::sinh(e) / e);
        let scale = libm::exp(-2.0 * p[2]);
        let (a, b, c) = (scale * (flat - long * p[3]), scale * (flat + long * p[3]), -scale * long * p[4]);
        let narrow = libm::exp(-2.0 * p[6]);
        places
            .iter()
            .map(|[x, y]| {
                let (dx, dy) = (x - p[0], y - p[1]);
                let q = (a * dx * dx + b * dy * dy + 2.0 * c * dx * dy).max(0.0);
                [1.0, libm::exp(-p[5] * libm::log1p(q)), libm::exp(-0.5 * q * narrow)]
            })
            .collect()
    };
    match fit(Data { values: &values, sigmas: &sigmas }, &fit_options, basis) {
        Some(found) => found.residuals.iter().fold(0.0, |sum, r| sum + r * r) / found.residuals.len() as f64,
        None => f64::NAN,
    }
}
