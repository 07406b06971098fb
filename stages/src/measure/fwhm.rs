//! The local FWHM: one number, or from a PSF field.

use skyloom_data::PsfField;
use skyloom_engine::{Facets, Place, Problems, StageError};

/// Reports that neither the parameter `fwhm_px` nor the port `psf` says how wide stars are.
pub(crate) fn require_fwhm(fwhm_px: Option<f64>, inputs: &Facets, problems: &mut Problems) {
    if fwhm_px.is_none() && !inputs.is_wired("psf") {
        let expected = "fwhm_px, or a PSF field at the port psf";
        problems.push("missing-param", Place::Param("fwhm_px".to_owned()), "neither".to_owned(), expected);
    }
}

/// The local FWHM in pixels as a function of position.
pub(crate) fn local_fwhm(
    fwhm_px: Option<f64>,
    psf: Option<&PsfField>,
) -> Result<impl Fn(f64, f64) -> f64 + Sync, StageError> {
    if fwhm_px.is_none() {
        let psf = psf.ok_or_else(|| {
            StageError::config("no local FWHM: neither fwhm_px nor a PSF field is given")
                .with_help("set fwhm_px, or wire a PSF field to the port psf")
        })?;
        let n_cells = psf.n_x * psf.n_y;
        let is_sound = |fwhm: f64| fwhm > 0.0 && fwhm.is_finite();
        if n_cells == 0 || psf.cells.len() != n_cells || !psf.cells.iter().all(|cell| is_sound(cell.fwhm)) {
            return Err(StageError::data("the PSF field has cells without a finite FWHM above 0")
                .with_help("set fwhm_px, or find out why the PSF was not fitted"));
        }
    }
    Ok(move |x: f64, y: f64| fwhm_px.or_else(|| psf.map(|p| p.fwhm_at(x, y))).unwrap_or(f64::NAN))
}
