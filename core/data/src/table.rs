//! Tables: an Arrow record batch with a unit and a description per column.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

/// A table. Column types are `Float64`, `Int64`, `Boolean` and `Utf8`; nulls are allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    batch: RecordBatch,
}

/// A table could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Columns differ in length, or a name is used twice.
    #[error("{0}")]
    Shape(String),
    /// There is no such column, or its type is another.
    #[error("{0}")]
    Column(String),
}

/// Collects columns.
#[derive(Debug, Default)]
pub struct TableBuilder {
    fields: Vec<Field>,
    columns: Vec<ArrayRef>,
}

impl TableBuilder {
    /// No columns yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a column of any supported Arrow type.
    #[must_use]
    pub fn array(mut self, name: &str, unit: &str, description: &str, array: ArrayRef) -> Self {
        self.fields.push(field(name, array.data_type().clone(), unit, description));
        self.columns.push(array);
        self
    }

    /// Adds a column of floats. NaN stays NaN; it is not null.
    #[must_use]
    pub fn float(self, name: &str, unit: &str, description: &str, values: Vec<f64>) -> Self {
        self.array(name, unit, description, Arc::new(Float64Array::from(values)))
    }

    /// Adds a column of integers.
    #[must_use]
    pub fn int(self, name: &str, unit: &str, description: &str, values: Vec<i64>) -> Self {
        self.array(name, unit, description, Arc::new(Int64Array::from(values)))
    }

    /// Adds a column of integers with nulls.
    #[must_use]
    pub fn optional_int(self, name: &str, unit: &str, description: &str, values: Vec<Option<i64>>) -> Self {
        self.array(name, unit, description, Arc::new(Int64Array::from(values)))
    }

    /// Adds a column of truth values.
    #[must_use]
    pub fn bool(self, name: &str, description: &str, values: Vec<bool>) -> Self {
        self.array(name, "", description, Arc::new(BooleanArray::from(values)))
    }

    /// Adds a column of strings.
    #[must_use]
    pub fn text(self, name: &str, description: &str, values: Vec<String>) -> Self {
        self.array(name, "", description, Arc::new(StringArray::from(values)))
    }

    /// The table.
    ///
    /// # Errors
    /// When columns differ in length or a name is used twice.
    pub fn build(self) -> Result<Table, TableError> {
        let mut names: Vec<&str> = self.fields.iter().map(|f| f.name().as_str()).collect();
        names.sort_unstable();
        if let Some(w) = names.windows(2).find(|w| w[0] == w[1]) {
            return Err(TableError::Shape(format!("column {:?} is there twice", w[0])));
        }
        let rows = self.columns.first().map_or(0, |c| c.len());
        if let Some((f, c)) = self.fields.iter().zip(&self.columns).find(|(_, c)| c.len() != rows) {
            return Err(TableError::Shape(format!(
                "column {:?} has {} rows, the first column has {rows}",
                f.name(),
                c.len()
            )));
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(self.fields)), self.columns, &options)
            .map_err(|e| TableError::Shape(e.to_string()))?;
        Ok(Table { batch })
    }
}

fn field(name: &str, data_type: DataType, unit: &str, description: &str) -> Field {
    let metadata = [("unit", unit), ("description", description)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    Field::new(name, data_type, true).with_metadata(metadata.collect::<arrow::datatypes::Metadata>())
}

impl Table {
    /// Wraps a record batch.
    #[must_use]
    pub fn from_batch(batch: RecordBatch) -> Self {
        Self { batch }
    }

    /// The Arrow record batch; field metadata holds `unit` and `description`.
    #[must_use]
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// Rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Column names in order.
    #[must_use]
    pub fn column_names(&self) -> Vec<String> {
        self.batch.schema().fields().iter().map(|f| f.name().clone()).collect()
    }

    /// A column as floats: integers are converted, null is NaN.
    ///
    /// # Errors
    /// When there is no such column or it does not hold numbers.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>, TableError> {
        let column = self.column(name)?;
        let any = column.as_any();
        if let Some(a) = any.downcast_ref::<Float64Array>() {
            Ok(a.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
        } else if let Some(a) = any.downcast_ref::<Int64Array>() {
            Ok(a.iter().map(|v| v.map_or(f64::NAN, |v| v as f64)).collect())
        } else {
            Err(TableError::Column(format!("column {name:?} holds {}, not numbers", column.data_type())))
        }
    }

    /// A column as integers; null is `None`.
    ///
    /// # Errors
    /// When there is no such column or it does not hold integers.
    pub fn ints(&self, name: &str) -> Result<Vec<Option<i64>>, TableError> {
        let column = self.column(name)?;
        match column.as_any().downcast_ref::<Int64Array>() {
            Some(a) => Ok(a.iter().collect()),
            None => Err(TableError::Column(format!("column {name:?} holds {}, not integers", column.data_type()))),
        }
    }

    /// A column as truth values; null is false.
    ///
    /// # Errors
    /// When there is no such column or it does not hold truth values.
    pub fn bools(&self, name: &str) -> Result<Vec<bool>, TableError> {
        let column = self.column(name)?;
        match column.as_any().downcast_ref::<BooleanArray>() {
            Some(a) => Ok(a.iter().map(|v| v.unwrap_or(false)).collect()),
            None => Err(TableError::Column(format!("column {name:?} holds {}, not truth values", column.data_type()))),
        }
    }

    /// A column as text; null is empty.
    ///
    /// # Errors
    /// When there is no such column or it does not hold text.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, TableError> {
        let column = self.column(name)?;
        match column.as_any().downcast_ref::<StringArray>() {
            Some(a) => Ok(a.iter().map(|v| v.unwrap_or_default().to_owned()).collect()),
            None => Err(TableError::Column(format!("column {name:?} holds {}, not text", column.data_type()))),
        }
    }

    /// Whether there is a column of this name.
    #[must_use]
    pub fn has_column(&self, name: &str) -> bool {
        self.batch.column_by_name(name).is_some()
    }

    fn column(&self, name: &str) -> Result<&ArrayRef, TableError> {
        self.batch.column_by_name(name).ok_or_else(|| {
            TableError::Column(format!("no column {name:?}; there are {}", self.column_names().join(", ")))
        })
    }

    /// The rows whose entry in `keep` is true, in order.
    ///
    /// # Errors
    /// When `keep` has another length than the table.
    pub fn filter(&self, keep: &[bool]) -> Result<Self, TableError> {
        if keep.len() != self.n_rows() {
            return Err(TableError::Shape(format!("filter of {} entries for {} rows", keep.len(), self.n_rows())));
        }
        let batch = arrow::compute::filter_record_batch(&self.batch, &BooleanArray::from(keep.to_vec()))
            .map_err(|e| TableError::Shape(e.to_string()))?;
        Ok(Self { batch })
    }

    /// The table with one more column.
    ///
    /// # Errors
    /// When the length differs or the name is taken.
    pub fn with_column(&self, name: &str, unit: &str, description: &str, array: ArrayRef) -> Result<Self, TableError> {
        let mut builder = TableBuilder::new();
        for (f, c) in self.batch.schema().fields().iter().zip(self.batch.columns()) {
            builder.fields.push(f.as_ref().clone());
            builder.columns.push(Arc::clone(c));
        }
        builder.array(name, unit, description, array).build()
    }
}

/// One cell as text; null is empty.
#[must_use]
pub fn cell_text(array: &dyn Array, row: usize) -> String {
    arrow::util::display::array_value_to_string(array, row).unwrap_or_default()
}
