//! From the bytes of an uncompressed image to pixel values.

use super::error::{FitsError, FitsErrorKind};
use super::hdu::Hdu;
use crate::header::Header;

/// How the stored numbers of one image become values: `value = BZERO + BSCALE * stored`; an integer equal to BLANK
/// has no value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Encoding {
    bitpix: i64,
    bscale: f64,
    bzero: f64,
    blank: Option<i64>,
}

impl Encoding {
    pub(super) fn of(path: &std::path::Path, hdu: &Hdu) -> Result<Self, FitsError> {
        let number = |header: &Header, key: &str, default: f64| match header.get(key) {
            None => Ok(default),
            Some(value) => match header.float(key) {
                Some(v) if v.is_finite() => Ok(v),
                _ => Err(FitsError::new(
                    FitsErrorKind::Malformed,
                    path,
                    format!("{key} = {value:?} in {}", hdu.label()),
                    "a number",
                )),
            },
        };
        Ok(Self {
            bitpix: hdu.bitpix,
            bscale: number(&hdu.header, "BSCALE", 1.0)?,
            bzero: number(&hdu.header, "BZERO", 0.0)?,
            blank: hdu.header.int("BLANK"),
        })
    }

    /// Bytes per pixel.
    pub(super) fn pixel_bytes(self) -> usize {
        (self.bitpix.unsigned_abs() / 8) as usize
    }

    /// Decodes all pixels of `bytes` into a slice of their number, or behind the others of a vector.
    ///
    /// The unsigned integers that BZERO makes of signed ones stay exact. Other scaling is done as astropy does it, so
    /// that pixels are equal to astropy's bit for bit: in single precision for 8- and 16-bit integers and 32-bit floats
    /// (a few units in the last place less exact), in double precision, rounded once, for the others.
    pub(super) fn decode<S: PixelSink + ?Sized>(self, bytes: &[u8], out: &mut S) {
        match self.bitpix {
            8 => self.integers::<1>(bytes, out, |b| i64::from(b[0])),
            16 => self.integers::<2>(bytes, out, |b| i64::from(i16::from_be_bytes(b))),
            32 => self.integers::<4>(bytes, out, |b| i64::from(i32::from_be_bytes(b))),
            64 => self.integers::<8>(bytes, out, i64::from_be_bytes),
            -32 if self.is_unscaled() => each::<4>(bytes, out, f32::from_be_bytes),
            -32 => each::<4>(bytes, out, |b| self.scale_single(f32::from_be_bytes(b))),
            _ if self.is_unscaled() => each::<8>(bytes, out, |b| f64::from_be_bytes(b) as f32),
            _ => each::<8>(bytes, out, |b| self.scale(f64::from_be_bytes(b))),
        }
    }

    /// Decodes integers without rounding; `None` when the pixels are floats or are scaled to something else than integers.
    pub(super) fn decode_integers(self, bytes: &[u8], out: &mut [i64]) -> Option<()> {
        // Half of the numbers of 64 bits is enough for a mask plane; with an offset outside it a sum could overflow.
        let is_whole = self.bscale == 1.0 && self.bzero.fract() == 0.0 && self.bzero.abs() <= 4_294_967_296.0;
        if !is_whole {
            return None;
        }
        let zero = self.bzero as i64;
        fn each<const N: usize>(bytes: &[u8], out: &mut [i64], value: impl Fn([u8; N]) -> i64) {
            let (pixels, _) = bytes.as_chunks::<N>();
            out.iter_mut().zip(pixels).for_each(|(to, &b)| *to = value(b));
        }
        match self.bitpix {
            8 => each::<1>(bytes, out, |b| i64::from(b[0]) + zero),
            16 => each::<2>(bytes, out, |b| i64::from(i16::from_be_bytes(b)) + zero),
            32 => each::<4>(bytes, out, |b| i64::from(i32::from_be_bytes(b)) + zero),
            64 => each::<8>(bytes, out, |b| i64::from_be_bytes(b).wrapping_add(zero)),
            _ => return None,
        }
        Some(())
    }

    fn is_unscaled(self) -> bool {
        self.bscale == 1.0 && self.bzero == 0.0
    }

    fn scale(self, stored: f64) -> f32 {
        (self.bzero + self.bscale * stored) as f32
    }

    fn scale_single(self, stored: f32) -> f32 {
        let scaled = if self.bscale == 1.0 { stored } else { stored * self.bscale as f32 };
        // Adding 0 would turn -0 into 0.
        if self.bzero == 0.0 { scaled } else { scaled + self.bzero as f32 }
    }

    fn integers<const N: usize>(
        self,
        bytes: &[u8],
        out: &mut (impl PixelSink + ?Sized),
        read: impl Fn([u8; N]) -> i64,
    ) {
        let is_blank = |v: i64| self.blank == Some(v);
        // 2^63 is the offset of unsigned 64-bit integers; sums of two such numbers fit in 128 bits.
        let is_shifted =
            self.bscale == 1.0 && self.bzero.fract() == 0.0 && self.bzero.abs() <= 9_223_372_036_854_775_808.0;
        if is_shifted && N < 8 && self.bzero.abs() <= 4_294_967_296.0 {
            let zero = self.bzero as i64;
            each::<N>(bytes, out, |b| {
                let v = read(b);
                if is_blank(v) { f32::NAN } else { (v + zero) as f32 }
            });
        } else if is_shifted {
            let zero = self.bzero as i128;
            each::<N>(bytes, out, |b| {
                let v = read(b);
                if is_blank(v) { f32::NAN } else { (i128::from(v) + zero) as f32 }
            });
        } else if N <= 2 {
            each::<N>(bytes, out, |b| {
                let v = read(b);
                if is_blank(v) { f32::NAN } else { self.scale_single(v as f32) }
            });
        } else {
            each::<N>(bytes, out, |b| {
                let v = read(b);
                if is_blank(v) { f32::NAN } else { self.scale(v as f64) }
            });
        }
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut (impl PixelSink + ?Sized), value: impl Fn([u8; N]) -> f32) {
    let (pixels, _) = bytes.as_chunks::<N>();
    out.put(pixels.iter().map(|&b| value(b)));
}

/// Where decoded pixels go.
pub(super) trait PixelSink {
    fn put(&mut self, pixels: impl Iterator<Item = f32>);
}

impl PixelSink for [f32] {
    fn put(&mut self, pixels: impl Iterator<Item = f32>) {
        self.iter_mut().zip(pixels).for_each(|(to, v)| *to = v);
    }
}

/// Behind what is there: memory that nobody had to zero.
impl PixelSink for Vec<f32> {
    fn put(&mut self, pixels: impl Iterator<Item = f32>) {
        self.extend(pixels);
    }
}
