//! From cards and tables to the zero point.

use std::path::Path;

use skyloom_data::fits::{self, HduChoice, ImageHeader};

use super::layout::ExposureLayout;

/// Magnitude of one nanojansky: AB magnitudes are -2.5 log10(f / Jy) + 8.9.
const NJY_ZERO_POINT: f64 = 31.4;

/// Name of the HDU of a photometric calibration in an `afw` file, and its column: nanojansky per pixel unit, the mean over the image.
const PHOTO_CALIB: &str = "PhotoCalib";
const CALIBRATION_MEAN: &str = "calibrationMean";

/// The AB magnitude of one pixel unit, from the first of these that the file has; `None` when it has none.
///
/// `afw`: pixels in nJy (31.4); `FLUXMAG0`, the counts of magnitude 0 (2.5 log10 of it), in files of the first years; the table
/// `PhotoCalib`. DECam: `MAGZERO`.
pub(super) fn zero_point(path: &Path, header: &ImageHeader, unit: Option<&str>, layout: ExposureLayout) -> Option<f64> {
    let number = |key: &str| header.header_with(key).and_then(|h| h.float(key)).filter(|v| v.is_finite());
    if unit == Some("nJy") {
        return Some(NJY_ZERO_POINT);
    }
    match layout {
        ExposureLayout::Decam => number("MAGZERO"),
        ExposureLayout::Afw => number("FLUXMAG0")
            .filter(|flux| *flux > 0.0)
            .map(|flux| 2.5 * libm::log10(flux))
            .or_else(|| photo_calib(path).map(|mean| NJY_ZERO_POINT - 2.5 * libm::log10(mean))),
    }
}

/// The mean calibration of the file's archive. A table that is missing, or another one than was documented, is no calibration.
fn photo_calib(path: &Path) -> Option<f64> {
    let choice = HduChoice::Name(PHOTO_CALIB.to_owned());
    let read = fits::read_bintable_columns(path, Some(&choice), &|name| name == CALIBRATION_MEAN).ok()?;
    let means = read.table.floats(CALIBRATION_MEAN).ok()?;
    // Calibrations of the input exposures of a coadd may stand in the same table; two different ones say nothing.
    let first = means.first().copied().filter(|mean| *mean > 0.0 && mean.is_finite())?;
    means.iter().all(|mean| *mean == first).then_some(first)
}
