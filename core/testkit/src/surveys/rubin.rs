//! Exposures and coadds as Rubin's `afw` package documents them.
//!
//! An empty primary HDU with the facts of the exposure; `IMAGE` and `VARIANCE` of 32-bit floats and `MASK` of 32-bit integers, each
//! with the world coordinates of its own pixels, LTV1 and LTV2, and the place of pixel (0, 0) in the parent as the coordinates A; a
//! card `MP_<name>` per mask plane with the number of its bit; then tables of an archive.

use std::io;
use std::path::Path;

use ndarray::Array2;
use skyloom_data::{Card, Wcs};

use super::fits_file::{FitsFile, card};

/// Mask planes and their bits, the usual ones first in the order in which `afw` numbers them.
pub const PLANES: [(&str, u32); 12] = [
    ("BAD", 0),
    ("SAT", 1),
    ("INTRP", 2),
    ("CR", 3),
    ("EDGE", 4),
    ("DETECTED", 5),
    ("DETECTED_NEGATIVE", 6),
    ("SUSPECT", 7),
    ("NO_DATA", 8),
    ("INEXACT_PSF", 11),
    ("SENSOR_EDGE", 14),
    ("STREAK", 30),
];

/// The flag of a plane in the integers of the mask.
///
/// # Panics
/// When there is no such plane.
#[must_use]
pub fn plane(name: &str) -> i32 {
    let (_, bit) = PLANES.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no plane {name}"));
    1 << bit
}

/// How the file says what its pixels mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RubinCalibration {
    /// `BUNIT = 'nJy'`.
    NanoJansky,
    /// `FLUXMAG0`: counts of magnitude 0.
    FluxMag0(f64),
    /// The table `PhotoCalib` of the archive: nanojansky per count.
    PhotoCalib(f64),
    /// Not at all.
    Unknown,
}

/// An exposure to write.
#[derive(Debug, Clone)]
pub struct RubinExposure {
    /// Pixels, `[y, x]`.
    pub pixels: Array2<f32>,
    /// Flags, see [`plane`].
    pub mask: Array2<i32>,
    /// Variances.
    pub variance: Array2<f32>,
    /// Place of pixel (0, 0) in the parent's frame.
    pub origin: (i64, i64),
    /// World coordinates of the parent.
    pub wcs: Wcs,
    /// Band.
    pub band: String,
    /// What the pixels mean.
    pub calibration: RubinCalibration,
    /// Whether the HDUs have names; those of files of the first years have none.
    pub has_names: bool,
}

impl RubinExposure {
    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut facts = vec![
            card("SYNTHET", true),
            card("ORIGIN", "skyloom-testkit, synthetic"),
            card("FILTER", self.band.as_str()),
        ];
        if let RubinCalibration::FluxMag0(flux) = self.calibration {
            facts.push(card("FLUXMAG0", flux));
        }
        // A time that must not enter magnitudes.
        facts.push(card("EXPTIME", 30.0));
        let mut file = FitsFile::primary(&facts);

        let (x0, y0) = (self.origin.0 as f64, self.origin.1 as f64);
        let mut frame: Vec<Card> = self.wcs.cutout(x0, y0).cards();
        frame.extend([card("LTV1", -x0), card("LTV2", -y0)]);
        for (axis, origin) in [(1, x0), (2, y0)] {
            frame.push(card(&format!("CTYPE{axis}A"), "LINEAR"));
            frame.push(card(&format!("CRPIX{axis}A"), 1.0));
            frame.push(card(&format!("CRVAL{axis}A"), origin));
            frame.push(card(&format!("CUNIT{axis}A"), "PIXEL"));
        }
        let with = |more: Vec<Card>| [frame.clone(), more].concat();
        let name = |name: &'static str| self.has_names.then_some(name);
        let unit = (self.calibration == RubinCalibration::NanoJansky).then(|| card("BUNIT", "nJy"));
        file.floats(name("IMAGE"), &with([card("EXTTYPE", "IMAGE")].into_iter().chain(unit).collect()), &self.pixels);
        let mut planes = vec![card("EXTTYPE", "MASK")];
        planes.extend(PLANES.iter().map(|(name, bit)| card(&format!("MP_{name}"), i64::from(*bit))));
        file.integers(name("MASK"), &with(planes), &self.mask);
        file.floats(name("VARIANCE"), &with(vec![card("EXTTYPE", "VARIANCE")]), &self.variance);
        if let RubinCalibration::PhotoCalib(mean) = self.calibration {
            file.row("PhotoCalib", &[("id", 1.0), ("calibrationMean", mean), ("calibrationErr", 0.0)]);
        }
        file.bytes
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.to_bytes())
    }
}
