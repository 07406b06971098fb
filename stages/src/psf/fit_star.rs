//! Fits one star: Gaussian, then Moffat, then compound, each started from the one before.

use skyloom_data::PsfModel;

use super::levenberg::{Bounds, Fit, FitOptions, FitPixel, FitStatus, fit};
use super::model::{MAX_PARAMS, Params};

/// Flags of a fitted star.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StarFlags;

impl StarFlags {
    /// The fit did not converge, or had too few pixels.
    pub const NOT_CONVERGED: i64 = 1;
    /// A parameter ended on its bound, or the centre left the detection.
    pub const AT_BOUND: i64 = 1 << 1;
    /// Width, wing slope or misfit far from the median of the other stars.
    pub const OUTLIER: i64 = 1 << 2;
}

/// One fitted star.
#[derive(Debug, Clone, Copy)]
pub struct StarFit {
    /// Row of the detection table.
    pub id: usize,
    /// The fit.
    pub fit: Fit,
    /// Misfit beyond the noise as a fraction of the star's light: root of the sum of squared residuals minus the
    /// noise's share, over the root of the sum of squared values.
    pub misfit: f64,
    /// See [`StarFlags`]; 0 means used.
    pub flags: i64,
}

/// Farthest that a PSF star's centre may move from its detection, in pixels.
const CENTRE_PX: f64 = 2.0;

/// Start parameters of a Gaussian from the pixels of a cut-out: peak at `(x, y)`, widths from the area above half of it.
#[must_use]
pub fn start_values(pixels: &[FitPixel], x: f64, y: f64) -> Params {
    let near = |p: &&FitPixel| (p.x - x).abs() <= 1.5 && (p.y - y).abs() <= 1.5;
    let peak = pixels.iter().filter(near).fold(0.0_f64, |m, p| m.max(p.value));
    let area = pixels.iter().filter(|p| p.value > 0.5 * peak).count().max(1) as f64;
    // Half of the FWHM is the radius of that area; sigma = FWHM / 2.3548.
    let sigma = (area / std::f64::consts::PI).sqrt() * 2.0 / 2.354_820_045;
    let mut start = [0.0; MAX_PARAMS];
    // Slightly elliptical: at equal widths the angle has no derivative.
    start[..6].copy_from_slice(&[peak, x, y, 1.02 * sigma, 0.98 * sigma, 0.0]);
    start
}

/// Bounds of a free fit of one star at `(x, y)` on a cut-out of half side `radius`.
pub(super) fn star_bounds(model: PsfModel, x: f64, y: f64, radius: f64) -> Bounds {
    let mut bounds = Bounds::natural(model);
    bounds.limit(1, x - CENTRE_PX, x + CENTRE_PX);
    bounds.limit(2, y - CENTRE_PX, y + CENTRE_PX);
    for i in [3, 4] {
        bounds.limit(i, 0.1, 2.0 * radius);
    }
    bounds.lower[0] = 0.0;
    if model != PsfModel::Gaussian {
        // The flux is infinite at alpha = 1; above 50 a Moffat is a Gaussian.
        bounds.limit(6, 1.05, 50.0);
    }
    if model == PsfModel::Compound {
        bounds.lower[7] = 0.0;
        for i in [8, 9] {
            bounds.limit(i, 0.1, 2.0 * radius);
        }
    }
    bounds
}

/// Fits one star at `(x, y)` with free shape.
#[must_use]
pub fn fit_star(
    model: PsfModel,
    pixels: &[FitPixel],
    x: f64,
    y: f64,
    radius: f64,
    id: usize,
    options: &FitOptions,
) -> StarFit {
    let run = |kind: PsfModel, start: &Params| fit(kind, pixels, start, &star_bounds(kind, x, y, radius), options);
    let mut best = run(PsfModel::Gaussian, &start_values(pixels, x, y));
    let gauss = best.params;
    if model != PsfModel::Gaussian {
        let mut start = gauss;
        start[6] = 2.5;
        // Same FWHM: 2.3548 sigma = 2 gamma sqrt(2^(1/2.5) - 1).
        for i in [3, 4] {
            start[i] *= 2.084;
        }
        best = run(PsfModel::Moffat, &start);
    }
    if model == PsfModel::Compound {
        let mut start = best.params;
        start[0] *= 0.7;
        start[7] = 0.3 * best.params[0];
        start[8..11].copy_from_slice(&gauss[3..6]);
        best = run(PsfModel::Compound, &start);
    }
    let bounds = star_bounds(model, x, y, radius);
    let mut flags = 0;
    if best.status != FitStatus::Converged {
        flags |= StarFlags::NOT_CONVERGED;
    }
    if (0..5).any(|i| best.params[i] <= bounds.lower[i] || best.params[i] >= bounds.upper[i])
        || (model != PsfModel::Gaussian && best.params[6] <= bounds.lower[6])
    {
        flags |= StarFlags::AT_BOUND;
    }
    StarFit { id, fit: best, misfit: misfit(pixels, best.chi2), flags }
}

/// See [`StarFit::misfit`].
#[must_use]
pub(crate) fn misfit(pixels: &[FitPixel], chi2: f64) -> f64 {
    let n = pixels.len() as f64;
    let light = pixels.iter().fold(0.0, |sum, p| sum + p.weight * p.value * p.value) - n;
    if light > 0.0 { ((chi2 - n).max(0.0) / light).sqrt() } else { f64::NAN }
}
