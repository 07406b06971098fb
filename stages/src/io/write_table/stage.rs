//! `io.write_table`: the adapter.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Metadata, Schema};
use flate2::Compression;
use flate2::write::GzEncoder;
use skyloom_data::{Table, fits, parquet_io};
use skyloom_engine::{
    CodecError, Context, Deliverable, Demand, Facets, In, Out, Signature, Stage, StageError, register_stage,
};

use super::columns::{Values, columns};
use super::csv::csv_bytes;
use super::ecsv::{ecsv_bytes, header};
use super::votable::votable_bytes;

/// Format of a table file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    /// Apache Parquet: exact, compact, read by everything that reads columns; units in the field metadata.
    Parquet,
    /// FITS binary table.
    Fits,
    /// VOTable 1.4 with a BINARY2 stream: TOPCAT, Aladin, pyvo.
    Votable,
    /// Comma-separated values: no units, no types.
    Csv,
    /// Enhanced CSV: text with units and types, as astropy writes it.
    Ecsv,
}

impl TableFormat {
    /// Extension of the file, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Fits => "fits",
            Self::Votable => "vot",
            Self::Csv => "csv",
            Self::Ecsv => "ecsv",
        }
    }
}

/// A table as the bytes of a file.
///
/// # Errors
/// When the format cannot hold the table; the message names the column.
pub fn table_bytes(table: &Table, format: TableFormat) -> Result<Vec<u8>, CodecError> {
    match format {
        TableFormat::Parquet => parquet_bytes(table),
        TableFormat::Fits => {
            let bytes = fits::bintable_bytes(table)?;
            Ok(bytes)
        }
        TableFormat::Votable => votable_bytes(table),
        TableFormat::Csv => csv_bytes(table),
        TableFormat::Ecsv => ecsv_bytes(table),
    }
}

/// Parquet with what astropy looks for in the file's metadata: the ECSV header with units and descriptions under
/// `table_meta_yaml`, and the longest text of each column. Arrow's own readers find units in the field metadata.
fn parquet_bytes(table: &Table) -> Result<Vec<u8>, CodecError> {
    let batch = table.batch();
    let mut metadata: Metadata = batch.schema_ref().metadata().clone();
    let columns = columns(table)?;
    metadata.insert("table_meta_yaml".to_owned(), header(&columns).join("\n"));
    for column in &columns {
        if let Values::Text(texts) = &column.values {
            let longest = texts.iter().flatten().map(|t| t.chars().count()).max().unwrap_or(0).max(1);
            metadata.insert(format!("table::len::{}", column.name), longest.to_string());
        }
    }
    let schema = Schema::new(batch.schema_ref().fields().clone()).with_metadata(metadata);
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(Arc::new(schema), batch.columns().to_vec(), &options)
        .map_err(CodecError::format)?;
    let mut bytes = Vec::new();
    parquet_io::write_batch_to(&batch, &mut bytes)?;
    Ok(bytes)
}

/// Writes a table as Parquet, FITS, VOTable, CSV or ECSV.
///
/// Units and descriptions are written where the format has them.
///
/// NaN stays NaN and null stays missing. Units are written as the standards spell them (`px` becomes `pix`,
/// `mag/arcsec^2` becomes `mag/arcsec**2`); in Parquet's field metadata they stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteTable {
    /// Format of the file.
    pub format: TableFormat,
    /// Whether the file is packed with gzip, as `.fits.gz` is; the name of the output is up to the graph. Parquet has its own
    /// compression.
    #[serde(default)]
    pub gzip: bool,
}

impl WriteTable {
    /// The table to write.
    pub const TABLE: In<Table> = In::new("table", "Table to write.");
    /// The file.
    pub const FILE: Out<Deliverable> = Out::new("file", "The file, in the chosen format.");
}

#[typetag::serde(name = "io.write_table")]
impl Stage for WriteTable {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::TABLE).output(&Self::FILE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // The number of rows is not known before: a million rows of 20 columns, and their text.
        Demand { peak_bytes: 384 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::TABLE)?;
        let mut bytes = table_bytes(&table, self.format)?;
        if self.gzip {
            // Without name and time in its header, equal tables are equal files.
            let mut packer = GzEncoder::new(Vec::new(), Compression::default());
            packer.write_all(&bytes).map_err(StageError::io)?;
            bytes = packer.finish().map_err(StageError::io)?;
        }
        let extension = if self.gzip { "gz" } else { self.format.extension() };
        cx.metric("n_rows", table.n_rows() as f64);
        cx.set(&Self::FILE, Deliverable::new(extension, bytes));
        Ok(())
    }
}

register_stage!(WriteTable, kind: "io.write_table", example: "(format: votable)");
