//! Tables made of tables: rows under rows, rows in another order, a column exchanged.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array};
use arrow::datatypes::{Field, Schema};

use crate::table::{Table, TableError};

impl Table {
    /// The rows of all tables, one table after the other. Columns come in the order of their first appearance, with the unit
    /// and description that they have there; where a table lacks a column its rows are null.
    ///
    /// # Errors
    /// When tables hold different types in a column of one name.
    pub fn stack(tables: &[&Self]) -> Result<Self, TableError> {
        let mut fields: Vec<Arc<Field>> = Vec::new();
        for table in tables {
            for field in table.batch().schema().fields() {
                match fields.iter().find(|f| f.name() == field.name()) {
                    None => fields.push(Arc::new(field.as_ref().clone().with_nullable(true))),
                    Some(known) if known.data_type() == field.data_type() => {}
                    Some(known) => {
                        let (name, a, b) = (field.name(), known.data_type(), field.data_type());
                        return Err(TableError::Column(format!(
                            "column {name:?} holds {a} in one table and {b} in another"
                        )));
                    }
                }
            }
        }
        let n_rows = tables.iter().map(|t| t.n_rows()).sum();
        let columns = fields
            .iter()
            .map(|field| {
                let parts: Vec<ArrayRef> = tables
                    .iter()
                    .map(|table| match table.batch().column_by_name(field.name()) {
                        Some(column) => Arc::clone(column),
                        None => new_null_array(field.data_type(), table.n_rows()),
                    })
                    .collect();
                let parts: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
                arrow::compute::concat(&parts).map_err(|e| TableError::Shape(e.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map(Self::from_batch)
            .map_err(|e| TableError::Shape(e.to_string()))
    }

    /// The named rows, in the order given; a row may be named more than once.
    ///
    /// # Errors
    /// When there is no such row.
    pub fn take(&self, rows: &[usize]) -> Result<Self, TableError> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.n_rows()) {
            return Err(TableError::Shape(format!("row {row} of a table of {} rows", self.n_rows())));
        }
        let rows = UInt64Array::from_iter_values(rows.iter().map(|&row| row as u64));
        let batch = arrow::compute::take_record_batch(self.batch(), &rows);
        batch.map(Self::from_batch).map_err(|e| TableError::Shape(e.to_string()))
    }

    /// The table with the values of a column exchanged; its unit and description stay.
    ///
    /// # Errors
    /// When there is no such column, or the length or the type differs.
    pub fn replace_column(&self, name: &str, array: ArrayRef) -> Result<Self, TableError> {
        let batch = self.batch();
        let Some((at, field)) = batch.schema().column_with_name(name).map(|(at, f)| (at, f.clone())) else {
            return Err(TableError::Column(format!(
                "no column {name:?}; there are {}",
                self.column_names().join(", ")
            )));
        };
        if field.data_type() != array.data_type() {
            let (old, new) = (field.data_type(), array.data_type());
            return Err(TableError::Column(format!("column {name:?} holds {old}, the new values are {new}")));
        }
        let mut columns = batch.columns().to_vec();
        columns[at] = array;
        let options = RecordBatchOptions::new().with_row_count(Some(self.n_rows()));
        RecordBatch::try_new_with_options(batch.schema(), columns, &options)
            .map(Self::from_batch)
            .map_err(|e| TableError::Shape(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, Float64Array, Int64Array};

    use super::*;
    use crate::table::TableBuilder;

    fn first() -> Table {
        TableBuilder::new().int("id", "", "", vec![4, 5]).float("x", "pix", "column", vec![1.0, 2.0]).build().unwrap()
    }

    fn second() -> Table {
        TableBuilder::new().bool("good", "", vec![true]).int("id", "", "other words", vec![9]).build().unwrap()
    }

    #[test]
    fn stacked_rows_are_null_where_their_table_had_no_column() {
        let all = Table::stack(&[&first(), &second()]).unwrap();
        assert_eq!(all.column_names(), ["id", "x", "good"]);
        assert_eq!(all.ints("id").unwrap(), [Some(4), Some(5), Some(9)]);
        assert!(all.batch().column(1).is_null(2) && all.batch().column(2).is_null(0));
        let schema = all.batch().schema();
        assert_eq!(schema.field(1).metadata().get("unit").map(String::as_str), Some("pix"));
        assert_eq!(Table::stack(&[]).unwrap().n_rows(), 0);
        let none = first().filter(&[false, false]).unwrap();
        assert_eq!(Table::stack(&[&none, &second()]).unwrap().column_names(), ["id", "x", "good"]);
    }

    #[test]
    fn a_column_of_two_types_cannot_be_stacked() {
        let other = TableBuilder::new().float("id", "", "", vec![1.0]).build().unwrap();
        assert!(Table::stack(&[&first(), &other]).unwrap_err().to_string().contains("\"id\""));
    }

    #[test]
    fn rows_are_taken_in_the_order_given() {
        assert_eq!(first().take(&[1, 0, 1]).unwrap().ints("id").unwrap(), [Some(5), Some(4), Some(5)]);
        assert_eq!(first().take(&[]).unwrap().n_rows(), 0);
        assert!(first().take(&[2]).is_err());
    }

    #[test]
    fn a_replaced_column_keeps_its_place_and_unit() {
        let table = first().replace_column("x", Arc::new(Float64Array::from(vec![7.0, 8.0]))).unwrap();
        assert_eq!(table.floats("x").unwrap(), [7.0, 8.0]);
        assert_eq!(table.batch().schema(), first().batch().schema());
        assert!(first().replace_column("y", Arc::new(Float64Array::from(vec![7.0, 8.0]))).is_err());
        assert!(first().replace_column("x", Arc::new(Int64Array::from(vec![7, 8]))).is_err());
        assert!(first().replace_column("x", Arc::new(Float64Array::from(vec![7.0]))).is_err());
    }
}
