//! An [`Image`] as a FITS file and back: the artefact's format, and the file that users get.
//!
//! Layout: the pixels are the primary array (32-bit floats). Its header holds, in this order, the facts (`BUNIT`,
//! `FILTER`, `EXPTIME` in seconds, `MAGZPT` in magnitudes per unit and second), the WCS, and the kept cards after a
//! card that counts them. The mask plane, when there is one, is the extension `MASK` of unsigned 16-bit integers; its
//! `MP_` cards give the bit number of each name, counted from 0; `MP_INTRP`, which came later, is there where a pixel has
//! the bit, so that images without it keep the bytes, and the digest, that they had.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use skyloom_engine::{CodecError, FileContent, Product as _};

use super::decode::Encoding;
use super::error::{FitsError, FitsErrorKind};
use super::hdu::{Hdu, HduKind, scan};
use super::reader::CHUNK_BYTES;
use super::source::Source;
use super::writer::{HeaderRecords, LONG_STRINGS_KEY, write_rows};
use crate::header::{CardValue, Header};
use crate::image::{Image, ImageMeta};
use crate::mask::{Mask, MaskBits};
use crate::wcs::Wcs;

/// Keyword of the card that says how many kept cards follow.
pub(super) const KEPT_KEY: &str = "SKYKEEP";

const MASK_NAME: &str = "MASK";

/// Writes an image with its mask plane as a FITS file. Equal images make equal bytes.
///
/// # Errors
/// When the file cannot be written, or the image holds what FITS cannot express (a fact that is not finite, text that
/// is not ASCII, a kept card whose keyword the file uses itself).
pub fn write_product(image: &Image, path: &Path) -> Result<(), CodecError> {
    // No fsync: the store checks artefacts by digest when it reads them.
    write_product_to(image, &mut File::create(path)?)
}

/// The same to any writer, in large pieces.
///
/// # Errors
/// As [`write_product`].
pub fn write_product_to(image: &Image, out: &mut dyn Write) -> Result<(), CodecError> {
    Ok(Headers::of(image, true, None)?.write(image, out)?)
}

/// The same file in memory, with or without the mask plane.
///
/// # Errors
/// When the image holds what FITS cannot express; see [`write_product`].
pub fn image_to_fits_bytes(image: &Image, include_mask: bool) -> Result<Vec<u8>, FitsError> {
    fits_bytes(image, include_mask, None)
}

/// The same with the pixels in an image extension of this name, after an empty primary HDU: programs that expect
/// tile-compressed files look there.
///
/// # Errors
/// When the image holds what FITS cannot express; see [`write_product`].
pub fn image_extension_to_fits_bytes(image: &Image, name: &str, include_mask: bool) -> Result<Vec<u8>, FitsError> {
    fits_bytes(image, include_mask, Some(name))
}

fn fits_bytes(image: &Image, include_mask: bool, extension: Option<&str>) -> Result<Vec<u8>, FitsError> {
    let headers = Headers::of(image, include_mask, extension)?;
    let pixel_bytes = if include_mask && image.mask.is_some() { 6 } else { 4 };
    let mut out = Vec::with_capacity(image.pixels.len() * pixel_bytes + 8 * 2880);
    headers.write(image, &mut out).map_err(|e| FitsError::unwritable(e, "room in memory"))?;
    Ok(out)
}

/// The file of [`image_to_fits_bytes`] or [`image_extension_to_fits_bytes`], made while it is written.
#[derive(Debug)]
pub struct ImageFile {
    image: Arc<Image>,
    headers: Headers,
}

impl ImageFile {
    /// With or without the mask plane; `extension` names an image extension for the pixels.
    ///
    /// # Errors
    /// When the image holds what FITS cannot express; see [`write_product`].
    pub fn new(image: Arc<Image>, include_mask: bool, extension: Option<&str>) -> Result<Self, FitsError> {
        let headers = Headers::of(&image, include_mask, extension)?;
        Ok(Self { image, headers })
    }
}

impl FileContent for ImageFile {
    fn write_to(&self, out: &mut dyn Write) -> std::io::Result<()> {
        self.headers.write(&self.image, out)
    }
    fn resident_bytes(&self) -> u64 {
        self.image.resident_bytes()
    }
}

/// The headers, made before anything is written.
#[derive(Debug)]
struct Headers {
    /// The header of the pixels, after that of an empty primary HDU where they are in an extension.
    primary: Vec<u8>,
    mask: Option<Vec<u8>>,
}

