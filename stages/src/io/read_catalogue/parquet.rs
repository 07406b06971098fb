//! Catalogues in Parquet files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Table, TableBuilder};

use super::ecsv_header::{self, EcsvColumn};
use super::error::CatalogueError;
use super::file::{FileColumn, FileHeader};

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, CatalogueError> {
    let file = File::open(path).map_err(|e| CatalogueError::from_read(&e))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)
}

fn damaged(error: impl std::fmt::Display) -> CatalogueError {
    CatalogueError::malformed(error, "a Parquet file")
}

/// The column types of a table that hold an Arrow type without loss (unsigned 64-bit integers: up to 63 bits).
fn kind(data_type: &DataType) -> Option<ColumnKind> {
    use DataType::{
        Boolean, Float16, Float32, Float64, Int8, Int16, Int32, Int64, LargeUtf8, UInt8, UInt16, UInt32, UInt64, Utf8,
        Utf8View,
    };
    match data_type {
        Float16 | Float32 | Float64 => Some(ColumnKind::Float),
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Some(ColumnKind::Int),
        Boolean => Some(ColumnKind::Bool),
        Utf8 | LargeUtf8 | Utf8View => Some(ColumnKind::Text),
        DataType::Dictionary(_, values) => kind(values),
        _ => None,
    }
}

fn target(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Float => DataType::Float64,
        ColumnKind::Int => DataType::Int64,
        ColumnKind::Bool => DataType::Boolean,
        ColumnKind::Text => DataType::Utf8,
    }
}

/// Units from the field metadata, or from the ECSV header that astropy puts into the file's metadata.
fn units(schema: &Schema) -> BTreeMap<String, String> {
    let yaml = schema.metadata().get("table_meta_yaml").map(String::as_str).unwrap_or_default();
    let mut units: BTreeMap<String, String> = ecsv_header::columns(yaml.lines())
        .into_iter()
        .filter_map(|EcsvColumn { name, unit, .. }| Some((name, unit?)))
        .collect();
    for field in schema.fields() {
        if let Some(unit) = field.metadata().get("unit").filter(|u| !u.is_empty()) {
            units.insert(field.name().clone(), unit.clone());
        }
    }
    units
}

pub(super) fn header(path: &Path) -> Result<FileHeader, CatalogueError> {
    let builder = open(path)?;
    let units = units(builder.schema());
    let columns = builder
        .schema()
        .fields()
        .iter()
        .map(|f| FileColumn {
            name: f.name().clone(),
            unit: units.get(f.name()).cloned().unwrap_or_default(),
            kind: kind(f.data_type()),
        })
        .collect();
    let n_rows = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
    Ok(FileHeader { columns, n_rows, memory_bytes: 16 << 20 })
}

pub(super) fn columns(path: &Path, names: &[&str]) -> Result<Table, CatalogueError> {
    let builder = open(path)?;
    let units = units(builder.schema());
    let wanted: Vec<usize> = (0..builder.schema().fields().len())
        .filter(|&i| names.contains(&builder.schema().field(i).name().as_str()))
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder.with_projection(mask).with_batch_size(1 << 16).build().map_err(damaged)?;
    let schema = arrow::record_batch::RecordBatchReader::schema(&reader);
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(damaged)?;
    let batch = concat_batches(&schema, &batches).map_err(damaged)?;
    let mut builder = TableBuilder::new();
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let Some(kind) = kind(field.data_type()) else { continue };
        let array = cast(array, &target(kind)).map_err(damaged)?;
        let unit = units.get(field.name()).map(String::as_str).unwrap_or_default();
        builder = builder.array(field.name(), unit, "", Arc::clone(&array));
    }
    builder.build().map_err(damaged)
}
