//! The astronomical vocabulary of Skyloom: images, masks, WCS, tables, PSF fields, isophotes, and how each is written to disk.
//!
//! Coordinates: `x` is the column, `y` the row, pixel centres at integers, zero-based; one-based only at the FITS and DS9 border.

pub mod facets;
pub mod fits;
mod header;
mod image;
mod isophotes;
mod mask;
pub mod parquet_io;
mod products;
mod psf_field;
mod table;
mod table_combine;
pub mod wcs;

pub use header::{Card, CardValue, Header};
pub use image::{Image, ImageMeta};
pub use isophotes::{Isophote, Isophotes};
pub use mask::{Mask, MaskBits};
pub use psf_field::{PsfCell, PsfField, PsfModel, PsfSet};
pub use table::{Table, TableBuilder, TableError, cell_text};
pub use wcs::{CelestialFrame, Wcs, WcsError};
