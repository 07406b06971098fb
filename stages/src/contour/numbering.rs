//! Isophotes of several sets become one set, and the ids of tables follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::Int64Array;
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Isophote, Isophotes, Table, TableError};
use skyloom_engine::StageError;

/// Collects isophotes; their places in the final order are known when all are there.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Isophotes; `parent` is an index into this list.
    list: Vec<Isophote>,
}

impl Gathered {
    /// Adds an isophote, whose parent (if any) was added before. Returns its entry.
    pub(super) fn push(&mut self, isophote: Isophote) -> usize {
        self.list.push(isophote);
        self.list.len() - 1
    }

    /// The set, ordered as a set of isophotes must be (by level, then by first vertex in raster order; what is equal keeps the
    /// order of its coming), and the id of each entry.
    pub(super) fn finish(self, width: usize, height: usize) -> (Isophotes, Vec<usize>) {
        let first = |i: usize| self.list[i].vertices.first().copied().unwrap_or([f64::NAN; 2]);
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by(|&i, &j| {
            let (a, b) = (first(i), first(j));
            let level = self.list[i].level_sigma.total_cmp(&self.list[j].level_sigma);
            level.then(a[1].total_cmp(&b[1])).then(a[0].total_cmp(&b[0]))
        });
        let mut ids = vec![0; order.len()];
        for (id, &entry) in order.iter().enumerate() {
            ids[entry] = id;
        }
        let mut slots: Vec<Option<Isophote>> = self.list.into_iter().map(Some).collect();
        let contours = order
            .into_iter()
            .filter_map(|entry| slots[entry].take())
            .map(|isophote| Isophote { parent: isophote.parent.map(|p| ids[p]), ..isophote })
            .collect();
        (Isophotes { width, height, contours }, ids)
    }
}

/// The rows of a table whose ids point into a set: id and isophote of each.
pub(crate) fn rows_of<'a>(
    port: &str,
    table: &Table,
    isophotes: &'a Isophotes,
) -> Result<Vec<(i64, &'a Isophote)>, StageError> {
    let ids = table.ints("id").map_err(StageError::data)?;
    ids.into_iter()
        .enumerate()
        .map(|(row, id)| {
            let found = id.and_then(|id| Some((id, isophotes.contours.get(usize::try_from(id).ok()?)?)));
            found.ok_or_else(|| {
                let id = id.map_or_else(|| "no id".to_owned(), |id| format!("id {id}"));
                let n = isophotes.contours.len();
                StageError::data(format!("row {row} of input {port:?} has {id}; its isophote set has {n} contours"))
                    .with_help("wire the isophotes that the table was measured on")
            })
        })
        .collect()
}

/// Fails unless every row is a root: an isophote without parent.
pub(super) fn require_roots(port: &str, table: &Table) -> Result<(), StageError> {
    let parents = table.ints("parent_id").map_err(StageError::data)?;
    match parents.iter().position(Option::is_some) {
        None => Ok(()),
        Some(row) => {
            Err(StageError::data(format!("row {row} of input {port:?} has a parent_id, expected roots alone"))
                .with_help("trace the roots at one level; contour.hierarchy finds what is nested in them"))
        }
    }
}

/// The columns that hold ids of isophotes, besides `id`.
const REFERENCES: [&str; 3] = ["parent_id", "root_id", "counterpart_id"];

/// The table with ids exchanged and rows in order of their new ids. References to isophotes that have no new id become
/// null; a row without `root_id` is its own root.
pub(super) fn with_new_ids(table: &Table, new_ids: &BTreeMap<i64, usize>) -> Result<Table, TableError> {
    let new = |old: i64| new_ids.get(&old).map(|&id| id as i64);
    let ids: Vec<Option<i64>> = table.ints("id")?.into_iter().map(|id| id.and_then(new)).collect();
    let mut result = table.clone();
    for name in REFERENCES.iter().filter(|name| table.has_column(name)) {
        let values: Int64Array = table
            .ints(name)?
            .into_iter()
            .zip(&ids)
            .map(|(old, &own)| old.and_then(new).or(own.filter(|_| *name == "root_id")))
            .collect();
        result = result.replace_column(name, Arc::new(values))?;
    }
    let result = result.replace_column("id", Arc::new(Int64Array::from(ids.clone())))?;
    let mut rows: Vec<usize> = (0..ids.len()).collect();
    rows.sort_by_key(|&row| ids[row]);
    result.take(&rows)
}

/// Rows of several tables, in order of id; the columns of the first table come first.
pub(super) fn stack_by_id(tables: &[&Table]) -> Result<Table, TableError> {
    let all = Table::stack(tables)?;
    let ids = all.ints("id")?;
    let mut rows: Vec<usize> = (0..ids.len()).collect();
    rows.sort_by_key(|&row| ids[row]);
    all.take(&rows)
}

/// Names and kinds of all columns of some tables, in the order of their first appearance: what [`Table::stack`] gives.
pub(super) fn union_of<'a>(tables: impl IntoIterator<Item = &'a [(String, ColumnKind)]>) -> Vec<(String, ColumnKind)> {
    let mut all: Vec<(String, ColumnKind)> = Vec::new();
    for (name, kind) in tables.into_iter().flatten() {
        if all.iter().all(|(known, _)| known != name) {
            all.push((name.clone(), *kind));
        }
    }
    all
}
