//! Which rows of later samples are new, and one numbering for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::StringArray;
use skyloom_data::{Isophote, Isophotes, Table};
use skyloom_engine::StageError;

use crate::contour::numbering::{Gathered, stack_by_id, with_new_ids};
use crate::contour::rows_of;
use crate::measure::{BoxIndex, polygon, polygons_meet};
use crate::rules::cull::{Rule, with_rule_columns};

/// One sample.
pub(super) struct Sample<'a> {
    pub table: &'a Table,
    pub rejected: Option<&'a Table>,
    pub isophotes: &'a Isophotes,
}

/// All of them.
pub(super) struct Joined {
    pub table: Table,
    pub rejected: Table,
    pub isophotes: Isophotes,
    /// Rows that earlier samples had already.
    pub n_known: usize,
}

/// The rule that rejects objects which an earlier sample has.
pub(super) const KNOWN: &str = "known already";

/// Joins samples of one image of `frame` (width, height). A row that touches a kept one of an earlier sample is rejected.
pub(super) fn join(samples: &[Sample<'_>], frame: (usize, usize)) -> Result<Joined, StageError> {
    let mut gathered = Gathered::default();
    let mut kept: Vec<&Isophote> = Vec::new();
    // Per sample: entry of each old id; which rows are new; reasons of the others.
    let mut entries: Vec<BTreeMap<i64, usize>> = Vec::new();
    let mut is_new: Vec<Vec<bool>> = Vec::new();
    for sample in samples {
        let rows = rows_of("table", sample.table, sample.isophotes)?;
        let rejected = match sample.rejected {
            Some(rejected) => rows_of("rejected", rejected, sample.isophotes)?,
            None => Vec::new(),
        };
        let mut of_sample = BTreeMap::new();
        for (id, isophote) in rows.iter().chain(&rejected) {
            let entry = gathered.push(Isophote { parent: None, ..(*isophote).clone() });
            if of_sample.insert(*id, entry).is_some() {
                return Err(StageError::data(format!("isophote {id} is in the inputs table and rejected, or twice"))
                    .with_help("wire table and rejected of one rules.cull"));
            }
        }
        entries.push(of_sample);
        let index = BoxIndex::new(kept.iter().map(|k| polygon::bounds(&k.vertices)));
        let news: Vec<bool> = rows
            .iter()
            .map(|(_, isophote)| {
                let near = polygon::bounds(&isophote.vertices).map(|b| index.reaching(b)).unwrap_or_default();
                !near.into_iter().any(|i| polygons_meet(&kept[i].vertices, &isophote.vertices))
            })
            .collect();
        kept.extend(rows.iter().zip(&news).filter(|(_, new)| **new).map(|((_, isophote), _)| *isophote));
        is_new.push(news);
    }
    let (isophotes, ids) = gathered.finish(frame.0, frame.1);

    let (mut tables, mut all_rejected, mut n_known) = (Vec::new(), Vec::new(), 0);
    for ((sample, entries), is_new) in samples.iter().zip(&entries).zip(&is_new) {
        let new_ids: BTreeMap<i64, usize> = entries.iter().map(|(old, &entry)| (*old, ids[entry])).collect();
        let is_known: Vec<bool> = is_new.iter().map(|new| !new).collect();
        let known = sample.table.filter(&is_known).map_err(StageError::data)?;
        n_known += known.n_rows();
        tables.push(
            with_new_ids(&sample.table.filter(is_new).map_err(StageError::data)?, &new_ids)
                .map_err(StageError::data)?,
        );
        let n = known.n_rows();
        let known = with_rule(&known, vec![KNOWN.to_owned(); n], vec![String::new(); n])?;
        all_rejected.push(with_new_ids(&known, &new_ids).map_err(StageError::data)?);
        if let Some(rejected) = sample.rejected {
            all_rejected.push(with_new_ids(rejected, &new_ids).map_err(StageError::data)?);
        }
    }
    let stack = |tables: &[Table]| stack_by_id(&tables.iter().collect::<Vec<_>>()).map_err(StageError::data);
    Ok(Joined { table: stack(&tables)?, rejected: stack(&all_rejected)?, isophotes, n_known })
}

/// Sets the columns of a rejected row, which a table of kept rows of an earlier union may have.
fn with_rule(table: &Table, names: Vec<String>, values: Vec<String>) -> Result<Table, StageError> {
    if !table.has_column(Rule::COLUMNS[0].0) {
        return with_rule_columns(table, names, values);
    }
    let table =
        table.replace_column(Rule::COLUMNS[0].0, Arc::new(StringArray::from(names))).map_err(StageError::data)?;
    table.replace_column(Rule::COLUMNS[1].0, Arc::new(StringArray::from(values))).map_err(StageError::data)
}
