//! Are one or two stars enough to explain an object?

use ndarray::{Array2, ArrayView2, s};
use skyloom_data::PsfField;

use super::projected_fit::{Data, Loss, Projected, ProjectedOptions, fit};
use crate::filter::gaussian;
use crate::psf::{Profile, params_from_shape, shape_scale};

/// How the stars are fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlendOptions {
    /// Radius of the fit about the peak, in pixels.
    pub radius_px: usize,
    /// Error of the PSF as a fraction of the light, added to the noise.
    pub model_error: f64,
}

impl Default for BlendOptions {
    fn default() -> Self {
        Self { radius_px: 7, model_error: 0.01 }
    }
}

/// Mean absolute residual of pure noise in units of its standard deviation: sqrt(2 / pi).
const MEAN_ABS: f64 = 0.8;
/// Smoothing before the second star is looked for, in pixels.
const SEARCH_SIGMA: f64 = 0.8;
/// Stars start at most this far from the peak, in pixels.
const SEARCH_RADIUS: f64 = 5.0;
/// Residuals of more sigmas than this do not pull the fit: the core of a saturated star.
const CLIP: f64 = 1e3;

/// The share of the light about a peak that two PSFs and a level do not explain: 0 for a star or a blend of two, 0.2 and more for a
/// cluster. NaN where the circle leaves the image or nothing can be fitted.
///
/// `(sum |residual| - 0.8 sum sigma) / sum |image - level|` over the good pixels within the radius; not below 0.
#[must_use]
pub fn psf_misfit(
    image: ArrayView2<'_, f32>,
    bad: ArrayView2<'_, bool>,
    noise: ArrayView2<'_, f32>,
    psf: &PsfField,
    peak: (usize, usize),
    options: &BlendOptions,
) -> f64 {
    let (height, width) = image.dim();
    let (x0, y0) = peak;
    let reach = options.radius_px;
    if x0 < reach || y0 < reach || x0 + reach >= width || y0 + reach >= height {
        return f64::NAN;
    }
    let window = s![y0 - reach..=y0 + reach, x0 - reach..=x0 + reach];
    let (image, bad, noise) = (image.slice(window), bad.slice(window), noise.slice(window));
    let side = 2 * reach + 1;
    let offset = |i: usize| i as f64 - reach as f64;
    let (mut places, mut values, mut sigmas, mut noise_sum) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for ((y, x), &v) in image.indexed_iter() {
        let (dx, dy, v, sd) = (offset(x), offset(y), f64::from(v), f64::from(noise[[y, x]]));
        let sigma = libm::hypot(sd, options.model_error * v.max(0.0));
        if dx * dx + dy * dy <= (reach * reach) as f64
            && !bad[[y, x]]
            && v.is_finite()
            && sigma > 0.0
            && sigma.is_finite()
        {
            places.push((x, y));
            values.push(v);
            sigmas.push(sigma);
            noise_sum += sd;
        }
    }
    let shape = &psf.cell_at(x0 as f64, y0 as f64).median;
    let amplitude = 1.0 / shape_scale(psf.model, shape);
    let star = |x: f64, y: f64| Profile::new(psf.model, &params_from_shape(psf.model, shape, amplitude, x, y));
    let data = Data { values: &values, sigmas: &sigmas };
    let brightest = |residual: &dyn Fn(usize) -> f64| -> [f64; 2] {
        let mut map = Array2::<f32>::zeros((side, side));
        for (i, &(x, y)) in places.iter().enumerate() {
            map[[y, x]] = residual(i) as f32;
        }
        let smooth = gaussian(map.view(), SEARCH_SIGMA);
        let mut best = ([0.0; 2], f32::NEG_INFINITY);
        for ((y, x), &v) in smooth.indexed_iter() {
            if libm::hypot(offset(x), offset(y)) <= SEARCH_RADIUS && v > best.1 {
                best = ([offset(x), offset(y)], v);
            }
        }
        best.0
    };

    let first = brightest(&|i| values[i]);
    let one: Option<Projected<2, 2>> = fit(data, &bounded(first), |p| {
        let a = star(p[0], p[1]);
        places.iter().map(|&(x, y)| [1.0, a.value(offset(x), offset(y))]).collect()
    });
    let Some(one) = one else { return f64::NAN };
    let second = brightest(&|i| one.residuals[i] * sigmas[i]);
    let two: Option<Projected<4, 3>> = fit(data, &bounded([one.params[0], one.params[1], second[0], second[1]]), |p| {
        let (a, b) = (star(p[0], p[1]), star(p[2], p[3]));
        places.iter().map(|&(x, y)| [1.0, a.value(offset(x), offset(y)), b.value(offset(x), offset(y))]).collect()
    });
    let Some(two) = two else { return f64::NAN };
    let left = two.residuals.iter().zip(&sigmas).fold(0.0, |sum, (r, s)| sum + (r * s).abs());
    let light = values.iter().fold(0.0, |sum, v| sum + (v - two.amplitudes[0]).abs());
    if light > 0.0 { (left - MEAN_ABS * noise_sum).max(0.0) / light } else { f64::NAN }
}

fn bounded<const N: usize>(start: [f64; N]) -> ProjectedOptions<N> {
    ProjectedOptions {
        start,
        low: [-6.5; N],
        high: [6.5; N],
        steps: [1e-3; N],
        loss: Loss::Clipped(CLIP),
        n_evaluations: 25,
    }
}