impl Headers {
    fn of(image: &Image, include_mask: bool, extension: Option<&str>) -> Result<Self, FitsError> {
        let mask = image.mask.as_ref().filter(|_| include_mask);
        if let Some(mask) = mask
            && mask.dim() != image.pixels.dim()
        {
            return Err(FitsError::unwritable(
                format!("a mask plane of {:?} pixels", mask.dim()),
                format!("the shape of the image, {:?}", image.pixels.dim()),
            ));
        }
        Ok(Self {
            primary: match extension {
                None => primary_header(image, mask.is_some())?,
                Some(name) => [empty_primary_header()?, extension_header(image, name)?].concat(),
            },
            mask: mask.map(mask_header).transpose()?,
        })
    }

    fn write(&self, image: &Image, out: &mut dyn Write) -> std::io::Result<()> {
        out.write_all(&self.primary)?;
        // One NaN for all: which bits an operation gives depends on the processor.
        let encode = |v: f32| if v.is_nan() { f32::NAN } else { v }.to_be_bytes();
        write_rows(out, image.pixels.view(), encode)?;
        if let (Some(header), Some(mask)) = (&self.mask, &image.mask) {
            out.write_all(header)?;
            // Unsigned integers are stored as signed ones with an offset of 2^15.
            write_rows(out, mask.view(), |m: u16| (m ^ 0x8000).to_be_bytes())?;
        }
        Ok(())
    }
}

fn primary_header(image: &Image, has_mask: bool) -> Result<Vec<u8>, FitsError> {
    let mut header = HeaderRecords::new();
    header.bool("SIMPLE", true, "FITS standard 4.0")?;
    header.int("BITPIX", -32, "32-bit floats")?;
    header.int("NAXIS", 2, "")?;
    header.length("NAXIS1", image.width(), "columns")?;
    header.length("NAXIS2", image.height(), "rows")?;
    if has_mask {
        header.bool("EXTEND", true, "the mask plane follows")?;
    }
    facts(header, image)
}

fn empty_primary_header() -> Result<Vec<u8>, FitsError> {
    let mut header = HeaderRecords::new();
    header.bool("SIMPLE", true, "FITS standard 4.0")?;
    header.int("BITPIX", 8, "")?;
    header.int("NAXIS", 0, "no pixels here")?;
    header.bool("EXTEND", true, "the image follows")?;
    Ok(header.finish())
}

fn extension_header(image: &Image, name: &str) -> Result<Vec<u8>, FitsError> {
    let mut header = HeaderRecords::new();
    header.text("XTENSION", "IMAGE", "")?;
    header.int("BITPIX", -32, "32-bit floats")?;
    header.int("NAXIS", 2, "")?;
    header.length("NAXIS1", image.width(), "columns")?;
    header.length("NAXIS2", image.height(), "rows")?;
    header.int("PCOUNT", 0, "")?;
    header.int("GCOUNT", 1, "")?;
    header.text("EXTNAME", name, "")?;
    facts(header, image)
}

/// What is known of the image, after the cards that describe the array.
fn facts(mut header: HeaderRecords, image: &Image) -> Result<Vec<u8>, FitsError> {
    let meta = &image.meta;
    if let Some(unit) = &meta.unit {
        header.text("BUNIT", unit, "unit of the pixels")?;
    }
    if let Some(band) = &meta.band {
        header.text("FILTER", band, "band")?;
    }
    if let Some(exposure_s) = meta.exposure_s {
        header.add("EXPTIME", CardValue::Float(exposure_s), "[s] exposure time of the pixel values")?;
    }
    if let Some(zero_point) = meta.zero_point {
        header.add("MAGZPT", CardValue::Float(zero_point), "[mag] magnitude of 1 unit per second")?;
    }
    for card in image.wcs.iter().flat_map(Wcs::cards) {
        header.card(&card)?;
    }
    if !meta.cards.is_empty() {
        header.length(KEPT_KEY, meta.cards.len(), "number of cards below from the original")?;
        for card in &meta.cards {
            header.card(card)?;
        }
    }
    Ok(header.finish())
}

