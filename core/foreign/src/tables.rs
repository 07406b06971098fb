//! A table that a program wrote, made to what was promised.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Table, TableBuilder};

use crate::descriptor::{ColumnSpec, ColumnWord, OutputSpec};

impl ColumnWord {
    pub(crate) fn kind(self) -> ColumnKind {
        match self {
            Self::Float => ColumnKind::Float,
            Self::Int => ColumnKind::Int,
            Self::Bool => ColumnKind::Bool,
            Self::Text => ColumnKind::Text,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Float => DataType::Float64,
            Self::Int => DataType::Int64,
            Self::Bool => DataType::Boolean,
            Self::Text => DataType::Utf8,
        }
    }

    /// The column type of a table that holds an Arrow type; `None` where there is none.
    fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float,
            t if t.is_integer() => Self::Int,
            DataType::Boolean => Self::Bool,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Dictionary(_, values) => return Self::of(values),
            _ => return None,
        })
    }
}

/// The promised columns in the promised order with their units, or what is wrong. Without a promise all columns, each as the
/// type that tables have for it.
pub(crate) fn conform(batch: &RecordBatch, spec: &OutputSpec) -> Result<Table, Vec<String>> {
    let mut problems = Vec::new();
    let mut builder = TableBuilder::new();
    let any = ColumnSpec { kind: ColumnWord::Float, unit: String::new(), doc: String::new(), finite: false };
    let wanted: Vec<(&str, Option<&ColumnSpec>)> = match &spec.columns {
        Some(columns) => columns.iter().map(|(name, column)| (name.as_str(), Some(column))).collect(),
        None => batch.schema_ref().fields().iter().map(|f| (f.name().as_str(), None)).collect(),
    };
    if let Some(columns) = &spec.columns {
        let fields = batch.schema_ref().fields();
        let surplus: Vec<&str> =
            fields.iter().map(|f| f.name().as_str()).filter(|n| !columns.contains_key(*n)).collect();
        if !surplus.is_empty() {
            problems.push(format!("columns that are not promised: {}", surplus.join(", ")));
        }
    }
    for (name, promise) in wanted {
        match column(batch, name, promise) {
            Ok((array, unit, doc)) => {
                let is_finite = spec.finite || promise.unwrap_or(&any).finite;
                if is_finite && let Some(found) = not_finite(array.as_ref()) {
                    problems.push(format!("column {name:?}: {found} where finite values are promised"));
                }
                builder = builder.array(name, &unit, &doc, array);
            }
            Err(problem) => problems.push(format!("column {name:?}: {problem}")),
        }
    }
    match builder.build() {
        Ok(table) if problems.is_empty() && table.n_rows() == batch.num_rows() => Ok(table),
        Ok(_) if problems.is_empty() => Err(vec!["a table with rows but no columns".to_owned()]),
        Ok(_) => Err(problems),
        Err(error) => {
            problems.push(error.to_string());
            Err(problems)
        }
    }
}

/// A column as the wanted type, with unit and description.
fn column(batch: &RecordBatch, name: &str, promise: Option<&ColumnSpec>) -> Result<(ArrayRef, String, String), String> {
    let (field, array) = match batch.schema_ref().index_of(name) {
        Ok(i) => (batch.schema_ref().field(i).clone(), Arc::clone(batch.column(i))),
        Err(_) => return Err("is promised and not there".to_owned()),
    };
    let stated = |key: &str| field.metadata().get(key).map(|text| text.trim().to_owned()).unwrap_or_default();
    let found = ColumnWord::of(array.data_type());
    let (wanted, unit, doc) = match promise {
        Some(column) => (column.kind, column.unit.clone(), column.doc.clone()),
        None => match found {
            Some(word) => (word, stated("unit"), stated("description")),
            None => return Err(format!("is of type {}, which tables do not have", array.data_type())),
        },
    };
    let is_fit = found == Some(wanted) || (found == Some(ColumnWord::Int) && wanted == ColumnWord::Float);
    // A column without any value has whatever type its writer gave it.
    let is_empty = array.null_count() == array.len();
    if !is_fit && !is_empty {
        return Err(format!("is of type {}, promised is {}", array.data_type(), wanted.kind().name()));
    }
    let unit_found = stated("unit");
    if promise.is_some() && !unit_found.is_empty() && unit_found != unit {
        return Err(format!("is in {unit_found:?}, promised is {unit:?}"));
    }
    // Unsafe casts are errors: an integer that does not fit must not become a null.
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let array = if is_fit {
        cast_with_options(&array, &wanted.data_type(), &options).map_err(|e| e.to_string())?
    } else {
        arrow::array::new_null_array(&wanted.data_type(), array.len())
    };
    Ok((array, unit, doc))
}

fn not_finite(array: &dyn Array) -> Option<String> {
    if array.null_count() > 0 {
        return Some(format!("{} nulls", array.null_count()));
    }
    let floats = array.as_any().downcast_ref::<Float64Array>()?;
    let n = floats.values().iter().filter(|v| !v.is_finite()).count();
    (n > 0).then(|| format!("{n} values that are not finite"))
}
