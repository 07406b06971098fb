//! A [`Table`] as a FITS binary table.
//!
//! Formats: floats `D`, integers `K` (nulls as `TNULLn`), truth values `L` (null is the byte 0), strings `A` padded with
//! blanks (null is a string of zero bytes). A NaN stays NaN and a null float becomes one. Units and descriptions are
//! `TUNITn` and `TCOMMn`; a unit that the standard does not know stands in brackets before the description. Characters outside ASCII, which FITS does not know, are written as `\u{e9}`.

use std::path::Path;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};

use super::card_format::escape;
use super::error::FitsError;
use super::unit;
use super::writer::{HeaderRecords, write_padding};
use crate::header::Card;
use crate::table::Table;

/// Writes a table as the first extension of a FITS file.
///
/// # Errors
/// See [`bintable_bytes`]; also when the file cannot be written.
pub fn write_bintable(table: &Table, path: &Path) -> Result<(), FitsError> {
    std::fs::write(path, bintable_bytes(table)?).map_err(|e| FitsError::from_write(path, &e))
}

/// The FITS file of a table in memory. Equal tables make equal bytes; a table without rows or columns is valid.
///
/// # Errors
/// When a column has another type than [`Table`] documents, or there are more than 999 columns.
pub fn bintable_bytes(table: &Table) -> Result<Vec<u8>, FitsError> {
    let mut out = empty_primary("no image; the table follows")?;
    out.extend(table_hdu(table, None, &[])?);
    Ok(out)
}

/// A primary header without an image.
pub(super) fn empty_primary(comment: &str) -> Result<Vec<u8>, FitsError> {
    let mut primary = HeaderRecords::new();
    primary.bool("SIMPLE", true, "FITS standard 4.0")?;
    primary.int("BITPIX", 8, "")?;
    primary.int("NAXIS", 0, comment)?;
    primary.bool("EXTEND", true, "")?;
    Ok(primary.finish())
}

/// One table as an extension, with its EXTNAME and further cards.
pub(super) fn table_hdu(table: &Table, name: Option<&str>, cards: &[Card]) -> Result<Vec<u8>, FitsError> {
    let batch = table.batch();
    let schema = batch.schema();
    let fields = schema.fields();
    if fields.len() > 999 {
        return Err(FitsError::unwritable(format!("{} columns", fields.len()), "at most 999"));
    }
    let columns: Vec<Column<'_>> =
        fields.iter().zip(batch.columns()).map(|(f, c)| Column::of(f.name(), c)).collect::<Result<_, _>>()?;
    let row_bytes: usize = columns.iter().map(Column::width).sum();

    let mut header = HeaderRecords::new();
    header.text("XTENSION", "BINTABLE", "")?;
    header.int("BITPIX", 8, "")?;
    header.int("NAXIS", 2, "")?;
    header.length("NAXIS1", row_bytes, "bytes per row")?;
    header.length("NAXIS2", table.n_rows(), "rows")?;
    header.int("PCOUNT", 0, "")?;
    header.int("GCOUNT", 1, "")?;
    header.length("TFIELDS", columns.len(), "columns")?;
    if let Some(name) = name {
        header.text("EXTNAME", name, "")?;
    }
    for card in cards {
        header.card(card)?;
    }
    for (i, (field, column)) in fields.iter().zip(&columns).enumerate() {
        let n = i + 1;
        let about = |key: &str| field.metadata().get(key).map_or_else(String::new, |v| escape(v));
        header.text(&format!("TTYPE{n}"), &escape(field.name()), "")?;
        header.text(&format!("TFORM{n}"), &column.format(), "")?;
        let (unit, description) = (about("unit"), about("description"));
        let standard = unit::standard(&unit);
        if let Some(unit) = &standard {
            header.text(&format!("TUNIT{n}"), unit, "")?;
        }
        if let Some(null) = column.null() {
            header.int(&format!("TNULL{n}"), null, "")?;
        }
        let comment = unit::join(if standard.is_some() { "" } else { &unit }, &description);
        if !comment.is_empty() {
            header.text(&format!("TCOMM{n}"), &comment, "")?;
        }
    }

    let mut out = header.finish();
    let len = row_bytes * table.n_rows();
    out.reserve(len + 2880);
    for row in 0..table.n_rows() {
        for column in &columns {
            column.push(row, &mut out);
        }
    }
    // A Vec never fails to take more bytes.
    write_padding(&mut out, len as u64).map_err(|e| FitsError::unwritable(e, "room in memory"))?;
    Ok(out)
}

enum Column<'a> {
    Float(&'a Float64Array),
    Int { values: &'a Int64Array, null: Option<i64> },
    Bool(&'a BooleanArray),
    Text { values: Vec<Option<String>>, width: usize },
}

impl<'a> Column<'a> {
    fn of(name: &str, array: &'a ArrayRef) -> Result<Self, FitsError> {
        let any = array.as_any();
        if let Some(values) = any.downcast_ref::<Float64Array>() {
            Ok(Self::Float(values))
        } else if let Some(values) = any.downcast_ref::<Int64Array>() {
            Ok(Self::Int { values, null: (values.null_count() > 0).then(|| unused(values)) })
        } else if let Some(values) = any.downcast_ref::<BooleanArray>() {
            Ok(Self::Bool(values))
        } else if let Some(values) = any.downcast_ref::<StringArray>() {
            let values: Vec<Option<String>> = values.iter().map(|v| v.map(escape)).collect();
            // A width of 0 is allowed but breaks readers.
            let width = values.iter().flatten().map(String::len).max().unwrap_or(0).max(1);
            Ok(Self::Text { values, width })
        } else {
            Err(FitsError::unwritable(
                format!("column {name:?} of type {}", array.data_type()),
                "64-bit floats, 64-bit integers, truth values or strings",
            ))
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Float(_) | Self::Int { .. } => 8,
            Self::Bool(_) => 1,
            Self::Text { width, .. } => *width,
        }
    }

    fn format(&self) -> String {
        match self {
            Self::Float(_) => "D".to_owned(),
            Self::Int { .. } => "K".to_owned(),
            Self::Bool(_) => "L".to_owned(),
            Self::Text { width, .. } => format!("{width}A"),
        }
    }

    fn null(&self) -> Option<i64> {
        match self {
            Self::Int { null, .. } => *null,
            _ => None,
        }
    }

    fn push(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Float(values) => {
                let v = if values.is_valid(row) { values.value(row) } else { f64::NAN };
                // One NaN for all, as in images.
                out.extend(if v.is_nan() { f64::NAN } else { v }.to_be_bytes());
            }
            Self::Int { values, null } => {
                let v = if values.is_valid(row) { values.value(row) } else { null.unwrap_or(i64::MIN) };
                out.extend(v.to_be_bytes());
            }
            Self::Bool(values) => out.push(match values.is_valid(row).then(|| values.value(row)) {
                None => 0,
                Some(true) => b'T',
                Some(false) => b'F',
            }),
            Self::Text { values, width } => {
                let start = out.len();
                let fill = match &values[row] {
                    None => 0,
                    Some(text) => {
                        out.extend(text.as_bytes());
                        b' '
                    }
                };
                out.resize(start + width, fill);
            }
        }
    }
}

/// A number that no row holds, to stand for null: the lowest that is free.
fn unused(values: &Int64Array) -> i64 {
    let taken: std::collections::BTreeSet<i64> = values.iter().flatten().collect();
    (i64::MIN..).find(|v| !taken.contains(v)).unwrap_or(i64::MIN)
}
