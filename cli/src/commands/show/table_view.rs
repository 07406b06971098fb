//! The head of a table.

use serde_json::{Value, json};
use skyloom_data::Table;

use crate::commands::output;

/// Columns with units, and the first rows.
pub fn describe(table: &Table, rows: usize) -> (Value, String) {
    let batch = table.batch();
    let n = table.n_rows().min(rows);
    let schema = batch.schema();
    let cell = |column: usize, row: usize| -> String {
        let array = batch.column(column);
        let text = skyloom_data::cell_text(array.as_ref(), row);
        shorten(&text, array.data_type().is_floating()).unwrap_or(text)
    };
    let head: Vec<Vec<String>> = (0..n).map(|r| (0..batch.num_columns()).map(|c| cell(c, r)).collect()).collect();
    let columns: Vec<Vec<String>> = schema
        .fields()
        .iter()
        .map(|f| {
            let note = |key: &str| f.metadata().get(key).cloned().unwrap_or_default();
            vec![f.name().clone(), f.data_type().to_string(), note("unit"), note("description")]
        })
        .collect();
    let value = json!({
        "rows": table.n_rows(),
        "columns": columns.iter().map(|c| json!({ "name": c[0], "type": c[1], "unit": c[2], "description": c[3] })).collect::<Vec<_>>(),
        "head": head,
    });
    let mut text = format!("{} rows, {} columns\n\n", table.n_rows(), columns.len());
    text.push_str(&output::columns(&["column", "type", "unit", "meaning"], &[], &columns));
    if n > 0 {
        let names: Vec<&str> = columns.iter().map(|c| c[0].as_str()).collect();
        text.push('\n');
        text.push_str(&output::columns(&names, &vec![true; names.len()], &head));
    }
    (value, text)
}

/// Nine significant digits of a long float: enough for 0.001 arcsec in a right ascension, short enough for a line.
fn shorten(text: &str, is_float: bool) -> Option<String> {
    let value: f64 = text.parse().ok().filter(|_| is_float && text.len() > 10)?;
    let exponent: i32 = format!("{value:e}").split_once('e')?.1.parse().ok()?;
    let decimals = (8 - exponent).clamp(0, 12) as usize;
    Some(format!("{value:.decimals$}"))
}
