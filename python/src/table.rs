//! Tables: Arrow record batches that go in and out by the PyCapsule interface.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchIterator};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods};
use skyloom_data::{Table, cell_text};

use crate::errors::{failed, value_error};

/// A table. pandas, polars and pyarrow take it as it is (`pyarrow.table(t)`): the columns are not copied.
#[pyclass(frozen, name = "Table", module = "skyloom")]
pub(crate) struct PyTable(pub(crate) Arc<Table>);

/// A table from anything with `__arrow_c_stream__`.
pub(crate) fn from_arrow(object: &Bound<'_, PyAny>) -> PyResult<Table> {
    if let Ok(table) = object.cast::<PyTable>() {
        return Ok((*table.get().0).clone());
    }
    let capsule = object
        .call_method0("__arrow_c_stream__")
        .map_err(|_| value_error(format!("{} is no table: it has no __arrow_c_stream__", object.get_type())))?;
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?;
    // SAFETY: a capsule of this name holds a stream; the reader takes it and leaves an empty one behind, as the interface asks.
    let reader = unsafe { RecordBatchStreamReader::from_raw(pointer.as_ptr().cast::<FFI_ArrowArrayStream>()) };
    let reader = reader.map_err(failed)?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    let batches: Result<Vec<RecordBatch>, ArrowError> = reader.collect();
    let whole = concat_batches(&schema, &batches.map_err(failed)?).map_err(failed)?;
    supported(&whole).map(Table::from_batch)
}

/// The same columns as the types that tables have.
fn supported(batch: &RecordBatch) -> PyResult<RecordBatch> {
    let schema = batch.schema();
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let wanted = match field.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Boolean => DataType::Boolean,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            t if t.is_integer() => DataType::Int64,
            DataType::Dictionary(_, of) if matches!(**of, DataType::Utf8 | DataType::LargeUtf8) => DataType::Utf8,
            other => {
                let message =
                    format!("column {:?} is {other}; a table holds floats, integers, booleans and text", field.name());
                return Err(value_error(message));
            }
        };
        columns.push(cast(column, &wanted).map_err(failed)?);
        fields.push(Field::new(field.name(), wanted, true).with_metadata(field.metadata().clone()));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(failed)
}

#[pymethods]
impl PyTable {
    /// From a table of pandas, polars, pyarrow, or anything else with `__arrow_c_stream__`.
    #[new]
    fn new(table: &Bound<'_, PyAny>) -> PyResult<Self> {
        from_arrow(table).map(|table| Self(Arc::new(table)))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.0.batch().schema().as_ref()).map_err(failed)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface allows to answer with the own schema whatever was asked for.
        let _ = requested_schema;
        let batch = self.0.batch().clone();
        let schema = batch.schema();
        let stream = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new([Ok(batch)], schema)));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    fn __len__(&self) -> usize {
        self.0.n_rows()
    }

    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.0.column_names()
    }

    /// `(name, unit, description)` of each column; empty text where there is none.
    #[getter]
    fn fields(&self) -> Vec<(String, String, String)> {
        let schema = self.0.batch().schema();
        let text = |field: &Field, key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        schema.fields().iter().map(|f| (f.name().clone(), text(f, "unit"), text(f, "description"))).collect()
    }

    /// The cells of one row as text, for displays.
    fn row_text(&self, row: usize) -> PyResult<Vec<String>> {
        if row >= self.0.n_rows() {
            return Err(value_error(format!("row {row} of {}", self.0.n_rows())));
        }
        Ok(self.0.batch().columns().iter().map(|column| cell_text(column, row)).collect())
    }
}
