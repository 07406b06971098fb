//! The columns that photometry adds to a table.

use std::sync::Arc;

use arrow::array::Float64Array;
use skyloom_data::{Table, TableError};

/// The columns that a band adds: name without suffix, unit (the image's own when empty), description.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("flux", "", "sum of the pixels inside the contour"),
    ("flux_err", "", "error of flux, from the noise map"),
    ("mag", "mag", "magnitude of flux"),
    ("mag_err", "mag", "error of mag"),
    ("sb", "mag / arcsec2", "mean surface brightness inside the contour"),
    ("peak_sb", "mag / arcsec2", "surface brightness of the brightest pixel inside the contour"),
];

/// The column of the residual image.
pub(super) const RESIDUAL_COLUMN: &str = "mag_residual";

/// The new values of one row.
pub(super) struct Photometry {
    /// In the order of [`COLUMNS`].
    pub(super) values: [f64; 6],
    pub(super) is_incomplete: bool,
}

/// Names of all new columns, in order.
pub(super) fn new_columns(bands: &[String], with_residual: bool) -> Vec<String> {
    let residual = with_residual.then(|| RESIDUAL_COLUMN.to_owned());
    let of_band = |band: &String| COLUMNS.map(|(name, _, _)| format!("{name}_{band}"));
    bands.iter().flat_map(of_band).chain(residual).collect()
}

/// How columns are added.
pub(super) struct NewColumns {
    /// Whether nulls of a column that is there get a value.
    pub(super) fill: bool,
}

impl NewColumns {
    /// Adds the columns of a band; `rows` are those of the table.
    pub(super) fn add_band(
        &self,
        table: &Table,
        band: &str,
        flux_unit: Option<&str>,
        rows: &[Photometry],
    ) -> Result<Table, TableError> {
        let mut table = table.clone();
        for (k, (name, unit, description)) in COLUMNS.into_iter().enumerate() {
            let unit = if unit.is_empty() { flux_unit.unwrap_or_default() } else { unit };
            let values = Float64Array::from_iter_values(rows.iter().map(|r| r.values[k]));
            table = self.add(&table, &format!("{name}_{band}"), unit, &format!("{description}, {band}"), values)?;
        }
        Ok(table)
    }

    /// Adds a column, or fills one that is there.
    pub(super) fn add(
        &self,
        table: &Table,
        name: &str,
        unit: &str,
        description: &str,
        values: Float64Array,
    ) -> Result<Table, TableError> {
        if self.fill && table.has_column(name) {
            filled(table, name, &values)
        } else {
            table.with_column(name, unit, description, Arc::new(values))
        }
    }
}

/// A column whose nulls are filled with new values.
fn filled(table: &Table, name: &str, values: &Float64Array) -> Result<Table, TableError> {
    let old = table.batch().column_by_name(name).and_then(|c| c.as_any().downcast_ref::<Float64Array>());
    let old = old.ok_or_else(|| TableError::Column(format!("column {name:?} does not hold floats")))?;
    let both: Float64Array = old.iter().zip(values).map(|(old, new)| old.or(new)).collect();
    table.replace_column(name, Arc::new(both))
}
