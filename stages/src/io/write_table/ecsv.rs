//! Enhanced CSV (APE 6): a YAML header with types, units and descriptions, then the rows.

use skyloom_data::Table;
use skyloom_engine::CodecError;

use super::columns::{Cell, Column, Values, columns, float_text};
use super::units;

/// The table as ECSV 1.0, delimited by spaces as astropy writes it; UTF-8.
///
/// Null is an empty quoted field, NaN is `nan`. As in astropy's own files, an empty string therefore reads back as
/// missing.
///
/// # Errors
/// When a column has a type that tables do not have, or a text holds a carriage return, which readers of ECSV drop.
pub fn ecsv_bytes(table: &Table) -> Result<Vec<u8>, CodecError> {
    let columns = columns(table)?;
    let mut text = "# %ECSV 1.0\n# ---\n".to_owned();
    for line in header(&columns) {
        text.push_str("# ");
        text.push_str(&line);
        text.push('\n');
    }
    let names: Vec<String> = columns.iter().map(|c| quoted(c.name)).collect();
    text.push_str(&names.join(" "));
    text.push('\n');
    for row in 0..table.n_rows() {
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                text.push(' ');
            }
            match column.values.cell(row) {
                None => text.push_str("\"\""),
                Some(Cell::Float(v)) => text.push_str(&float_text(v)),
                Some(Cell::Int(v)) => text.push_str(&v.to_string()),
                Some(Cell::Bool(v)) => text.push_str(if v { "True" } else { "False" }),
                Some(Cell::Text(t)) if t.contains('\r') => {
                    return Err(CodecError::format(format!(
                        "column {:?}, row {row}: a carriage return does not survive in ECSV; write parquet or votable",
                        column.name
                    )));
                }
                Some(Cell::Text(t)) => text.push_str(&quoted(t)),
            }
        }
        text.push('\n');
    }
    Ok(text.into_bytes())
}

/// The YAML header, line by line: `datatype` and `schema`. Parquet files carry the same lines for astropy.
pub(super) fn header(columns: &[Column<'_>]) -> Vec<String> {
    let mut lines = vec![if columns.is_empty() { "datatype: []".to_owned() } else { "datatype:".to_owned() }];
    for column in columns {
        let mut entry = format!("- {{name: {}", yaml(column.name));
        if let Some(unit) = column.unit {
            entry.push_str(&format!(", unit: {}", yaml(&units::plain(unit))));
        }
        entry.push_str(match column.values {
            Values::Float(_) => ", datatype: float64",
            Values::Int(_) => ", datatype: int64",
            Values::Bool(_) => ", datatype: bool",
            Values::Text(_) => ", datatype: string",
        });
        if let Some(description) = column.description {
            entry.push_str(&format!(", description: {}", yaml(description)));
        }
        entry.push('}');
        lines.push(entry);
    }
    lines.push("schema: astropy-2.0".to_owned());
    lines
}

/// A double-quoted YAML scalar on one line. Only printable ASCII stands for itself.
fn yaml(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            c if (c as u32) < 0x1_0000 => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c => quoted.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    quoted.push('"');
    quoted
}

/// A field of the rows; quoted when it is empty, looks like a comment, or holds blanks or quotes.
fn quoted(text: &str) -> String {
    if text.is_empty() || text.starts_with('#') || text.contains(|c: char| c.is_whitespace() || c == '"') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
