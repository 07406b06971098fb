//! FITS files: images and tables, in and out.
//!
//! Who reads what, and why:
//! - Headers and uncompressed pixels are read here. The layout is 2880-byte blocks and big-endian numbers, and reading
//!   it directly keeps what a general conversion loses: infinite pixels can be counted, the smallest floats survive,
//!   unsigned 64-bit integers stay exact, and a file that ends too early is noticed before any pixel is used.
//! - Tile-compressed images (`.fz`) are unpacked by cfitsio through its C interface with NaN as null value, one handle
//!   per thread. The safe Rust layer over it passes no null value.
//! - `.gz` is unpacked into memory first, with its checksum verified.
//! - Files are written here, with the cards in a fixed order, no CHECKSUM, no DATE and one NaN bit pattern:
//!   equal images are equal bytes on every machine.
//!
//! Indices: pixels are zero-based, rows count upwards as in the file (row 0 is the first in the file); HDU 0 is the primary.

mod bintable_arrays;
mod bintable_read;
mod bintable_write;
mod card_format;
mod card_parse;
mod cfitsio;
mod choice;
mod decode;
mod error;
mod facts;
mod hdu;
mod product;
mod psf_file;
mod read_image;
mod reader;
mod source;
mod tile_cards;
mod unit;
mod writer;

pub use bintable_arrays::read_bintable_arrays;
pub use bintable_read::{
    BintableColumn, BintableHeader, TableRead, read_bintable, read_bintable_columns, read_bintable_header,
};
pub use bintable_write::{bintable_bytes, write_bintable};
pub use choice::HduChoice;
pub use error::{FitsError, FitsErrorKind};
pub use facts::{FactOptions, carried_elsewhere, image_facts};
pub use product::{
    ImageFile, image_extension_to_fits_bytes, image_to_fits_bytes, read_product, write_product, write_product_to,
};
pub use psf_file::{psf_field_to_fits_bytes, psf_set_to_fits_bytes};
pub use read_image::{LoadedImage, OpenImage, ReadOptions, check_confidence_shape, header_wcs, read_image};
pub use reader::{FitsImageReader, ImageHeader, read_header};
