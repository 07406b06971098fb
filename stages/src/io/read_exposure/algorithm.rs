//! Reading an exposure: pixels, flags as mask bits, variances as noise.

use ndarray::Array2;
use skyloom_data::fits::{FitsError, FitsErrorKind, FitsImageReader, ImageHeader, OpenImage, ReadOptions};
use skyloom_data::{Card, CardValue, Image, Mask, MaskBits, Table};
use skyloom_engine::StageError;

use super::layout::{ExposureLayout, PlaneFile, Planes};
use super::planes::{Flags, Wanted, flags};
use crate::io::frame;

/// An exposure in memory.
#[derive(Debug, Clone)]
pub(super) struct Exposure {
    pub(super) image: Image,
    pub(super) noise: Option<Image>,
    pub(super) frame: Table,
    pub(super) warnings: Vec<String>,
    /// Pixels without a usable variance that have a value.
    pub(super) n_no_noise: u64,
}

/// Rows that will be read, for progress.
pub(super) fn n_rows(planes: &Planes) -> u64 {
    let files = 1 + u64::from(planes.flags.is_some()) + u64::from(planes.noise.is_some());
    files * planes.image.header.height as u64
}

/// Flags of the plane, or what is wrong with it.
pub(super) fn flags_of(plane: &PlaneFile, layout: ExposureLayout, wanted: &Wanted) -> Result<Flags, FitsError> {
    flags(&plane.header, layout, wanted).ok_or_else(|| {
        let found = "a mask plane without MP_ cards, which name its bits";
        FitsError::new(FitsErrorKind::Malformed, &plane.path, found, "a card per plane, such as MP_SAT = 1")
    })
}

/// Reads everything. `on_rows` hears of rows read and says whether to go on.
pub(super) fn read(
    planes: &Planes,
    options: &ReadOptions,
    layout: ExposureLayout,
    wanted: &Wanted,
    on_rows: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Exposure, StageError> {
    let path = planes.image.path.as_path();
    let loaded = OpenImage::open(path, options)?.read(on_rows)?;
    let mut warnings = loaded.warnings;
    let mut image = loaded.image;
    let shape = image.pixels.dim();
    let rows = options.band_rows.unwrap_or((1 << 20) / shape.1).clamp(1, shape.0);

    let mut mask = image.mask.take().unwrap_or_else(|| Mask::zeros(shape));
    if let Some(plane) = &planes.flags {
        let flags = flags_of(plane, layout, wanted)?;
        let mut band = vec![0_i64; rows * shape.1];
        each_band(plane, shape, rows, on_rows, &mut |reader, y0, n| {
            let band = &mut band[..n * shape.1];
            reader.read_integer_rows(y0, n, band)?;
            for (bits, &value) in mask.rows_mut().into_iter().skip(y0).take(n).flatten().zip(band.iter()) {
                *bits |= flags.decoder.bits(value);
            }
            Ok(())
        })?;
        if !flags.left_out.is_empty() {
            warnings.push(format!("mask planes that are not known here are left out: {}", flags.left_out.join(", ")));
        }
    }

    let mut n_no_noise = 0;
    let mut noise = None;
    if let Some(plane) = &planes.noise {
        let mut map = Array2::<f32>::zeros(shape);
        let mut band = vec![0_f32; rows * shape.1];
        each_band(plane, shape, rows, on_rows, &mut |reader, y0, n| {
            let band = &mut band[..n * shape.1];
            reader.read_rows(y0, n, band)?;
            let to = map.rows_mut().into_iter().zip(mask.rows_mut()).skip(y0).take(n);
            for ((noise, bits), from) in to.zip(band.chunks(shape.1)) {
                for ((noise, bits), &value) in noise.into_iter().zip(bits).zip(from) {
                    match sigma(value, layout) {
                        Some(sigma) => *noise = sigma,
                        None => {
                            *noise = f32::NAN;
                            // A pixel without a value is not bad for its variance besides.
                            if *bits & MaskBits::NO_DATA == 0 {
                                n_no_noise += 1;
                                *bits |= MaskBits::BAD;
                            }
                        }
                    }
                }
            }
            Ok(())
        })?;
        noise = Some(map);
    }
    image.mask = mask.iter().any(|&bits| bits != 0).then_some(mask);
    let frame = keep_origin(&mut image, &loaded.header, layout)?;
    let noise = noise.map(|map| image.with_map(map));
    Ok(Exposure { image, noise, frame, warnings, n_no_noise })
}

/// Standard deviation of a pixel; `None` where the file gives none.
fn sigma(value: f32, layout: ExposureLayout) -> Option<f32> {
    let variance = match layout {
        ExposureLayout::Afw => f64::from(value),
        ExposureLayout::Decam => 1.0 / f64::from(value),
    };
    // Of a NaN and of an infinite variance, too, nothing is known.
    (variance > 0.0 && variance.is_finite()).then(|| variance.sqrt() as f32)
}

/// Opens a plane and calls `read` for each band of rows.
fn each_band(
    plane: &PlaneFile,
    (height, _): (usize, usize),
    rows: usize,
    on_rows: &(dyn Fn(usize) -> bool + Sync),
    read: &mut dyn FnMut(&mut FitsImageReader, usize, usize) -> Result<(), FitsError>,
) -> Result<(), FitsError> {
    let mut reader = FitsImageReader::open(&plane.path, plane.hdu.as_ref())?;
    for y0 in (0..height).step_by(rows) {
        let n = rows.min(height - y0);
        read(&mut reader, y0, n)?;
        if !on_rows(n) {
            return Err(FitsError::cancelled(&plane.path));
        }
    }
    Ok(())
}

/// Notes the place in the parent's frame in the image, and makes the table of it.
fn keep_origin(image: &mut Image, header: &ImageHeader, layout: ExposureLayout) -> Result<Table, StageError> {
    let origin = if layout == ExposureLayout::Afw { frame::afw_origin(header) } else { None };
    if let Some((x0, y0)) = origin {
        for (key, value) in [("LTV1", 0.0 - x0), ("LTV2", 0.0 - y0)] {
            image.meta.cards.retain(|card| card.key != key);
            image.meta.cards.push(Card { key: key.to_owned(), value: CardValue::Float(value), comment: String::new() });
        }
    }
    frame::table((image.width(), image.height()), origin.unwrap_or((0.0, 0.0)))
}
