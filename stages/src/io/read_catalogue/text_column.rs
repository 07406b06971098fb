//! One column of text cells, and the typed column that it becomes.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use skyloom_data::facets::ColumnKind;

/// The cells of a column, one behind the other.
#[derive(Debug, Default)]
pub(super) struct TextColumn {
    text: String,
    ends: Vec<usize>,
}

/// Words that stand for a missing number.
fn is_missing(cell: &str) -> bool {
    cell.is_empty() || cell == "--" || cell.eq_ignore_ascii_case("null") || cell.eq_ignore_ascii_case("n/a")
}

fn integer(cell: &str) -> Option<i64> {
    match cell.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => cell.parse().ok(),
    }
}

fn truth(cell: &str) -> Option<bool> {
    if cell.eq_ignore_ascii_case("true") || cell.eq_ignore_ascii_case("t") {
        Some(true)
    } else if cell.eq_ignore_ascii_case("false") || cell.eq_ignore_ascii_case("f") {
        Some(false)
    } else {
        None
    }
}

impl TextColumn {
    pub(super) fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.ends.push(self.text.len());
    }

    fn cells(&self) -> impl Iterator<Item = &str> + '_ {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let cell = &self.text[start..end];
            start = end;
            cell.trim()
        })
    }

    /// The narrowest kind that holds all cells: integer, float, truth value, text. A column without any value is of floats.
    pub(super) fn kind(&self) -> ColumnKind {
        let all = |fits: &dyn Fn(&str) -> bool| self.cells().filter(|c| !is_missing(c)).all(fits);
        if self.cells().all(is_missing) {
            ColumnKind::Float
        } else if all(&|c| c.parse::<i64>().is_ok()) {
            ColumnKind::Int
        } else if all(&|c| c.parse::<f64>().is_ok()) {
            ColumnKind::Float
        } else if all(&|c| truth(c).is_some()) {
            ColumnKind::Bool
        } else {
            ColumnKind::Text
        }
    }

    /// The column as an array; `null` is the text that stands for a missing integer.
    ///
    /// # Errors
    /// The row and the text of the first cell that does not fit the kind.
    pub(super) fn array(&self, kind: ColumnKind, null: Option<&str>) -> Result<ArrayRef, (usize, String)> {
        let is_null = |cell: &str| is_missing(cell) || null == Some(cell);
        let each = |row: usize, cell: &str, fits: bool| if fits { Ok(()) } else { Err((row, cell.to_owned())) };
        match kind {
            ColumnKind::Int => {
                let mut values = Vec::with_capacity(self.ends.len());
                for (row, cell) in self.cells().enumerate() {
                    let value = if is_null(cell) { None } else { integer(cell) };
                    each(row, cell, value.is_some() || is_null(cell))?;
                    values.push(value);
                }
                Ok(Arc::new(Int64Array::from(values)))
            }
            ColumnKind::Float => {
                let mut values = Vec::with_capacity(self.ends.len());
                for (row, cell) in self.cells().enumerate() {
                    let value = if is_null(cell) { Some(f64::NAN) } else { cell.parse().ok() };
                    each(row, cell, value.is_some())?;
                    values.push(value.unwrap_or(f64::NAN));
                }
                Ok(Arc::new(Float64Array::from(values)))
            }
            ColumnKind::Bool => {
                let mut values = Vec::with_capacity(self.ends.len());
                for (row, cell) in self.cells().enumerate() {
                    let value = match cell {
                        "1" => Some(true),
                        "0" => Some(false),
                        _ => truth(cell),
                    };
                    each(row, cell, value.is_some() || is_null(cell) || cell == "?")?;
                    values.push(value);
                }
                Ok(Arc::new(BooleanArray::from(values)))
            }
            ColumnKind::Text => {
                Ok(Arc::new(self.cells().map(|c| (!c.is_empty()).then_some(c)).collect::<StringArray>()))
            }
        }
    }
}