fn mask_header(mask: &Mask) -> Result<Vec<u8>, FitsError> {
    let mut header = HeaderRecords::new();
    header.text("XTENSION", "IMAGE", "")?;
    header.int("BITPIX", 16, "")?;
    header.int("NAXIS", 2, "")?;
    header.length("NAXIS1", mask.ncols(), "columns")?;
    header.length("NAXIS2", mask.nrows(), "rows")?;
    header.int("PCOUNT", 0, "")?;
    header.int("GCOUNT", 1, "")?;
    header.int("BSCALE", 1, "")?;
    header.int("BZERO", 32768, "unsigned 16-bit integers")?;
    header.text("EXTNAME", MASK_NAME, "mask plane; 0 is good")?;
    let is_named = |bit: u16| bit != MaskBits::INTERPOLATED || mask.iter().any(|m| m & bit != 0);
    for (name, value) in MaskBits::NAMES.into_iter().filter(|(_, bit)| is_named(*bit)) {
        header.int(&format!("MP_{name}"), i64::from(value.trailing_zeros()), "bit number, from 0")?;
    }
    Ok(header.finish())
}

/// Reads what [`write_product`] wrote.
///
/// # Errors
/// When the file is something else or damaged.
pub fn read_product(path: &Path) -> Result<Image, CodecError> {
    let mut source = Source::open(path)?;
    let hdus = scan(&mut source)?;
    let unexpected = |found: String| FitsError::new(FitsErrorKind::Malformed, path, found, "an image product");
    let primary = &hdus[0];
    let encoding = Encoding::of(path, primary)?;
    let shape = shape_of(primary).filter(|_| primary.bitpix == -32).ok_or_else(|| unexpected(primary.describe()))?;

    let mut pixels: Vec<f32> = Vec::with_capacity(shape.0 * shape.1);
    read_chunks(&mut source, primary, 4 * shape.0 * shape.1, |bytes| encoding.decode(bytes, &mut pixels))?;
    let mask = match hdus.get(1) {
        None => None,
        Some(hdu) if hdu.has_name(MASK_NAME) && hdu.bitpix == 16 && shape_of(hdu) == Some(shape) => {
            let mut mask: Vec<u16> = Vec::with_capacity(shape.0 * shape.1);
            read_chunks(&mut source, hdu, 2 * shape.0 * shape.1, |bytes| {
                mask.extend(bytes.as_chunks::<2>().0.iter().map(|&b| u16::from_be_bytes(b) ^ 0x8000));
            })?;
            Some(Mask::from_shape_vec(shape, mask).map_err(CodecError::format)?)
        }
        Some(hdu) => return Err(unexpected(format!("{} ({})", hdu.label(), hdu.describe())).into()),
    };

    let (own, kept) = split_kept(&primary.header);
    let meta = ImageMeta {
        unit: own.text("BUNIT").map(str::to_owned),
        band: own.text("FILTER").map(str::to_owned),
        exposure_s: own.float("EXPTIME"),
        zero_point: own.float("MAGZPT"),
        cards: kept,
    };
    let wcs = Wcs::from_header(&own).map_err(CodecError::format)?;
    Ok(Image { pixels: Array2::from_shape_vec(shape, pixels).map_err(CodecError::format)?, mask, wcs, meta })
}

/// Rows and columns of a plain 2-D image.
fn shape_of(hdu: &Hdu) -> Option<(usize, usize)> {
    match hdu.shape[..] {
        [width, height] if hdu.kind == HduKind::Image => {
            Some((usize::try_from(height).ok()?, usize::try_from(width).ok()?))
        }
        _ => None,
    }
}

/// Shows the `len` bytes of an array piece by piece.
fn read_chunks(source: &mut Source, hdu: &Hdu, len: usize, mut decode: impl FnMut(&[u8])) -> Result<(), FitsError> {
    let mut room = Vec::new();
    for at in (0..len).step_by(CHUNK_BYTES) {
        decode(source.bytes_at(hdu.data_start + at as u64, CHUNK_BYTES.min(len - at), &mut room)?);
    }
    Ok(())
}

fn split_kept(header: &Header) -> (Header, Vec<crate::header::Card>) {
    match header.cards.iter().position(|c| c.key == KEPT_KEY) {
        Some(at) => {
            let kept = header.cards[at + 1..].iter().filter(|c| c.key != LONG_STRINGS_KEY);
            (Header { cards: header.cards[..at].to_vec() }, kept.cloned().collect())
        }
        None => (header.clone(), Vec::new()),
    }
}
