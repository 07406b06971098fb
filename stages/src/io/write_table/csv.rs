//! Comma-separated values.

use skyloom_data::Table;
use skyloom_engine::CodecError;

use super::columns::{Cell, columns, float_text};

/// The table as CSV: a line of column names, then the rows; UTF-8, quoted after RFC 4180, lines ending in LF.
///
/// Null is an empty field, NaN is `nan`, truth values are `true` and `false`. CSV has no units and no types, and cannot
/// tell an empty string from a null one; ECSV, VOTable, FITS and Parquet keep more.
///
/// # Errors
/// When a column has a type that tables do not have.
pub fn csv_bytes(table: &Table) -> Result<Vec<u8>, CodecError> {
    let columns = columns(table)?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|c| c.name)).map_err(CodecError::format)?;
    for row in 0..table.n_rows() {
        for column in &columns {
            let text = match column.values.cell(row) {
                None => String::new(),
                Some(Cell::Float(v)) => float_text(v),
                Some(Cell::Int(v)) => v.to_string(),
                Some(Cell::Bool(v)) => v.to_string(),
                Some(Cell::Text(t)) => t.to_owned(),
            };
            writer.write_field(text).map_err(CodecError::format)?;
        }
        writer.write_record(None::<&[u8]>).map_err(CodecError::format)?;
    }
    writer.into_inner().map_err(CodecError::format)
}
