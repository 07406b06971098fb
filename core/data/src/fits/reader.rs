//! Reading one image of a file, in row bands.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::cfitsio::TileImage;
use super::choice::{HduChoice, find_image, is_meant};
use super::decode::Encoding;
use super::error::{FitsError, FitsErrorKind};
use super::hdu::{Hdu, HduKind, scan, scan_until};
use super::source::Source;
use super::tile_cards::check_tile_cards;
use crate::header::{CardValue, Header};

/// Bytes that are decoded at a time: large enough for the disk, small enough for the cache.
pub(super) const CHUNK_BYTES: usize = 1 << 17;

/// What a file says of one of its images, without the pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageHeader {
    /// Header of the image's HDU. For a tile-compressed image it is that of the unpacked image.
    pub header: Header,
    /// Header of the primary HDU, when the image is in an extension that does not say `INHERIT = F`.
    pub primary: Option<Header>,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Position of the HDU in the file; 0 is the primary.
    pub hdu: usize,
    /// EXTNAME.
    pub name: Option<String>,
    /// BITPIX of the unpacked image.
    pub bitpix: i64,
    /// Whether the image is tile-compressed.
    pub is_compressed: bool,
    /// Bytes that the file occupies in memory while it is open: its unpacked size when it is gzipped, else 0.
    pub memory_bytes: u64,
}

/// Pixels of the largest image, 2^40: a million by a million. A compressed file may promise any number in a short file, and
/// whoever multiplies such a number by bytes per pixel must not overflow.
const LARGEST_IMAGE: u64 = 1 << 40;

impl ImageHeader {
    /// The header that holds a keyword: the image's own, or the primary one where the image's lacks it.
    #[must_use]
    pub fn header_with(&self, key: &str) -> Option<&Header> {
        [Some(&self.header), self.primary.as_ref()].into_iter().flatten().find(|h| h.get(key).is_some())
    }

    /// The value of a keyword, from the image's header or else the primary one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&CardValue> {
        self.header_with(key).and_then(|h| h.get(key))
    }

    fn of(source: &Source, hdus: &[Hdu], hdu: &Hdu) -> Result<Self, FitsError> {
        let is_sane = hdu.shape[0].checked_mul(hdu.shape[1]).is_some_and(|n| n <= LARGEST_IMAGE);
        let length = |axis: usize| match usize::try_from(hdu.shape[axis]) {
            Ok(length) if is_sane => Ok(length),
            _ => {
                let found = format!("an image of {} x {} pixels in {}", hdu.shape[0], hdu.shape[1], hdu.label());
                let expected = format!("at most {LARGEST_IMAGE} pixels");
                Err(FitsError::new(FitsErrorKind::TooLarge, source.path(), found, expected)
                    .help("the header is damaged: fetch the file again"))
            }
        };
        if hdu.kind == HduKind::CompressedImage {
            check_tile_cards(source.path(), hdu)?;
        }
        let inherits = hdu.index > 0 && hdu.header.get("INHERIT") != Some(&CardValue::Bool(false));
        Ok(Self {
            header: hdu.image_header(),
            primary: hdus.first().filter(|_| inherits).map(inheritable),
            width: length(0)?,
            height: length(1)?,
            hdu: hdu.index,
            name: hdu.name().map(str::to_owned),
            bitpix: hdu.bitpix,
            is_compressed: hdu.kind == HduKind::CompressedImage,
            memory_bytes: source.memory_bytes(),
        })
    }
}

/// The primary header as extensions inherit it: without what describes its own array.
fn inheritable(primary: &Hdu) -> Header {
    let mut header = primary.header.clone();
    if !primary.shape.is_empty() {
        header.cards.retain(|c| !matches!(c.key.as_str(), "BUNIT" | "BSCALE" | "BZERO" | "BLANK"));
    }
    header
}

/// Reads the header of an image and its shape; no pixels.
///
/// Without a choice the first HDU with a 2-D image is taken, tile-compressed ones included.
///
/// A gzip file is unpacked no further than this header: that its rest is complete shows when the pixels are read.
///
/// # Errors
/// When the file is not a complete FITS file or has no such image.
pub fn read_header(path: &Path, hdu: Option<&HduChoice>) -> Result<ImageHeader, FitsError> {
    let mut source = Source::open(path)?;
    let hdus = scan_until(&mut source, &|h| is_meant(h, hdu))?;
    let hdu = find_image(path, &hdus, hdu)?;
    ImageHeader::of(&source, &hdus, hdu)
}

