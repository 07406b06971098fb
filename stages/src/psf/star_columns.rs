//! Columns of star lists that stages of this family need.

use skyloom_data::Table;
use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_engine::{Facets, Problems, StageError};

/// A star whose shape is fitted: identifier and position in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StarPosition {
    /// Identifier in the catalogue.
    pub id: i64,
    /// Column of the image.
    pub x: f64,
    /// Row of the image.
    pub y: f64,
}

/// Reads id, x and y; ids default to the row number.
pub(super) fn read_positions(table: &Table) -> Result<Vec<StarPosition>, StageError> {
    let bad = |e: skyloom_data::TableError| {
        StageError::config(format!("input \"stars\": {e}")).with_help("wire a list that psf.select_isolated made here")
    };
    let (x, y) = (table.floats("x").map_err(bad)?, table.floats("y").map_err(bad)?);
    let ids = if table.has_column("id") { table.ints("id").map_err(bad)? } else { vec![None; x.len()] };
    Ok((0..x.len()).map(|i| StarPosition { id: ids[i].unwrap_or(i as i64), x: x[i], y: y[i] }).collect())
}

/// Reports numeric columns that the table at `port` is known not to have.
pub(super) fn require_star_columns(inputs: &Facets, port: &str, names: &[&str], problems: &mut Problems) {
    let Some(columns) = TableFacet::from_facet(&inputs.get(port)).columns else { return };
    for name in names {
        if !columns.iter().any(|(n, k)| n == name && matches!(k, ColumnKind::Float | ColumnKind::Int)) {
            problems
                .input(
                    port,
                    format!("a table without a numeric column {name:?}"),
                    &format!("a table with {}", names.join(", ")),
                )
                .code("unknown-column")
                .help("io.read_catalogue maps the columns of a file to these names");
        }
    }
}
