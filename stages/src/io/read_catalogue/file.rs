//! Columns of a file, whatever its format.

use std::path::Path;

use skyloom_data::Table;
use skyloom_data::facets::ColumnKind;
use skyloom_data::fits::{self, HduChoice};

use super::error::CatalogueError;
use super::format::CatalogueFormat;
use super::{parquet, text, votable};

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileColumn {
    /// Name.
    pub name: String,
    /// Unit; empty when the file gives none.
    pub unit: String,
    /// What it holds; `None` for what a table has no column type for, such as arrays. In CSV, a guess from the first rows.
    pub kind: Option<ColumnKind>,
}

/// What a file says of its table, without the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileHeader {
    /// The columns in order.
    pub columns: Vec<FileColumn>,
    /// Rows, where the file says so.
    pub n_rows: Option<u64>,
    /// Bytes that the file occupies while it is read.
    pub memory_bytes: u64,
}

/// Reads what a file says of its table. `hdu` is for FITS files.
///
/// # Errors
/// When the file cannot be read or has no table.
pub fn read_header(
    path: &Path,
    format: CatalogueFormat,
    hdu: Option<&HduChoice>,
) -> Result<FileHeader, CatalogueError> {
    match format {
        CatalogueFormat::Fits => {
            let header = fits::read_bintable_header(path, hdu)?;
            let columns =
                header.columns.into_iter().map(|c| FileColumn { name: c.name, unit: c.unit, kind: c.kind }).collect();
            Ok(FileHeader { columns, n_rows: Some(header.n_rows), memory_bytes: header.memory_bytes })
        }
        CatalogueFormat::Parquet => parquet::header(path),
        CatalogueFormat::Votable => votable::header(path),
        CatalogueFormat::Csv => text::header(path, false),
        CatalogueFormat::Ecsv => text::header(path, true),
    }
}

/// Reads the named columns, in the order of the file, with their units.
///
/// # Errors
/// When the file cannot be read, or a cell does not hold what its column should.
pub fn read_columns(
    path: &Path,
    format: CatalogueFormat,
    hdu: Option<&HduChoice>,
    names: &[&str],
) -> Result<Table, CatalogueError> {
    match format {
        CatalogueFormat::Fits => Ok(fits::read_bintable_columns(path, hdu, &|name| names.contains(&name))?.table),
        CatalogueFormat::Parquet => parquet::columns(path, names),
        CatalogueFormat::Votable => votable::columns(path, names),
        CatalogueFormat::Csv => text::columns(path, false, names),
        CatalogueFormat::Ecsv => text::columns(path, true, names),
    }
}
