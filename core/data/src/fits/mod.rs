//! FITS files.

mod bintable;

use std::path::Path;

use skyloom_engine::CodecError;

use crate::image::Image;

pub use bintable::bintable_bytes;

/// Writes an image product as a FITS file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_product(image: &Image, path: &Path) -> Result<(), CodecError> {
    // Placeholder layout until the FITS writer lands: raw pixels.
    let mut bytes: Vec<u8> = Vec::new();
    for size in [image.width(), image.height()] {
        bytes.extend((size as u64).to_be_bytes());
    }
    bytes.extend(image.pixels.iter().flat_map(|v| v.to_be_bytes()));
    if let Some(mask) = &image.mask {
        bytes.extend(mask.iter().flat_map(|v| v.to_be_bytes()));
    }
    Ok(std::fs::write(path, bytes)?)
}

/// Reads what [`write_product`] wrote.
///
/// # Errors
/// When the file is something else.
pub fn read_product(path: &Path) -> Result<Image, CodecError> {
    Err(CodecError::format(format!("{}: the FITS reader has not landed", path.display())))
}
