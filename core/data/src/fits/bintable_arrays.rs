//! Cells of variable length of a FITS binary table, which are no column of a [`Table`](crate::Table).

use std::path::Path;

use super::bintable_read::{FieldInfo, layout};
use super::choice::{HduChoice, find_table};
use super::error::{FitsError, FitsErrorKind};
use super::hdu::{Hdu, scan};
use super::source::Source;

/// Reads a column of variable-length arrays (`TFORMn` = `1PB`, `1QI`, ...): the bytes of every row's array, as the file has
/// them (big-endian). The column is found by name, upper and lower case alike.
///
/// # Errors
/// When the file is not a complete FITS file, has no such table or column, the column has one value per row, or an array
/// lies outside the table's heap.
pub fn read_bintable_arrays(path: &Path, hdu: Option<&HduChoice>, column: &str) -> Result<Vec<Vec<u8>>, FitsError> {
    let mut source = Source::open(path)?;
    let hdus = scan(&mut source)?;
    let hdu = find_table(path, &hdus, hdu)?;
    let (row_bytes, n_rows, fields) = layout(path, hdu)?;
    let field = fields.iter().find(|f| f.name.trim().eq_ignore_ascii_case(column)).ok_or_else(|| {
        let names = fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
        malformed(path, hdu, &format!("no column {column:?} among {names}"), "that column")
    })?;
    let (is_wide, element_bytes) = descriptor(&field.form).ok_or_else(|| {
        malformed(path, hdu, &format!("column {column:?} of the format {:?}", field.form), "arrays of variable length")
    })?;

    let rows_len = (row_bytes * n_rows) as u64;
    let heap_start = match hdu.header.int("THEAP") {
        Some(gap) => u64::try_from(gap).ok().filter(|&gap| gap >= rows_len),
        None => Some(rows_len),
    };
    let heap_end = hdu.header.int("PCOUNT").and_then(|n| u64::try_from(n).ok()).and_then(|n| rows_len.checked_add(n));
    let (Some(heap_start), Some(heap_end)) = (heap_start, heap_end) else {
        return Err(malformed(path, hdu, "a heap before the end of the rows", "THEAP and PCOUNT that describe a heap"));
    };
    let mut rows = zeros(rows_len).ok_or_else(|| too_large(path, hdu))?;
    source.read_at(hdu.data_start, &mut rows)?;
    let place = |row: usize| place(&rows, row * row_bytes, field, is_wide);
    (0..n_rows)
        .map(|row| {
            let outside = || malformed(path, hdu, &format!("row {row} points outside the heap"), "arrays in the heap");
            let (n, offset) = place(row).ok_or_else(outside)?;
            let start = heap_start.checked_add(offset).ok_or_else(outside)?;
            let len = n.checked_mul(element_bytes).ok_or_else(outside)?;
            if len == 0 {
                return Ok(Vec::new());
            }
            if start.checked_add(len).is_none_or(|end| end > heap_end) {
                return Err(outside());
            }
            let mut cell = zeros(len).ok_or_else(|| too_large(path, hdu))?;
            source.read_at(hdu.data_start + start, &mut cell)?;
            Ok(cell)
        })
        .collect()
}

/// Elements and offset of a row's array; `None` for negative numbers.
fn place(rows: &[u8], row_start: usize, field: &FieldInfo, is_wide: bool) -> Option<(u64, u64)> {
    let at = row_start + field.start;
    let number = |k: usize| {
        if is_wide {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&rows[at + 8 * k..at + 8 * (k + 1)]);
            i64::from_be_bytes(bytes)
        } else {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&rows[at + 4 * k..at + 4 * (k + 1)]);
            i64::from(i32::from_be_bytes(bytes))
        }
    };
    Some((u64::try_from(number(0)).ok()?, u64::try_from(number(1)).ok()?))
}

/// Of a format like `1PB(24)`: whether its descriptor has 64-bit numbers, and bytes per element.
fn descriptor(form: &str) -> Option<(bool, u64)> {
    let form = form.trim_start_matches('1').as_bytes();
    let is_wide = match form.first()? {
        b'P' => false,
        b'Q' => true,
        _ => return None,
    };
    let element_bytes = match form.get(1)? {
        b'L' | b'B' | b'A' => 1,
        b'I' => 2,
        b'J' | b'E' => 4,
        b'K' | b'D' | b'C' => 8,
        b'M' => 16,
        _ => return None,
    };
    Some((is_wide, element_bytes))
}

fn zeros(len: u64) -> Option<Vec<u8>> {
    let len = usize::try_from(len).ok()?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(bytes)
}

fn malformed(path: &Path, hdu: &Hdu, found: &str, expected: &str) -> FitsError {
    FitsError::new(FitsErrorKind::Malformed, path, format!("{found} in {}", hdu.label()), expected)
}

fn too_large(path: &Path, hdu: &Hdu) -> FitsError {
    FitsError::new(FitsErrorKind::TooLarge, path, hdu.describe(), "a table that fits in memory")
}
