//! Reading `fpM` files, and marking their regions in a mask plane.
//!
//! A file has a binary table per flag, one row per region, and in HDU 11 a table of the flags' names. The last column of a
//! region, `s`, holds runs of pixels: three 16-bit numbers each, row, first and last column, relative to `row0` and `col0`
//! (SDSS data model, `fpM`). Rows and columns are those of the frame, zero-based, pixel centres at integers.

use std::path::Path;

use skyloom_data::Mask;
use skyloom_data::fits::{FitsError, FitsErrorKind, HduChoice, read_bintable, read_bintable_arrays};

/// HDU of the names (SDSS data model).
const NAMES_HDU: usize = 11;

/// Pixels of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Row.
    pub y: i64,
    /// First column.
    pub first: i64,
    /// Last column, inclusive.
    pub last: i64,
}

/// One region of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its pixels.
    pub runs: Vec<Run>,
}

/// The names of the flags with the HDU of each.
///
/// # Errors
/// When the file cannot be read or has no table of names.
pub fn read_names(path: &Path) -> Result<Vec<(String, usize)>, FitsError> {
    let read = read_bintable(path, Some(&HduChoice::Index(NAMES_HDU)))?;
    let malformed = |found: String| {
        FitsError::new(FitsErrorKind::Malformed, path, found, "the mask flags of an SDSS fpM file in HDU 11")
    };
    let names = read.table.texts("attributeName").map_err(|e| malformed(e.to_string()))?;
    let values = read.table.ints("Value").map_err(|e| malformed(e.to_string()))?;
    let flags = names.into_iter().zip(values).filter_map(|(name, value)| {
        let hdu = usize::try_from(value?).ok()?.checked_add(1)?;
        // The last row counts the flags.
        (hdu < NAMES_HDU).then_some((name, hdu))
    });
    Ok(flags.collect())
}

/// The regions of one flag, by the HDU that [`read_names`] gives it.
///
/// # Errors
/// When the table cannot be read or is not one of regions.
pub fn read_flag(path: &Path, hdu: usize) -> Result<Vec<Region>, FitsError> {
    let choice = HduChoice::Index(hdu);
    let malformed = |found: String, expected: &str| {
        FitsError::new(FitsErrorKind::Malformed, path, format!("{found} in HDU {hdu}"), expected)
    };
    let table = read_bintable(path, Some(&choice))?.table;
    let ints = |name: &str| table.ints(name).map_err(|e| malformed(e.to_string(), "the columns of an SDSS fpM file"));
    let (n_spans, row0, col0) = (ints("nspan")?, ints("row0")?, ints("col0")?);
    let arrays = read_bintable_arrays(path, Some(&choice), "s")?;
    let mut regions = Vec::with_capacity(arrays.len());
    for (i, bytes) in arrays.iter().enumerate() {
        let n = n_spans[i].and_then(|n| usize::try_from(n).ok());
        if n.and_then(|n| n.checked_mul(RUN_BYTES)) != Some(bytes.len()) {
            let found = format!("{} bytes for {} runs of region {i}", bytes.len(), n_spans[i].unwrap_or(-1));
            return Err(malformed(found, "6 bytes for each run of pixels"));
        }
        let (row0, col0) = (row0[i].unwrap_or(0), col0[i].unwrap_or(0));
        let number = |run: &[u8], k: usize| i64::from(i16::from_be_bytes([run[2 * k], run[2 * k + 1]]));
        let runs = bytes.chunks_exact(RUN_BYTES).map(|run| Run {
            y: row0.saturating_add(number(run, 0)),
            first: col0.saturating_add(number(run, 1)),
            last: col0.saturating_add(number(run, 2)),
        });
        regions.push(Region { runs: runs.collect() });
    }
    Ok(regions)
}

/// Row, first and last column, 16 bits each.
const RUN_BYTES: usize = 6;

/// Sets bits in all pixels of the regions, and says how many pixels got a bit that they did not have.
///
/// # Errors
/// The first run that does not lie on the mask: the regions are those of another frame. Nothing is marked then.
pub fn mark(mask: &mut Mask, regions: &[Region], bits: u16) -> Result<usize, Run> {
    let (height, width) = mask.dim();
    let mut n = 0;
    let range = |run: &Run| {
        let y = usize::try_from(run.y).ok().filter(|&y| y < height)?;
        let first = usize::try_from(run.first).ok()?;
        let last = usize::try_from(run.last).ok().filter(|&x| x < width && x >= first)?;
        Some((y, first, last))
    };
    let runs = || regions.iter().flat_map(|region| &region.runs);
    if let Some(outside) = runs().find(|run| range(run).is_none()) {
        return Err(*outside);
    }
    for (y, first, last) in runs().filter_map(range) {
        for x in first..=last {
            let pixel = &mut mask[[y, x]];
            n += usize::from(*pixel & bits != bits);
            *pixel |= bits;
        }
    }
    Ok(n)
}
