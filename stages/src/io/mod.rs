//! Reading and writing files.

pub(crate) mod frame;
pub mod read_catalogue;
pub mod read_exposure;
pub mod read_image;
pub mod read_table;
pub mod write_image;
pub mod write_psf;
pub mod write_regions;
pub mod write_table;
