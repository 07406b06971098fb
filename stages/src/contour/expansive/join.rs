//! One table and one set of isophotes of both samples.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, Int64Array, StringArray};
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Isophote, Isophotes, Table, TableError};
use skyloom_engine::StageError;

use super::counterparts::Counterparts;
use crate::contour::numbering::{Gathered, stack_by_id, with_new_ids};
use crate::rules::cull::{Divided, Rule, with_rule_columns};

/// Names of the samples.
const CONSERVATIVE: &str = "conservative";
const EXPANSIVE: &str = "expansive";

/// Columns that the stage adds, with their kinds and descriptions.
pub(super) const ADDED: [(&str, ColumnKind, &str); 2] = [
    ("in_expansive", ColumnKind::Bool, "belongs to the expansive sample"),
    ("counterpart_id", ColumnKind::Int, "id of the same object in the other sample"),
];

/// Both samples, and what the rules said.
pub(super) struct Samples<'a> {
    pub(super) roots: &'a [(i64, &'a Isophote)],
    pub(super) candidates: &'a [(i64, &'a Isophote)],
    pub(super) before: &'a [(i64, &'a Isophote)],
    /// Expansive isophotes that contain a root: the rows that the rules judged.
    pub(super) holding: &'a [usize],
    pub(super) pairs: &'a Counterparts,
    pub(super) divided: &'a Divided,
}

pub(super) struct Joined {
    pub(super) table: Table,
    pub(super) rejected: Table,
    pub(super) isophotes: Isophotes,
    pub(super) n_conservative: usize,
    pub(super) n_expansive: usize,
    pub(super) n_without_counterpart: usize,
}

