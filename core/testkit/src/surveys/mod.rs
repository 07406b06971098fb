//! Small synthetic files in the layouts that surveys document: Rubin exposures, coadds and object tables, DECam images.
//!
//! Nothing in them was observed, and their headers say so (`SYNTHET = T`).

mod coadd_pair;
mod decam;
mod fits_file;
mod rubin;

pub use coadd_pair::{BAND, CoaddPair, OVERLAP, PATCH, PairFiles, Source, tract_wcs};
pub use decam::DecamExposure;
pub use rubin::{PLANES, RubinCalibration, RubinExposure, plane};
