//! An image: pixels, mask plane, WCS and the few facts that measurements need.

use ndarray::Array2;

use crate::header::{Card, CardValue};
use crate::mask::{Mask, MaskBits};
use crate::wcs::Wcs;

/// A single-band image. Pixel `[y, x]` (row, column) has its centre at integer coordinates, counted from zero.
///
/// What is here is what the digest covers: COMMENT, HISTORY and undeclared cards are not carried on, or a comment
/// in the survey's file would change every product below.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Pixel values, `[y, x]`. NaN marks pixels without a value.
    pub pixels: Array2<f32>,
    /// Mask plane of the same shape; `None` when no pixel is masked.
    pub mask: Option<Mask>,
    /// World coordinates.
    pub wcs: Option<Wcs>,
    /// Facts about the whole image.
    pub meta: ImageMeta,
}

/// Facts about an image that measurements need.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageMeta {
    /// Unit of the pixels (`nanomaggy`, `adu`).
    pub unit: Option<String>,
    /// Band name (`r`, `Ks`): the suffix of photometry columns.
    pub band: Option<String>,
    /// Exposure time in seconds to which the pixel values belong: `m = ZP - 2.5 log10(flux / exposure)`.
    pub exposure_s: Option<f64>,
    /// Magnitude of 1 unit per second.
    pub zero_point: Option<f64>,
    /// Header cards that the reader was told to keep.
    pub cards: Vec<Card>,
}

impl Image {
    /// An image without mask, WCS or facts.
    #[must_use]
    pub fn from_pixels(pixels: Array2<f32>) -> Self {
        Self { pixels, mask: None, wcs: None, meta: ImageMeta::default() }
    }

    /// The same frame (mask, WCS, facts) with other pixels.
    #[must_use]
    pub fn with_pixels(&self, pixels: Array2<f32>) -> Self {
        Self { pixels, mask: self.mask.clone(), wcs: self.wcs.clone(), meta: self.meta.clone() }
    }

    /// The same frame without the mask, for maps that are defined everywhere: a background, the noise.
    #[must_use]
    pub fn with_map(&self, pixels: Array2<f32>) -> Self {
        Self { pixels, mask: None, wcs: self.wcs.clone(), meta: self.meta.clone() }
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.pixels.ncols()
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.pixels.nrows()
    }

    /// Whether a pixel has a finite value and none of the mask bits `bits`.
    #[must_use]
    pub fn is_good(&self, x: usize, y: usize, bits: u16) -> bool {
        self.pixels[[y, x]].is_finite() && self.mask.as_ref().is_none_or(|m| m[[y, x]] & bits == 0)
    }

    /// Pixels that no statistic may use: not finite, or any of BAD, NO_DATA, SATURATED. `true` = leave out.
    #[must_use]
    pub fn bad_pixels(&self) -> Array2<bool> {
        let bits = MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED;
        match &self.mask {
            None => self.pixels.mapv(|v| !v.is_finite()),
            Some(mask) => {
                ndarray::Zip::from(&self.pixels).and(mask).map_collect(|v, &m| !v.is_finite() | (m & bits != 0))
            }
        }
    }

    /// Where pixel (0, 0) lies in the frame of the larger image that this one is a part of, zero-based: LTV1 and LTV2 among the
    /// kept cards, negated. (0, 0) without them.
    ///
    /// The world coordinates count in the pixels of this image: they need no offset.
    #[must_use]
    pub fn parent_origin(&self) -> (f64, f64) {
        let of = |key: &str| match self.meta.cards.iter().find(|c| c.key == key).map(|c| &c.value) {
            Some(CardValue::Float(v)) => 0.0 - v,
            Some(CardValue::Int(v)) => -(*v as f64),
            _ => 0.0,
        };
        (of("LTV1"), of("LTV2"))
    }

    /// Magnitude of a flux in pixel units: `ZP - 2.5 log10(flux / exposure)`; NaN for a flux that is not positive
    /// or an image without zero point. A missing exposure time counts as 1 s.
    #[must_use]
    pub fn magnitude(&self, flux: f64) -> f64 {
        match self.meta.zero_point {
            Some(zp) if flux > 0.0 => zp - 2.5 * libm::log10(flux / self.meta.exposure_s.unwrap_or(1.0)),
            _ => f64::NAN,
        }
    }
}
