//! Gaussian, Moffat and compound fit of one faint star.

use skyloom_data::{Image, PsfModel};

use super::params::FitFaint;
use super::start::{gaussian_start, outline};
use crate::psf::fit_star::star_bounds;
use crate::psf::fitted_star::{FitFlags, FittedStar};
use crate::psf::levenberg::{FitOptions, fit};
use crate::psf::model::Params;
use crate::psf::stamp::Stamp;
use crate::psf::star_columns::StarPosition;

/// The models, in the order of the fits.
pub(super) const MODELS: [PsfModel; 3] = [PsfModel::Gaussian, PsfModel::Moffat, PsfModel::Compound];

/// Start of the Moffat fit: this wing slope, and widths that keep the FWHM of the Gaussian.
const START_ALPHA: f64 = 2.5;

/// 2.3548 / (2 sqrt(2^(1/2.5) - 1)): `gamma / sigma` at equal FWHM for [`START_ALPHA`].
const GAMMA_PER_SIGMA: f64 = 2.084;

/// Share of the light at the centre that the compound fit gives to its Gaussian part at the start.
const START_GAUSSIAN: f64 = 0.3;

/// Fits the three models to one star, each started from the one before (section 5.4 of Miller et al. 2024).
///
/// `image` is background-subtracted, `noise` the standard deviation per pixel, of the same shape. The result is in
/// coordinates of the image. Never fails: the flags say what went wrong.
#[must_use]
pub fn fit_faint_star(image: &Image, noise: &Image, star: StarPosition, params: &FitFaint) -> FittedStar {
    let radius = params.stamp_px / 2;
    let Some(stamp) = Stamp::cut(image, noise, star.x, star.y, radius) else {
        return FittedStar::unfitted(star, 0, FitFlags::TOO_FEW_PIXELS);
    };
    let (x, y) = (star.x - stamp.x0 as f64, star.y - stamp.y0 as f64);
    let pixels = stamp.pixels(params.weighting, |_, _, _| true);
    if pixels.len() < params.min_pixels {
        return FittedStar::unfitted(star, pixels.len(), FitFlags::TOO_FEW_PIXELS);
    }
    let ratio = stamp.signal_to_noise();
    let started = outline(ratio.view(), params.contour_sigma, x, y).and_then(|ellipse| {
        let near = pixels.iter().filter(|p| (p.x - x).abs() <= 1.5 && (p.y - y).abs() <= 1.5);
        let peak = near.fold(0.0_f64, |m, p| m.max(ratio[[p.y as usize, p.x as usize]]));
        gaussian_start(stamp.values.view(), &ellipse, peak / params.contour_sigma)
    });
    let Some(gaussian) = started else {
        return FittedStar::unfitted(star, pixels.len(), FitFlags::NO_OUTLINE);
    };

    let mut fitted = FittedStar::unfitted(star, pixels.len(), 0);
    let options = FitOptions {
        max_iterations: params.max_iterations,
        tolerance: params.tolerance,
        has_errors: false,
        has_search: false,
    };
    let mut run = |model: PsfModel, start: &Params| {
        let bounds = star_bounds(model, x, y, radius as f64);
        let found = fit(model, &pixels, start, &bounds, &options);
        fitted.push(&found, &bounds).then_some(found.params)
    };
    // A fit that failed starts no other one.
    let _: Option<()> = (|| {
        let gaussian = run(PsfModel::Gaussian, &gaussian)?;
        let mut start = gaussian;
        for width in &mut start[3..5] {
            *width *= GAMMA_PER_SIGMA;
        }
        start[6] = START_ALPHA;
        let moffat = run(PsfModel::Moffat, &start)?;
        let mut start = moffat;
        start[0] *= 1.0 - START_GAUSSIAN;
        start[7] = START_GAUSSIAN * moffat[0];
        start[8..11].copy_from_slice(&gaussian[3..6]);
        run(PsfModel::Compound, &start)?;
        Some(())
    })();
    fitted.close(&MODELS);
    fitted.move_by(stamp.x0 as f64, stamp.y0 as f64);
    fitted
}
