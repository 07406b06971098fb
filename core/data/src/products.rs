//! The data types as products of the engine: names, sizes, codecs.

use std::io::Write;
use std::path::Path;

use skyloom_engine::{CodecError, Product, ProductType};

use crate::fits;
use crate::image::Image;
use crate::isophotes::Isophotes;
use crate::parquet_io;
use crate::psf_field::{PsfField, PsfSet};
use crate::table::Table;

macro_rules! product {
    ($type:ty, $name:literal, $extension:literal, bytes: $bytes:expr, encode: $encode:expr, decode: $decode:expr
     $(, stream: $stream:expr)?) => {
        impl Product for $type {
            fn type_name(&self) -> &'static str {
                $name
            }
            fn extension(&self) -> &str {
                $extension
            }
            fn resident_bytes(&self) -> u64 {
                let bytes: fn(&$type) -> usize = $bytes;
                bytes(self) as u64
            }
            fn encode(&self, path: &Path) -> Result<(), CodecError> {
                let encode: fn(&$type, &Path) -> Result<(), CodecError> = $encode;
                encode(self, path)
            }
            $(fn encode_to(&self, out: &mut dyn Write) -> Result<bool, CodecError> {
                let stream: fn(&$type, &mut dyn Write) -> Result<(), CodecError> = $stream;
                stream(self, out).map(|()| true)
            })?
        }

        impl ProductType for $type {
            const TYPE: &'static str = $name;
            fn decode(path: &Path) -> Result<Self, CodecError> {
                let decode: fn(&Path) -> Result<$type, CodecError> = $decode;
                decode(path)
            }
        }
    };
}

product!(Image, "image", "fits",
    bytes: |i| i.pixels.len() * 4 + i.mask.as_ref().map_or(0, |m| m.len() * 2),
    encode: |i, path| fits::write_product(i, path),
    decode: |path| fits::read_product(path),
    stream: |i, out| fits::write_product_to(i, out));

product!(Table, "table", "parquet",
    bytes: |t| t.batch().get_array_memory_size(),
    encode: |t, path| parquet_io::write_batch(t.batch(), path),
    decode: |path| Ok(Table::from_batch(parquet_io::read_batch(path)?)));

product!(Isophotes, "isophotes", "parquet",
    bytes: |i| i.contours.iter().map(|c| size_of_val(c) + size_of_val(&c.vertices[..])).sum(),
    encode: |i, path| parquet_io::write_batch(&parquet_io::isophotes_to_batch(i)?, path),
    decode: |path| parquet_io::isophotes_from_batch(&parquet_io::read_batch(path)?));

product!(PsfField, "psf", "ron",
    bytes: |p| p.cells.iter().map(|c| size_of_val(c) + 16 * c.median.len()).sum(),
    encode: |p, path| {
        let text = ron::ser::to_string_pretty(p, ron::ser::PrettyConfig::default()).map_err(CodecError::format)?;
        Ok(std::fs::write(path, text)?)
    },
    decode: |path| ron::from_str(&std::fs::read_to_string(path)?).map_err(CodecError::format));

product!(PsfSet, "psf_set", "ron",
    bytes: |p| p.fields().iter().map(|(_, f)| f.cells.iter().map(|c| size_of_val(c) + 16 * c.median.len()).sum::<usize>()).sum(),
    encode: |p, path| {
        let text = ron::ser::to_string_pretty(p, ron::ser::PrettyConfig::default()).map_err(CodecError::format)?;
        Ok(std::fs::write(path, text)?)
    },
    decode: |path| ron::from_str(&std::fs::read_to_string(path)?).map_err(CodecError::format));
