//! Tables and isophotes as Parquet files.
//!
//! The same table gives the same bytes: one writer version, one row-group size, Snappy, no statistics that depend on time.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use skyloom_engine::CodecError;

use crate::isophotes::{Isophote, Isophotes};

/// Writes a record batch as a Parquet file.
///
/// # Errors
/// When the file cannot be written or a column type is not supported.
pub fn write_batch(batch: &RecordBatch, path: &Path) -> Result<(), CodecError> {
    write_batch_to(batch, File::create(path)?)
}

/// Writes a record batch as Parquet to anything that takes bytes.
///
/// # Errors
/// When the bytes cannot be written or a column type is not supported.
pub fn write_batch_to(batch: &RecordBatch, to: impl Write + Send) -> Result<(), CodecError> {
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by("skyloom".to_owned()).build();
    let mut writer = ArrowWriter::try_new(to, batch.schema(), Some(properties)).map_err(CodecError::format)?;
    writer.write(batch).map_err(CodecError::format)?;
    writer.close().map_err(CodecError::format)?;
    Ok(())
}

/// Reads a whole Parquet file as one record batch.
///
/// # Errors
/// When the file cannot be read or is not Parquet.
pub fn read_batch(path: &Path) -> Result<RecordBatch, CodecError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?).map_err(CodecError::format)?;
    let schema = Arc::clone(builder.schema());
    let reader = builder.build().map_err(CodecError::format)?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(CodecError::format)?;
    concat_batches(&schema, &batches).map_err(CodecError::format)
}

/// Isophotes as a table: `level_sigma`, `parent` and the vertex lists `x` and `y`; the image size is schema metadata.
///
/// # Errors
/// When the columns do not fit together; a bug.
pub fn isophotes_to_batch(isophotes: &Isophotes) -> Result<RecordBatch, CodecError> {
    let contours = &isophotes.contours;
    let level: ArrayRef = Arc::new(Float64Array::from_iter_values(contours.iter().map(|c| c.level_sigma)));
    let parent: ArrayRef = Arc::new(contours.iter().map(|c| c.parent.map(|p| p as i64)).collect::<Int64Array>());
    let list = |axis: usize| -> Result<ArrayRef, CodecError> {
        let values =
            Float64Array::from_iter_values(contours.iter().flat_map(|c| c.vertices.iter().map(move |v| v[axis])));
        let mut offsets = vec![0_i32];
        let mut end = 0_usize;
        for contour in contours {
            end += contour.vertices.len();
            offsets.push(i32::try_from(end).map_err(|_| CodecError::format("more than 2^31 contour vertices"))?);
        }
        let item = Arc::new(Field::new("item", DataType::Float64, false));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(ListArray::try_new(item, offsets, Arc::new(values), None).map_err(CodecError::format)?))
    };
    let (x, y) = (list(0)?, list(1)?);
    let field = |name: &str, array: &ArrayRef, nullable| Field::new(name, array.data_type().clone(), nullable);
    let schema = Schema::new(vec![
        field("level_sigma", &level, false),
        field("parent", &parent, true),
        field("x", &x, false),
        field("y", &y, false),
    ])
    .with_metadata(
        [("width", isophotes.width), ("height", isophotes.height)]
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_string()))
            .collect::<arrow::datatypes::Metadata>(),
    );
    RecordBatch::try_new(Arc::new(schema), vec![level, parent, x, y]).map_err(CodecError::format)
}

/// The inverse of [`isophotes_to_batch`].
///
/// # Errors
/// When the table has other columns.
pub fn isophotes_from_batch(batch: &RecordBatch) -> Result<Isophotes, CodecError> {
    fn column<'a, T: Array + 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, CodecError> {
        batch
            .column_by_name(name)
            .and_then(|c| c.as_any().downcast_ref::<T>())
            .ok_or_else(|| CodecError::format(format!("isophotes without a column {name:?} of the right type")))
    }
    let level = column::<Float64Array>(batch, "level_sigma")?;
    let parent = column::<Int64Array>(batch, "parent")?;
    let (x, y) = (column::<ListArray>(batch, "x")?, column::<ListArray>(batch, "y")?);
    let axis = |list: &ListArray, row: usize| -> Result<Vec<f64>, CodecError> {
        let values = list.value(row);
        let values = values
            .as_any()
            .downcast_ref::<Float64Array>()
            .ok_or_else(|| CodecError::format("vertices are not floats"))?;
        Ok(values.values().to_vec())
    };
    let mut contours = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let (xs, ys) = (axis(x, row)?, axis(y, row)?);
        contours.push(Isophote {
            level_sigma: level.value(row),
            parent: parent.is_valid(row).then(|| parent.value(row) as usize),
            vertices: xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect(),
        });
    }
    let schema = batch.schema();
    let size = |key: &str| {
        schema
            .metadata()
            .get(key)
            .and_then(|v| v.parse().ok())
            .ok_or_else(|| CodecError::format(format!("isophotes without {key}")))
    };
    Ok(Isophotes { width: size("width")?, height: size("height")?, contours })
}