/// One image of a file, open for reading rows. Needs `&mut self` to read: open one per thread.
#[derive(Debug)]
pub struct FitsImageReader {
    path: PathBuf,
    header: ImageHeader,
    source: Source,
    data_start: u64,
    label: String,
    tile_rows: usize,
    pixels: Pixels,
}

#[derive(Debug)]
enum Pixels {
    Plain(Encoding),
    Tiles(TileImage),
}

impl FitsImageReader {
    /// Opens an image; see [`read_header`] for the choice.
    ///
    /// # Errors
    /// See [`read_header`].
    pub fn open(path: &Path, hdu: Option<&HduChoice>) -> Result<Self, FitsError> {
        let mut source = Source::open(path)?;
        let hdus = scan(&mut source)?;
        let hdu = find_image(path, &hdus, hdu)?;
        let header = ImageHeader::of(&source, &hdus, hdu)?;
        let label = hdu.label();
        let pixels = if header.is_compressed {
            Pixels::Tiles(open_tiles(&mut source, hdu.index, &label)?)
        } else {
            Pixels::Plain(Encoding::of(path, hdu)?)
        };
        // Rows per tile: 1 when the header does not say, as the standard has it.
        let tile_rows = hdu.header.int("ZTILE2").and_then(|v| usize::try_from(v).ok()).unwrap_or(1).max(1);
        Ok(Self { path: path.to_path_buf(), header, data_start: hdu.data_start, source, label, tile_rows, pixels })
    }

    /// What the file says of the image.
    #[must_use]
    pub fn header(&self) -> &ImageHeader {
        &self.header
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.header.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.header.height
    }

    /// Reads the rows `y0 .. y0 + n` into `out`, which has `n * width` entries. NaN and BLANK pixels become NaN.
    /// Infinite pixels stay as they are, except in tile-compressed images, where cfitsio makes NaN of them.
    ///
    /// # Errors
    /// When the rows are not all in the image, `out` has another length, or the file cannot be read.
    pub fn read_rows(&mut self, y0: usize, n: usize, out: &mut [f32]) -> Result<(), FitsError> {
        let width = self.header.width;
        self.check_rows(y0, n, out.len())?;
        let first = y0 as u64 * width as u64;
        match &mut self.pixels {
            Pixels::Tiles(tiles) => tiles.read(&self.path, first, out),
            Pixels::Plain(encoding) => {
                let size = encoding.pixel_bytes();
                let (mut offset, mut room) = (self.data_start + first * size as u64, Vec::new());
                for chunk in out.chunks_mut(CHUNK_BYTES / size) {
                    let bytes = self.source.bytes_at(offset, chunk.len() * size, &mut room)?;
                    encoding.decode(bytes, chunk);
                    offset += bytes.len() as u64;
                }
                Ok(())
            }
        }
    }

    /// The same for an image of integers, such as a mask plane, where every bit counts: nothing is rounded, and BLANK is a number
    /// like any other.
    ///
    /// # Errors
    /// As [`Self::read_rows`]; when the pixels are not integers.
    pub fn read_integer_rows(&mut self, y0: usize, n: usize, out: &mut [i64]) -> Result<(), FitsError> {
        let width = self.header.width;
        self.check_rows(y0, n, out.len())?;
        let not_integers = || {
            let found = format!("pixels that are no integers in {}", self.label);
            FitsError::new(
                FitsErrorKind::Unsupported,
                &self.path,
                found,
                "an image of integers, of up to 32 bits where it is compressed",
            )
        };
        let first = y0 as u64 * width as u64;
        match &mut self.pixels {
            Pixels::Tiles(_) if !matches!(self.header.bitpix, 8 | 16 | 32) => Err(not_integers()),
            Pixels::Tiles(tiles) => tiles.read_integers(&self.path, first, out),
            Pixels::Plain(encoding) => {
                let size = encoding.pixel_bytes();
                let (mut offset, mut room) = (self.data_start + first * size as u64, Vec::new());
                for chunk in out.chunks_mut(CHUNK_BYTES / size) {
                    let bytes = self.source.bytes_at(offset, chunk.len() * size, &mut room)?;
                    encoding.decode_integers(bytes, chunk).ok_or_else(not_integers)?;
                    offset += bytes.len() as u64;
                }
                Ok(())
            }
        }
    }

    fn check_rows(&self, y0: usize, n: usize, len: usize) -> Result<(), FitsError> {
        let width = self.header.width;
        if y0.checked_add(n).is_none_or(|end| end > self.header.height) || n.checked_mul(width) != Some(len) {
            return Err(FitsError::new(
                FitsErrorKind::ShapeMismatch,
                &self.path,
                format!("a request for {n} rows from row {y0} into {len} pixels"),
                format!("rows of the {width} x {} image", self.header.height),
            ));
        }
        Ok(())
    }

