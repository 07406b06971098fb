//! From a file to an [`Image`]: pixels, mask plane, WCS and facts.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ndarray::Array2;

use super::choice::HduChoice;
use super::error::{FitsError, FitsErrorKind};
use super::facts::{FactOptions, image_facts};
use super::reader::{FitsImageReader, ImageHeader};
use crate::image::{Image, ImageMeta};
use crate::mask::{Mask, MaskBits};
use crate::wcs::{Wcs, WcsError};

/// What to read and how to mask it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadOptions {
    /// The image's HDU; the first 2-D image when `None`.
    pub hdu: Option<HduChoice>,
    /// Where band, exposure, zero point and unit come from.
    pub facts: FactOptions,
    /// Pixels at or above this value, in the file's unit, get SATURATED.
    pub saturation: Option<f64>,
    /// Whether pixels that are exactly 0 get BAD.
    pub mask_zero: bool,
    /// Confidence map of the same shape: 0 (or no value) means BAD.
    pub confidence: Option<PathBuf>,
    /// HDU of the confidence map; the first 2-D image when `None`.
    pub confidence_hdu: Option<HduChoice>,
    /// Whether to read no WCS, for instance because the header's is wrong.
    pub ignore_wcs: bool,
    /// Rows per band; `None` chooses. Never changes the result.
    pub band_rows: Option<usize>,
}

/// An image and what was noticed while it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedImage {
    /// The image.
    pub image: Image,
    /// What the file says of it.
    pub header: ImageHeader,
    /// What the user should know, in sentences.
    pub warnings: Vec<String>,
    /// Pixels with NO_DATA, infinite ones included.
    pub n_no_data: u64,
    /// Pixels that were infinite in the file.
    pub n_infinite: u64,
    /// Pixels with SATURATED.
    pub n_saturated: u64,
    /// Pixels with BAD.
    pub n_bad: u64,
}

/// An image that is open and checked, before its pixels are read.
#[derive(Debug)]
pub struct OpenImage<'a> {
    options: &'a ReadOptions,
    reader: FitsImageReader,
    confidence: Option<FitsImageReader>,
    wcs: Option<Wcs>,
    meta: ImageMeta,
    warnings: Vec<String>,
}

/// Reads an image in one call; see [`OpenImage`].
///
/// # Errors
/// See [`FitsErrorKind`].
pub fn read_image(path: &Path, options: &ReadOptions) -> Result<LoadedImage, FitsError> {
    OpenImage::open(path, options)?.read(&|_| true)
}

impl<'a> OpenImage<'a> {
    /// Opens the image, and the confidence map when there is one.
    ///
    /// # Errors
    /// See [`FitsErrorKind`]. A WCS that is not supported is a warning, one that contradicts itself an error.
    pub fn open(path: &Path, options: &'a ReadOptions) -> Result<Self, FitsError> {
        let reader = FitsImageReader::open(path, options.hdu.as_ref())?;
        let header = reader.header();
        let (wcs, wcs_warning) = if options.ignore_wcs { (None, None) } else { header_wcs(path, header)? };
        let (mut meta, mut warnings) = image_facts(header, &options.facts);
        warnings.extend(wcs_warning);
        if let Some(wcs) = &wcs {
            // Some WCS cards (dates, frames) may also have been asked for; once is enough.
            let of_wcs = wcs.cards();
            meta.cards.retain(|kept| of_wcs.iter().all(|c| c.key != kept.key));
        }
        let confidence = match &options.confidence {
            None => None,
            Some(path) => {
                let confidence = FitsImageReader::open(path, options.confidence_hdu.as_ref())?;
                check_confidence_shape(path, confidence.header(), header)?;
                Some(confidence)
            }
        };
        Ok(Self { options, reader, confidence, wcs, meta, warnings })
    }

    /// Rows that will be read: of the image and of the confidence map.
    #[must_use]
    pub fn n_rows(&self) -> u64 {
        let rows = self.reader.height() as u64;
        if self.confidence.is_some() { 2 * rows } else { rows }
    }

    /// Reads the pixels. NaN, BLANK and infinite pixels become NaN with NO_DATA in the mask plane; the mask plane is
    /// there only when some pixel is masked.
    ///
    /// `on_rows` hears of rows read and says whether to go on.
    ///
    /// # Errors
    /// When the file cannot be read, memory does not suffice, or `on_rows` says stop.
    pub fn read(mut self, on_rows: &(dyn Fn(usize) -> bool + Sync)) -> Result<LoadedImage, FitsError> {
        let options = self.options;
        let header = self.reader.header().clone();
        let counts = Mutex::new(Counts::default());
        let pixels = self.reader.read_all_with(options.band_rows, on_rows, &|part| {
            let found = clean(part, options);
            let mut all = counts.lock().unwrap_or_else(PoisonError::into_inner);
            *all = all.plus(found);
        })?;
        drop(self.reader);
        let counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let shape = (header.height, header.width);
        let pixels =
            Array2::from_shape_vec(shape, pixels).map_err(|e| FitsError::unwritable(e, "pixels of one image"))?;
        let mut mask = (counts.any() > 0).then(|| Mask::zeros(shape));
        if let Some(mask) = &mut mask {
            ndarray::Zip::from(mask).and(&pixels).par_for_each(|m, &v| *m = bits(v, options));
        }
        let mut n_bad = counts.zero;
        if let Some(confidence) = self.confidence {
            n_bad += mask_confidence(confidence, &mut mask, shape, options, on_rows)?;
        }

        let n = pixels.len() as u64;
        let n_no_data = counts.nan + counts.infinite;
        let mut warnings = self.warnings;
        if n_no_data == n {
            warnings.push(format!("none of the {n} pixels has a value"));
        } else if counts.nan > 0 {
            warnings.push(format!("{} of {n} pixels have no value (NaN or BLANK) and are masked", counts.nan));
        }
        if counts.infinite > 0 {
            warnings.push(format!(
                "{} of {n} pixels are infinite and are masked as pixels without a value",
                counts.infinite
            ));
        }
        Ok(LoadedImage {
            image: Image { pixels, mask, wcs: self.wcs, meta: self.meta },
            header,
            warnings,
            n_no_data,
            n_infinite: counts.infinite,
            n_saturated: counts.saturated,
            n_bad,
        })
    }
}

