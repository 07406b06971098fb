//! Reference numbers: `tests/vectors/`, or the folder that `SKYLOOM_VECTORS` names.

use std::path::PathBuf;

/// Path of a vector file.
#[must_use]
pub fn vector_path(name: &str) -> PathBuf {
    let folder = std::env::var_os("SKYLOOM_VECTORS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors")), PathBuf::from);
    folder.join(name)
}

/// A JSON vector file.
///
/// # Panics
/// When the file is missing or not JSON.
#[must_use]
pub fn vector_json(name: &str) -> serde_json::Value {
    let path = vector_path(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A CSV image: one line per row, row 0 first. A first line that does not parse as numbers is a header and is skipped.
///
/// # Panics
/// When the file is missing or a later line is not numbers.
#[must_use]
pub fn vector_csv(name: &str) -> Vec<Vec<f64>> {
    let path = vector_path(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let row: Result<Vec<f64>, _> = line.split(',').map(|v| v.trim().parse::<f64>()).collect();
        match row {
            Ok(row) => rows.push(row),
            Err(_) if i == 0 || line.trim().is_empty() || line.starts_with('#') => {}
            Err(e) => panic!("{}:{}: {e}", path.display(), i + 1),
        }
    }
    rows
}

/// A list of numbers in JSON; `null` is NaN.
///
/// # Panics
/// When the value is not a list of numbers.
#[must_use]
pub fn floats(value: &serde_json::Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list of numbers")
        .iter()
        .map(|v| if v.is_null() { f64::NAN } else { v.as_f64().expect("a number") })
        .collect()
}
