//! Moffat and compound fit of the wings of one bright star.

use skyloom_data::{Image, PsfModel, PsfSet};

use crate::psf::fit_star::star_bounds;
use crate::psf::fitted_star::{FitFlags, FittedStar};
use crate::psf::levenberg::{FitOptions, FitPixel, fit};
use crate::psf::model::{Profile, params_from_shape};
use crate::psf::stamp::{Stamp, Weighting};
use crate::psf::star_columns::StarPosition;
use crate::segment::{Connectivity, DeblendOptions, Threshold, deblend_sources, detect_sources};

/// The models, in the order of the fits. The paper fits no Gaussian to wings.
pub(super) const MODELS: [PsfModel; 2] = [PsfModel::Moffat, PsfModel::Compound];

/// How the wings of a bright star are found and fitted.
#[derive(Debug, Clone)]
pub struct BrightFitOptions {
    /// Half side of the cut-out in pixels.
    pub radius_px: usize,
    /// Detection level in units of the noise.
    pub threshold_sigma: f64,
    /// Pixels that a source needs.
    pub n_pixels: usize,
    /// How touching sources are divided.
    pub deblend: DeblendOptions,
    /// Pixels above this value are the core.
    pub core_level: f64,
    /// Farthest that the centre may move, in pixels per axis.
    pub centre_px: f64,
    /// Outer pixels that a star needs.
    pub min_pixels: usize,
    /// Weights.
    pub weighting: Weighting,
    /// When a fit stops.
    pub fit: FitOptions,
}

/// Fits both models to the outer pixels of the star's segment, started from the faint PSF at its place (section 5.5 of Miller et al. 2024).
///
/// `image` is background-subtracted, `noise` the standard deviation per pixel, of the same shape. The result is in
/// coordinates of the image. Never fails: the flags say what went wrong.
#[must_use]
pub fn fit_bright_star(
    image: &Image,
    noise: &Image,
    star: StarPosition,
    cells: &PsfSet,
    options: &BrightFitOptions,
) -> FittedStar {
    let Some(stamp) = Stamp::cut(image, noise, star.x, star.y, options.radius_px) else {
        return FittedStar::unfitted(star, 0, FitFlags::NO_SEGMENT);
    };
    let Some(pixels) = outer_pixels(&stamp, options) else {
        return FittedStar::unfitted(star, 0, FitFlags::NO_SEGMENT);
    };
    if pixels.len() < options.min_pixels {
        return FittedStar::unfitted(star, pixels.len(), FitFlags::TOO_FEW_PIXELS);
    }
    let (x, y) = (star.x - stamp.x0 as f64, star.y - stamp.y0 as f64);
    let mut fitted = FittedStar::unfitted(star, pixels.len(), 0);
    for (model, field) in [(PsfModel::Moffat, &cells.faint_moffat), (PsfModel::Compound, &cells.faint_compound)] {
        let shape = &field.cell_at(star.x, star.y).median;
        let Some(amplitude) = amplitude_of(model, shape, &pixels, x, y) else { continue };
        let start = params_from_shape(model, shape, amplitude, x, y);
        let mut bounds = star_bounds(model, x, y, options.radius_px as f64);
        bounds.limit(1, x - options.centre_px, x + options.centre_px);
        bounds.limit(2, y - options.centre_px, y + options.centre_px);
        let found = fit(model, &pixels, &start, &bounds, &options.fit);
        fitted.push(&found, &bounds);
    }
    fitted.close(&MODELS);
    fitted.move_by(stamp.x0 as f64, stamp.y0 as f64);
    fitted
}

/// The pixels of the middle segment that are not above the core level, in coordinates of the cut-out; `None` without a segment.
fn outer_pixels(stamp: &Stamp, options: &BrightFitOptions) -> Option<Vec<FitPixel>> {
    let values = stamp.values.mapv(|v| v as f32);
    let threshold = stamp.sigmas.mapv(|s| (options.threshold_sigma * s) as f32);
    let segments =
        detect_sources(values.view(), Threshold::Map(threshold.view()), options.n_pixels, Connectivity::Eight);
    let middle = options.radius_px;
    let parent = segments.at(middle, middle);
    if parent == 0 {
        return None;
    }
    // The other segments need no deblending.
    let divided = deblend_sources(values.view(), &segments.only(parent), &options.deblend);
    let own = divided.at(middle, middle);
    Some(
        stamp.pixels(options.weighting, |row, column, value| {
            divided.at(column, row) == own && value <= options.core_level
        }),
    )
}

/// The amplitude at which a shape at `(x, y)` meets the pixels best: linear least squares. `None` unless it is positive.
fn amplitude_of(model: PsfModel, shape: &[f64], pixels: &[FitPixel], x: f64, y: f64) -> Option<f64> {
    let unit = Profile::new(model, &params_from_shape(model, shape, 1.0, x, y));
    let (mut product, mut square) = (0.0, 0.0);
    for pixel in pixels {
        let value = unit.value(pixel.x, pixel.y);
        product += pixel.weight * value * pixel.value;
        square += pixel.weight * value * value;
    }
    let amplitude = product / square;
    (amplitude > 0.0 && amplitude.is_finite()).then_some(amplitude)
}
