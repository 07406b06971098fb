//! Which contour belongs to which row.

use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use skyloom_data::{Isophote, Isophotes, Table};
use skyloom_engine::CodecError;

/// The contour of each row of a table, by its column `id`.
///
/// # Errors
/// When there is no integer column `id`, or an id is null, names no contour, or names one that encloses nothing.
pub(crate) fn outlines<'a>(table: &Table, isophotes: &'a Isophotes) -> Result<Vec<&'a Isophote>, CodecError> {
    let ids = table.ints("id").map_err(CodecError::format)?;
    let n = isophotes.contours.len();
    ids.into_iter()
        .enumerate()
        .map(|(row, id)| {
            let id = id.ok_or_else(|| CodecError::format(format!("row {row}: the id is null")))?;
            let contour = usize::try_from(id).ok().and_then(|i| isophotes.contours.get(i)).ok_or_else(|| {
                CodecError::format(format!(
                    "row {row}: id {id} names no contour, there are {n}; are table and isophotes of one run?"
                ))
            })?;
            if contour.vertices.len() < 4 || contour.vertices.iter().flatten().any(|v| !v.is_finite()) {
                return Err(CodecError::format(format!(
                    "row {row}: contour {id} is no closed line of at least three finite vertices"
                )));
            }
            Ok(contour)
        })
        .collect()
}

/// One cell of a table as JSON; null, NaN and the infinities, which JSON does not have, are `null`.
pub(super) fn json_cell(array: &dyn Array, row: usize) -> serde_json::Value {
    let any = array.as_any();
    if array.is_null(row) {
        serde_json::Value::Null
    } else if let Some(a) = any.downcast_ref::<Float64Array>() {
        a.value(row).into()
    } else if let Some(a) = any.downcast_ref::<Int64Array>() {
        a.value(row).into()
    } else if let Some(a) = any.downcast_ref::<BooleanArray>() {
        a.value(row).into()
    } else if let Some(a) = any.downcast_ref::<StringArray>() {
        a.value(row).into()
    } else {
        serde_json::Value::Null
    }
}

/// One cell of a table as a label: text without quotes, numbers in their shortest form, null empty.
pub(crate) fn label(table: &Table, column: &str, row: usize) -> String {
    match table.batch().column_by_name(column).map(|array| json_cell(array, row)) {
        Some(serde_json::Value::String(text)) => text,
        Some(serde_json::Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}