impl Samples<'_> {
    pub(super) fn join(
        &self,
        table: &Table,
        rejected_before: Option<&Table>,
        rules: &[Rule],
        (width, height): (usize, usize),
    ) -> Result<Joined, StageError> {
        // Place among the judged rows of each expansive isophote.
        let judged: BTreeMap<usize, usize> = self.holding.iter().enumerate().map(|(row, &e)| (e, row)).collect();
        let removed_by = |e: usize| judged.get(&e).and_then(|&row| self.divided.culled.removed_by[row]);
        // The expansive isophote that takes each root with it.
        let taken: Vec<Option<usize>> =
            self.pairs.of_root.iter().map(|e| e.filter(|&e| removed_by(e).is_some())).collect();

        let mut gathered = Gathered::default();
        let mut add = |isophote: &Isophote| gathered.push(Isophote { parent: None, ..isophote.clone() });
        let root_entries: Vec<usize> = self.roots.iter().map(|(_, i)| add(i)).collect();
        let before_entries: Vec<usize> = self.before.iter().map(|(_, i)| add(i)).collect();
        let entries: BTreeMap<usize, usize> = self.holding.iter().map(|&e| (e, add(self.candidates[e].1))).collect();
        let (isophotes, ids) = gathered.finish(width, height);

        let mut conservative_ids: BTreeMap<i64, usize> = BTreeMap::new();
        let listed = self.roots.iter().zip(&root_entries).chain(self.before.iter().zip(&before_entries));
        for ((old, _), &entry) in listed {
            if conservative_ids.insert(*old, ids[entry]).is_some() {
                return Err(StageError::data(format!("isophote {old} is in the inputs table and rejected, or twice"))
                    .with_help("wire table and rejected of one rules.cull"));
            }
        }
        let expansive_ids: BTreeMap<i64, usize> =
            self.holding.iter().map(|&e| (self.candidates[e].0, ids[entries[&e]])).collect();

        // By new id: whether the row is in the expansive sample, and its counterpart.
        let mut facts: BTreeMap<usize, (bool, Option<usize>)> = BTreeMap::new();
        for (root, &entry) in root_entries.iter().enumerate().filter(|&(root, _)| taken[root].is_none()) {
            let counterpart = self.pairs.of_root[root].map(|e| ids[entries[&e]]);
            facts.insert(ids[entry], (counterpart.is_none(), counterpart));
        }
        let n_conservative = facts.len();
        let n_without_counterpart = facts.values().filter(|(is_in, _)| *is_in).count();
        for &e in self.holding.iter().filter(|&&e| removed_by(e).is_none()) {
            let area = |root: usize| self.roots[root].1.signed_area().abs();
            let largest = self.pairs.contained[e]
                .iter()
                .copied()
                .filter(|&root| taken[root].is_none())
                .max_by(|&a, &b| {
                    let is_own = |root: usize| self.pairs.of_root[root] == Some(e);
                    is_own(a).cmp(&is_own(b)).then(area(a).total_cmp(&area(b))).then(b.cmp(&a))
                })
                .map(|root| ids[root_entries[root]]);
            facts.insert(ids[entries[&e]], (true, largest));
        }

        let is_free: Vec<bool> = taken.iter().map(Option::is_none).collect();
        let is_taken: Vec<bool> = is_free.iter().map(|free| !free).collect();
        let (mut rule, mut rule_values) = (Vec::new(), Vec::new());
        let values = self.divided.rejected.texts("rule_values").map_err(StageError::data)?;
        // Row of each removed expansive isophote among the rejected ones.
        let removed = self.holding.iter().filter(|&&e| removed_by(e).is_some());
        let rejected_row: BTreeMap<usize, usize> = removed.enumerate().map(|(row, &e)| (e, row)).collect();
        for e in taken.iter().flatten() {
            let name = removed_by(*e).map_or("", |index| rules[index].name.as_str());
            rule.push(format!("in expansive: {name}"));
            rule_values.push(format!("expansive {}: {}", ids[entries[e]], values[rejected_row[e]]));
        }

        let make = || -> Result<(Table, Table), TableError> {
            let conservative = in_sample(&table.filter(&is_free)?, CONSERVATIVE)?;
            let expansive = in_sample(&self.divided.kept, EXPANSIVE)?;
            let conservative = with_new_ids(&conservative, &conservative_ids)?;
            let expansive = with_new_ids(&expansive, &expansive_ids)?;
            let joined = with_facts(&stack_by_id(&[&conservative, &expansive])?, &facts)?;
            let taken = table.filter(&is_taken)?;
            let taken = with_rule_columns(&taken, rule, rule_values).map_err(|e| TableError::Shape(e.message))?;
            let taken = with_new_ids(&in_sample(&taken, CONSERVATIVE)?, &conservative_ids)?;
            let removed = with_new_ids(&in_sample(&self.divided.rejected, EXPANSIVE)?, &expansive_ids)?;
            let columns = joined.take(&[])?;
            let rejected = match rejected_before {
                Some(before) => {
                    let before = with_new_ids(&in_sample(before, CONSERVATIVE)?, &conservative_ids)?;
                    stack_by_id(&[&columns, &before, &taken, &removed])?
                }
                None => stack_by_id(&[&columns, &taken, &removed])?,
            };
            let no = BooleanArray::from(vec![false; rejected.n_rows()]);
            Ok((joined, rejected.replace_column("in_expansive", Arc::new(no))?))
        };
        let (table, rejected) = make().map_err(StageError::data)?;
        let n_expansive = self.divided.kept.n_rows();
        Ok(Joined { table, rejected, isophotes, n_conservative, n_expansive, n_without_counterpart })
    }
}

/// The rows with the name of their sample.
fn in_sample(table: &Table, sample: &str) -> Result<Table, TableError> {
    table.replace_column("sample", Arc::new(StringArray::from(vec![sample; table.n_rows()])))
}

/// Adds the columns [`ADDED`].
fn with_facts(table: &Table, facts: &BTreeMap<usize, (bool, Option<usize>)>) -> Result<Table, TableError> {
    let rows: Vec<(bool, Option<usize>)> = table
        .ints("id")?
        .into_iter()
        .map(|id| id.and_then(|id| facts.get(&usize::try_from(id).ok()?).copied()).unwrap_or((false, None)))
        .collect();
    let is_in: BooleanArray = rows.iter().map(|r| Some(r.0)).collect();
    let counterpart: Int64Array = rows.iter().map(|r| r.1.map(|id| id as i64)).collect();
    let [(in_expansive, _, in_doc), (counterpart_id, _, counterpart_doc)] = ADDED;
    table.with_column(in_expansive, "", in_doc, Arc::new(is_in))?.with_column(
        counterpart_id,
        "",
        counterpart_doc,
        Arc::new(counterpart),
    )
}