    /// Reads the whole image in bands of about `band_rows` rows. `on_rows` hears the number of rows of each finished
    /// band and says whether to go on. Tiles are unpacked by all threads of the current rayon pool; the result does not
    /// depend on them or on the bands.
    ///
    /// # Errors
    /// As [`Self::read_rows`]; `Cancelled` when `on_rows` says so; `TooLarge` when memory does not suffice.
    pub fn read_all(
        &mut self,
        band_rows: Option<usize>,
        on_rows: &(dyn Fn(usize) -> bool + Sync),
    ) -> Result<Vec<f32>, FitsError> {
        self.read_all_with(band_rows, on_rows, &|_| ())
    }

    /// The same; `finish` sees every pixel once, in pieces that are still in the cache.
    pub(super) fn read_all_with(
        &mut self,
        band_rows: Option<usize>,
        on_rows: &(dyn Fn(usize) -> bool + Sync),
        finish: &(dyn Fn(&mut [f32]) + Sync),
    ) -> Result<Vec<f32>, FitsError> {
        let (width, height) = (self.header.width, self.header.height);
        let too_large = |_| {
            let found = format!("an image of {width} x {height} pixels");
            FitsError::new(FitsErrorKind::TooLarge, &self.path, found, "one that fits in memory")
        };
        let n = width.saturating_mul(height);
        let mut pixels: Vec<f32> = Vec::new();
        pixels.try_reserve_exact(n).map_err(too_large)?;

        // About a million pixels per band; whole rows of tiles, so that no tile is unpacked twice.
        let rows = band_rows.unwrap_or((1 << 20) / width.max(1)).clamp(1, height.max(1));
        let rows = rows.next_multiple_of(self.tile_rows.min(height.max(1)));
        if let Pixels::Plain(encoding) = &self.pixels {
            let (size, mut room) = (encoding.pixel_bytes(), Vec::new());
            while pixels.len() < n {
                let end = n.min(pixels.len() + rows * width);
                let n_rows = (end - pixels.len()) / width;
                while pixels.len() < end {
                    let start = pixels.len();
                    let len = (end - start).min(CHUNK_BYTES / size) * size;
                    let offset = self.data_start + start as u64 * size as u64;
                    encoding.decode(self.source.bytes_at(offset, len, &mut room)?, &mut pixels);
                    finish(&mut pixels[start..]);
                }
                if !on_rows(n_rows) {
                    return Err(FitsError::cancelled(&self.path));
                }
            }
            return Ok(pixels);
        }
        pixels.resize(n, 0.0);
        let proceed = |n| if on_rows(n) { Ok(()) } else { Err(FitsError::cancelled(&self.path)) };
        if rayon::current_num_threads() > 1 {
            let (path, label, index) = (&self.path, &self.label, self.header.hdu);
            let memory = memory_for_tiles(&mut self.source)?;
            // Each thread opens the file for itself; a band carries its own error, and the first in order is reported.
            let results: Vec<Result<(), FitsError>> = pixels
                .par_chunks_mut(rows * width)
                .enumerate()
                .map_init(
                    || TileImage::open(path, memory.clone(), index, label),
                    |tiles, (i, band)| {
                        let tiles = tiles.as_mut().map_err(|e| e.clone())?;
                        tiles.read(path, (i * rows) as u64 * width as u64, band)?;
                        finish(band);
                        proceed(band.len() / width)
                    },
                )
                .collect();
            results.into_iter().collect::<Result<(), _>>()?;
        } else {
            let path = self.path.clone();
            for (i, band) in pixels.chunks_mut((rows * width).max(1)).enumerate() {
                let n = band.len() / width;
                self.read_rows(i * rows, n, band)?;
                finish(band);
                if !on_rows(n) {
                    return Err(FitsError::cancelled(&path));
                }
            }
        }
        Ok(pixels)
    }
}

fn open_tiles(source: &mut Source, index: usize, label: &str) -> Result<TileImage, FitsError> {
    let memory = memory_for_tiles(source)?;
    TileImage::open(source.path(), memory, index, label)
}

/// The bytes that cfitsio needs when it cannot open the path itself.
fn memory_for_tiles(source: &mut Source) -> Result<Option<std::sync::Arc<Vec<u8>>>, FitsError> {
    match source.memory() {
        None if !TileImage::takes_path(source.path()) => source.load().map(Some),
        memory => Ok(memory),
    }
}
