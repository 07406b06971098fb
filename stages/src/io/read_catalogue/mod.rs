//! Star catalogues from files: FITS, Parquet, VOTable, CSV and ECSV.

mod angles;
mod convert;
mod ecsv_header;
mod error;
mod file;
mod format;
mod mapping;
mod parquet;
mod stage;
#[cfg(test)]
mod tests;
mod text;
mod text_column;
mod units;
mod votable;
mod votable_stream;

pub use error::CatalogueError;
pub use file::{FileColumn, FileHeader, read_columns, read_header};
pub use format::{CatalogueFormat, detect};
pub use mapping::ColumnChoice;
pub use stage::{PixelFrame, ReadCatalogue};
