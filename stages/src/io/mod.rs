//! Reading and writing files.

pub mod read_image;
pub mod write_image;
