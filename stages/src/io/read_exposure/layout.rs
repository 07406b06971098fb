//! Which HDU of which file is what.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use skyloom_data::fits::{self, FitsError, FitsErrorKind, HduChoice, ImageHeader};

/// How the files of an exposure are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExposureLayout {
    /// Rubin exposures and coadds, as its `afw` package writes them: one file with the HDUs `IMAGE`, `MASK` (integers, with an `MP_`
    /// card per plane) and `VARIANCE` behind an empty primary HDU.
    #[default]
    Afw,
    /// DECam images of the Community Pipeline: an image, with a data-quality plane and a map of inverse variances in files of their
    /// own, which have the same HDUs.
    Decam,
}

/// One plane of an exposure: a file and the HDU in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlaneFile {
    pub(super) path: PathBuf,
    /// The first image where it is `None`.
    pub(super) hdu: Option<HduChoice>,
    pub(super) header: ImageHeader,
    /// The parameter that named it.
    pub(super) param: &'static str,
}

impl PlaneFile {
    pub(super) fn open(path: &Path, hdu: Option<&HduChoice>, param: &'static str) -> Result<Self, FitsError> {
        let header = fits::read_header(path, hdu)?;
        Ok(Self { path: path.to_path_buf(), hdu: hdu.cloned(), header, param })
    }

    /// A plane of an `afw` file by its name. Files of the first years have no names: there the order counts.
    pub(super) fn named(path: &Path, name: &str, index: usize) -> Result<Self, FitsError> {
        let by_name = HduChoice::Name(name.to_owned());
        match Self::open(path, Some(&by_name), "path") {
            Err(error) if error.kind == FitsErrorKind::UnknownHdu => {
                let by_index = Self::open(path, Some(&HduChoice::Index(index)), "path");
                // A name that is there and is another one means that the file is not of this layout.
                by_index.ok().filter(|plane| plane.header.name.is_none()).ok_or_else(|| {
                    error.help("set layout, or read the file with io.read_image if it has no such planes")
                })
            }
            other => other,
        }
    }

    /// Whether it has the shape of the image.
    pub(super) fn check_shape(&self, what: &str, image: &ImageHeader) -> Result<(), FitsError> {
        if (self.header.width, self.header.height) == (image.width, image.height) {
            return Ok(());
        }
        Err(FitsError::new(
            FitsErrorKind::ShapeMismatch,
            &self.path,
            format!("{what} of {} x {} pixels", self.header.width, self.header.height),
            format!("the shape of the image, {} x {}", image.width, image.height),
        ))
    }
}

/// The planes of one exposure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planes {
    pub(super) image: PlaneFile,
    pub(super) flags: Option<PlaneFile>,
    /// Variances in `afw` files, inverse variances in DECam ones.
    pub(super) noise: Option<PlaneFile>,
}
