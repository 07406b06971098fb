//! The columns of a table, typed, with unit and description.

use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use skyloom_data::Table;
use skyloom_engine::CodecError;

/// One column.
pub(super) struct Column<'a> {
    pub name: &'a str,
    pub unit: Option<&'a str>,
    pub description: Option<&'a str>,
    pub values: Values<'a>,
}

pub(super) enum Values<'a> {
    Float(&'a Float64Array),
    Int(&'a Int64Array),
    Bool(&'a BooleanArray),
    Text(&'a StringArray),
}

/// One value that is not null.
pub(super) enum Cell<'a> {
    Float(f64),
    Int(i64),
    Bool(bool),
    Text(&'a str),
}

/// All columns in order.
///
/// # Errors
/// When a column has a type that tables do not have.
pub(super) fn columns(table: &Table) -> Result<Vec<Column<'_>>, CodecError> {
    let batch = table.batch();
    let fields = batch.schema_ref().fields();
    fields
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| {
            let any = array.as_any();
            let values = if let Some(a) = any.downcast_ref() {
                Values::Float(a)
            } else if let Some(a) = any.downcast_ref() {
                Values::Int(a)
            } else if let Some(a) = any.downcast_ref() {
                Values::Bool(a)
            } else if let Some(a) = any.downcast_ref() {
                Values::Text(a)
            } else {
                return Err(CodecError::format(format!(
                    "column {:?} holds {}; a table holds floats, integers, truth values and text",
                    field.name(),
                    array.data_type()
                )));
            };
            let text = |key: &str| field.metadata().get(key).map(String::as_str).filter(|t| !t.is_empty());
            Ok(Column { name: field.name(), unit: text("unit"), description: text("description"), values })
        })
        .collect()
}

impl<'a> Values<'a> {
    /// The value in a row; `None` for null.
    pub(super) fn cell(&self, row: usize) -> Option<Cell<'a>> {
        match self {
            Self::Float(a) => a.is_valid(row).then(|| Cell::Float(a.value(row))),
            Self::Int(a) => a.is_valid(row).then(|| Cell::Int(a.value(row))),
            Self::Bool(a) => a.is_valid(row).then(|| Cell::Bool(a.value(row))),
            Self::Text(a) => a.is_valid(row).then(|| Cell::Text(a.value(row))),
        }
    }
}

/// The shortest text that reads back to the same float; `nan`, `inf`, `-inf` as every reader knows them.
pub(super) fn float_text(value: f64) -> String {
    if value.is_nan() { "nan".to_owned() } else { format!("{value:?}") }
}
