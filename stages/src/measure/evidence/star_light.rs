//! The light of the stars that were subtracted, and fluxes of magnitudes.

use ndarray::{Array2, Zip};
use skyloom_data::Image;
use skyloom_engine::{Facets, Problems, StageError};

use crate::measure::shape::require_shape;

/// Reports that one of `with_stars` and `residual` is wired without the other.
pub(crate) fn check_star_light(inputs: &Facets, problems: &mut Problems) {
    for (port, other) in [("with_stars", "residual"), ("residual", "with_stars")] {
        if inputs.is_wired(other) && !inputs.is_wired(port) {
            problems
                .input(port, "nothing", &format!("an image, because {other} is wired"))
                .help("their difference is the light of the subtracted stars; wire both or none");
        }
    }
}

/// The light of the subtracted stars: image with them minus image without; 0 in bad pixels. `None` without both images.
///
/// # Errors
/// When an image has another shape than `bad`.
pub(crate) fn star_light(
    with_stars: Option<&Image>,
    residual: Option<&Image>,
    bad: &Array2<bool>,
) -> Result<Option<Array2<f32>>, StageError> {
    let (Some(with), Some(without)) = (with_stars, residual) else { return Ok(None) };
    require_shape("with_stars", with, (bad.ncols(), bad.nrows()))?;
    require_shape("residual", without, (bad.ncols(), bad.nrows()))?;
    let light = Zip::from(&with.pixels).and(&without.pixels).and(bad).par_map_collect(|&a, &b, &is_bad| {
        let light = a - b;
        if is_bad || !light.is_finite() { 0.0 } else { light }
    });
    Ok(Some(light))
}

/// The flux of a magnitude in the unit of an image: the inverse of [`Image::magnitude`].
///
/// # Errors
/// When the image has no zero point.
pub(crate) fn flux_of_magnitude(image: &Image, mag: f64) -> Result<f64, StageError> {
    match image.meta.zero_point {
        Some(zp) => Ok(image.meta.exposure_s.unwrap_or(1.0) * libm::exp10(0.4 * (zp - mag))),
        None => Err(StageError::data("the image has no zero point, which magnitudes need")
            .with_help("give zero_point to io.read_image")),
    }
}
