//! Start values of a faint star: the ellipse of a contour, and Gaussians along its axes.

use ndarray::ArrayView2;
use skyloom_data::PsfModel;

use super::interpolant::bicubic;
use crate::contour::{ContourOptions, find_contours};
use crate::measure::{Ellipse, fit_ellipse, polygon};
use crate::psf::levenberg::{Bounds, FitOptions, FitPixel, fit};
use crate::psf::model::{MAX_PARAMS, Params};

/// The ellipse through the closed contour at `level` that holds `(x, y)`; `None` without one.
#[must_use]
pub fn outline(signal_to_noise: ArrayView2<'_, f64>, level: f64, x: f64, y: f64) -> Option<Ellipse> {
    let options = ContourOptions { drop_holes: true, drop_open: true, ..ContourOptions::default() };
    let contours = find_contours(signal_to_noise, level, None, &options);
    let around = contours.iter().find(|c| polygon::contains(&c.vertices, x, y))?;
    // The first vertex is there twice.
    fit_ellipse(around.vertices.split_last()?.1)
}

/// Distance of the samples along an axis, in pixels: the interpolant has no more to tell.
const SAMPLE_PX: f64 = 0.5;

/// Amplitude, offset and width of a Gaussian along the axis through the ellipse's centre in direction `theta`; `None` when
/// too little of the axis has values or the fit is not finite.
fn fit_axis(values: ArrayView2<'_, f64>, ellipse: &Ellipse, theta: f64, width: f64) -> Option<[f64; 3]> {
    let (cos, sin) = (libm::cos(theta), libm::sin(theta));
    let reach = values.nrows().max(values.ncols()) as f64;
    let n = (reach / SAMPLE_PX) as i64;
    let samples: Vec<FitPixel> = (-n..=n)
        .map(|k| k as f64 * SAMPLE_PX)
        .map(|t| FitPixel {
            x: t,
            y: 0.0,
            value: bicubic(values, ellipse.centre[0] + t * cos, ellipse.centre[1] + t * sin),
            weight: 1.0,
        })
        .filter(|p| p.value.is_finite())
        .collect();
    let peak = samples.iter().filter(|p| p.x.abs() <= 1.5).fold(0.0_f64, |m, p| m.max(p.value));
    // A line of the two-dimensional Gaussian: its second axis takes no part.
    let mut start = [0.0; MAX_PARAMS];
    start[..5].copy_from_slice(&[peak, 0.0, 0.0, width, 1.0]);
    let mut bounds = Bounds::natural(PsfModel::Gaussian);
    bounds.lower[0] = 0.0;
    bounds.limit(1, -width.max(1.0), width.max(1.0));
    bounds.limit(3, 0.3, reach);
    for i in [2, 4, 5] {
        bounds.fix(i, start[i]);
    }
    let found =
        fit(PsfModel::Gaussian, &samples, &start, &bounds, &FitOptions { has_errors: false, ..FitOptions::default() });
    // Canonical form may have put the fixed width first.
    let width = if found.params[5].abs() > 0.1 { found.params[4] } else { found.params[3] };
    (found.chi2.is_finite() && found.params[0] > 0.0).then_some([found.params[0], found.params[1], width])
}

/// Start parameters of the two-dimensional Gaussian: centre and direction of the ellipse, widths and peaks of Gaussians that
/// are fitted to the smooth interpolant along its two axes.
///
/// `peak_over_level` is the star's peak over the contour's level: where a Gaussian of that width would begin.
#[must_use]
pub fn gaussian_start(values: ArrayView2<'_, f64>, ellipse: &Ellipse, peak_over_level: f64) -> Option<Params> {
    // A Gaussian falls from peak to level within r: sigma = r / sqrt(2 ln(peak/level)).
    let steepness = (2.0 * libm::log(peak_over_level.max(1.05))).sqrt();
    let theta = ellipse.pa_deg.to_radians();
    let quarter = std::f64::consts::FRAC_PI_2;
    let [peak_a, offset_a, sigma_a] = fit_axis(values, ellipse, theta, ellipse.a / steepness)?;
    let [peak_b, offset_b, sigma_b] = fit_axis(values, ellipse, theta + quarter, ellipse.b / steepness)?;
    let (cos, sin) = (libm::cos(theta), libm::sin(theta));
    let mut start = [0.0; MAX_PARAMS];
    start[..6].copy_from_slice(&[
        0.5 * (peak_a + peak_b),
        ellipse.centre[0] + offset_a * cos - offset_b * sin,
        ellipse.centre[1] + offset_a * sin + offset_b * cos,
        sigma_a,
        // At equal widths the angle has no derivative.
        if sigma_a == sigma_b { 0.99 * sigma_b } else { sigma_b },
        theta,
    ]);
    Some(start)
}