/// The WCS of an image, and what to tell the user when it has one that is not supported: pixel-only work goes on.
///
/// # Errors
/// When the WCS cards contradict each other.
pub fn header_wcs(path: &Path, header: &ImageHeader) -> Result<(Option<Wcs>, Option<String>), FitsError> {
    match Wcs::from_header(&header.header) {
        Ok(wcs) => Ok((wcs, None)),
        Err(WcsError::Unsupported(what)) => {
            Ok((None, Some(format!("the image is read without world coordinates: {what}"))))
        }
        Err(WcsError::Invalid(what)) => Err(FitsError::new(
            FitsErrorKind::BadWcs,
            path,
            format!("world coordinates that contradict themselves: {what}"),
            "consistent WCS cards",
        )
        .help("repair the header, or set `ignore_wcs: true` to work in pixels only")),
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    nan: u64,
    infinite: u64,
    saturated: u64,
    zero: u64,
}

impl Counts {
    fn any(self) -> u64 {
        self.nan + self.infinite + self.saturated + self.zero
    }

    fn plus(self, other: Self) -> Self {
        Self {
            nan: self.nan + other.nan,
            infinite: self.infinite + other.infinite,
            saturated: self.saturated + other.saturated,
            zero: self.zero + other.zero,
        }
    }
}

/// Makes NaN of infinite pixels and counts what will be masked.
fn clean(pixels: &mut [f32], options: &ReadOptions) -> Counts {
    let mut counts = Counts::default();
    for part in pixels.chunks_mut(1 << 12) {
        if !any_masked(part, options) {
            continue;
        }
        for v in part {
            if v.is_finite() {
                let bits = bits(*v, options);
                counts.saturated += u64::from(bits & MaskBits::SATURATED != 0);
                counts.zero += u64::from(bits & MaskBits::BAD != 0);
            } else {
                counts.infinite += u64::from(v.is_infinite());
                counts.nan += u64::from(v.is_nan());
                *v = f32::NAN;
            }
        }
    }
    counts
}

/// Whether [`bits`] has something to say of any pixel; without branches, which makes it vector code.
fn any_masked(pixels: &[f32], options: &ReadOptions) -> bool {
    // The smallest single-precision number that is not below the level.
    let level = options.saturation.map_or(f32::INFINITY, |level| {
        let near = level as f32;
        if f64::from(near) < level { near.next_up() } else { near }
    });
    let mut any = false;
    for &v in pixels {
        any |= !v.is_finite() | (v >= level) | (options.mask_zero & (v == 0.0));
    }
    any
}

fn bits(v: f32, options: &ReadOptions) -> u16 {
    if !v.is_finite() {
        return MaskBits::NO_DATA;
    }
    let mut bits = 0;
    if options.saturation.is_some_and(|level| f64::from(v) >= level) {
        bits |= MaskBits::SATURATED;
    }
    if options.mask_zero && v == 0.0 {
        bits |= MaskBits::BAD;
    }
    bits
}

/// A confidence map must have the image's shape.
///
/// # Errors
/// When it has another.
pub fn check_confidence_shape(path: &Path, confidence: &ImageHeader, image: &ImageHeader) -> Result<(), FitsError> {
    if (confidence.width, confidence.height) == (image.width, image.height) {
        return Ok(());
    }
    Err(FitsError::new(
        FitsErrorKind::ShapeMismatch,
        path,
        format!("a confidence map of {} x {} pixels", confidence.width, confidence.height),
        format!("the shape of the image, {} x {}", image.width, image.height),
    ))
}

/// Sets BAD where the confidence is 0 or has no value; returns how many pixels got it that did not have it before.
fn mask_confidence(
    mut confidence: FitsImageReader,
    mask: &mut Option<Mask>,
    shape: (usize, usize),
    options: &ReadOptions,
    on_rows: &(dyn Fn(usize) -> bool + Sync),
) -> Result<u64, FitsError> {
    let (height, width) = shape;
    let rows = options.band_rows.unwrap_or((1 << 20) / width).clamp(1, height);
    let mut band = vec![0.0; rows * width];
    let mut n_new = 0;
    for y0 in (0..height).step_by(rows) {
        let n = rows.min(height - y0);
        let band = &mut band[..n * width];
        confidence.read_rows(y0, n, band)?;
        for (i, &c) in band.iter().enumerate() {
            if c == 0.0 || !c.is_finite() {
                let m = &mut mask.get_or_insert_with(|| Mask::zeros(shape))[[y0 + i / width, i % width]];
                n_new += u64::from(*m & MaskBits::BAD == 0);
                *m |= MaskBits::BAD;
            }
        }
        if !on_rows(n) {
            return Err(FitsError::cancelled(options.confidence.as_deref().unwrap_or(Path::new(""))));
        }
    }
    Ok(n_new)
}
