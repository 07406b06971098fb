//! Images of DECam's Community Pipeline: an image, a data-quality plane and a weight map in three files, one HDU per detector.

use std::io;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use skyloom_data::Wcs;

use super::fits_file::{FitsFile, card};

/// One detector of an exposure.
#[derive(Debug, Clone)]
pub struct DecamExposure {
    /// Name of the detector, the EXTNAME of its HDUs.
    pub detector: String,
    /// Pixels, `[y, x]`.
    pub pixels: Array2<f32>,
    /// Data quality: codes, or bits before version 3.5 of the pipeline.
    pub quality: Array2<i32>,
    /// Inverse variances.
    pub weight: Array2<f32>,
    /// World coordinates, with TPV distortion in real files.
    pub wcs: Wcs,
    /// Magnitude of one count.
    pub zero_point: f64,
    /// Version of the pipeline, such as `V4.8.2`.
    pub version: String,
}

impl DecamExposure {
    /// Writes `<stem>_ooi.fits`, `<stem>_ood.fits` and `<stem>_oow.fits`, and returns their paths in this order. Each has another
    /// detector before the one that is meant.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path, stem: &str) -> io::Result<[PathBuf; 3]> {
        let facts = [
            card("SYNTHET", true),
            card("ORIGIN", "skyloom-testkit, synthetic"),
            card("FILTER", "g DECam SDSS c0001 4720.0 1520.0"),
            card("EXPTIME", 90.0),
            card("MAGZERO", self.zero_point),
            card("PLVER", self.version.as_str()),
        ];
        let cards = self.wcs.cards();
        let paths = ["ooi", "ood", "oow"].map(|kind| folder.join(format!("{stem}_{kind}.fits")));
        let other = Array2::<f32>::zeros((3, 4));
        for (path, plane) in paths.iter().zip(0..) {
            let mut file = FitsFile::primary(&facts);
            let name = Some(self.detector.as_str());
            match plane {
                1 => {
                    file.integers(Some("N1"), &[], &other.mapv(|_| 1));
                    file.integers(name, &cards, &self.quality);
                }
                _ => {
                    file.floats(Some("N1"), &[], &other);
                    file.floats(name, &cards, if plane == 0 { &self.pixels } else { &self.weight });
                }
            }
            std::fs::write(path, file.bytes)?;
        }
        Ok(paths)
    }
}
