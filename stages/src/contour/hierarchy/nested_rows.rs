//! Rules, tree and tables of nested isophotes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, UInt64Array};
use skyloom_data::{Image, Isophote, Isophotes, Table, TableError};
use skyloom_engine::StageError;

use super::trace_inside::Nested;
use crate::contour::numbering::{Gathered, rows_of, stack_by_id, with_new_ids};
use crate::measure::columns::{Row, candidate_table};
use crate::measure::{IsophoteMeasures, TreeNode, tree_of_survivors};
use crate::rules::cull::{Rule, RuleList, with_rule_columns};

/// A contour inside a root, with its measures and the local FWHM.
pub(super) struct NestedRow {
    /// Row of the root in its table.
    pub(super) root: usize,
    pub(super) nested: Nested<(IsophoteMeasures, f64)>,
}

/// The tables and the set of contours that they point into.
pub(super) struct Assembled {
    pub(super) table: Table,
    pub(super) rejected: Table,
    pub(super) isophotes: Isophotes,
    pub(super) n_nested: usize,
    pub(super) n_rejected: usize,
    pub(super) n_roots_with_nested: usize,
    pub(super) n_atomic: usize,
}

/// Columns that a nested isophote has from its root.
const INHERITED: [&str; 2] = ["sample", "in_expansive"];

/// Applies the rules to the nested isophotes, links what is left, and gives all isophotes one numbering.
///
/// `roots` are the ids and contours of the rows of `table`; `nested` holds the contours inside each of them.
pub(super) fn assemble(
    table: &Table,
    roots: &[(i64, &Isophote)],
    rejected_before: Option<&Table>,
    isophotes: &Isophotes,
    nested: Vec<Vec<NestedRow>>,
    image: &Image,
    rules: &[Rule],
) -> Result<Assembled, StageError> {
    // One list: the roots, then what is nested in each. Parents come before their children.
    let n_roots = roots.len();
    let mut rows: Vec<NestedRow> = Vec::with_capacity(nested.iter().map(Vec::len).sum());
    for mut inside in nested {
        let start = rows.len();
        inside.iter_mut().for_each(|row| row.nested.parent = row.nested.parent.map(|p| start + p));
        rows.extend(inside);
    }
    let shape = |level_sigma: f64, parent: Option<usize>| Isophote { level_sigma, parent, vertices: Vec::new() };
    let mut list: Vec<Isophote> = roots.iter().map(|(_, root)| shape(root.level_sigma, None)).collect();
    list.extend(rows.iter().map(|r| {
        let parent = r.nested.parent.map_or(r.root, |p| n_roots + p);
        shape(r.nested.level, Some(parent))
    }));
    let tree = Isophotes { width: isophotes.width, height: isophotes.height, contours: list };

    // The rules see the tree as it is before them.
    let mut is_kept = vec![true; tree.contours.len()];
    let before = survivors(&tree, &is_kept)?;
    let all: Vec<usize> = (0..rows.len()).collect();
    let judged = nested_table(&all, &rows, table, image, |i| before[n_roots + i], |entry| entry)?;
    let divided = RuleList::new("rules", rules).apply(&judged)?;
    for (i, removed) in divided.culled.removed_by.iter().enumerate() {
        is_kept[n_roots + i] = removed.is_none();
    }
    let after = survivors(&tree, &is_kept)?;

    // Final numbers: roots, what was rejected before, nested isophotes. Entries of roots and nested isophotes are those of
    // the list.
    let mut gathered = Gathered::default();
    for (_, root) in roots {
        gathered.push(Isophote { parent: None, ..(*root).clone() });
    }
    for (i, row) in rows.iter().enumerate() {
        let parent = match after[n_roots + i] {
            Some(node) => node.parent,
            None => nearest_kept(&tree, &is_kept, n_roots + i),
        };
        let vertices = row.nested.vertices.clone();
        gathered.push(Isophote { level_sigma: row.nested.level, parent, vertices });
    }
    let mut entries: BTreeMap<i64, usize> = BTreeMap::new();
    for (entry, (id, _)) in roots.iter().enumerate() {
        if entries.insert(*id, entry).is_some() {
            return Err(StageError::data(format!("isophote {id} is a root twice")));
        }
    }
    if let Some(rejected) = rejected_before {
        for (id, isophote) in rows_of("rejected", rejected, isophotes)? {
            let entry = gathered.push(Isophote { parent: None, ..isophote.clone() });
            if entries.insert(id, entry).is_some() {
                return Err(StageError::data(format!("isophote {id} is in the inputs table and rejected, or twice"))
                    .with_help("wire table and rejected of one node"));
            }
        }
    }
    let (set, ids) = gathered.finish(isophotes.width, isophotes.height);
    let new_ids: BTreeMap<i64, usize> = entries.iter().map(|(&old, &entry)| (old, ids[entry])).collect();

    let kept: Vec<usize> = (0..rows.len()).filter(|&i| is_kept[n_roots + i]).collect();
    let gone: Vec<usize> = (0..rows.len()).filter(|&i| !is_kept[n_roots + i]).collect();
    let node_of_gone = |i: usize| {
        let parent = nearest_kept(&tree, &is_kept, n_roots + i);
        Some(TreeNode { parent, root: rows[i].root, is_atomic: false })
    };
    let nested_kept = nested_table(&kept, &rows, table, image, |i| after[n_roots + i], |entry| ids[entry])?;
    let nested_gone = nested_table(&gone, &rows, table, image, node_of_gone, |entry| ids[entry])?;
    let texts = |name: &str| divided.rejected.texts(name).map_err(StageError::data);
    let nested_gone = with_rule_columns(&nested_gone, texts("rule")?, texts("rule_values")?)?;

    let atomic: BooleanArray = after[..n_roots].iter().map(|node| node.map(|n| n.is_atomic)).collect();
    let root_table = table.replace_column("is_atomic", Arc::new(atomic)).map_err(StageError::data)?;
    let join = || -> Result<(Table, Table), TableError> {
        let root_table = with_new_ids(&root_table, &new_ids)?;
        let joined = stack_by_id(&[&root_table, &nested_kept])?;
        let columns = joined.take(&[])?;
        let rejected = match rejected_before {
            Some(rejected) => stack_by_id(&[&columns, &with_new_ids(rejected, &new_ids)?, &nested_gone])?,
            None => stack_by_id(&[&columns, &nested_gone])?,
        };
        Ok((joined, rejected))
    };
    let (joined, rejected) = join().map_err(StageError::data)?;
    let mut has_nested = vec![false; n_roots];
    kept.iter().for_each(|&i| has_nested[rows[i].root] = true);
    Ok(Assembled {
        table: joined,
        rejected,
        isophotes: set,
        n_nested: kept.len(),
        n_rejected: gone.len(),
        n_roots_with_nested: has_nested.iter().filter(|h| **h).count(),
        n_atomic: after.iter().filter(|node| node.is_some_and(|n| n.is_atomic)).count(),
    })
}

fn survivors(tree: &Isophotes, is_kept: &[bool]) -> Result<Vec<Option<TreeNode>>, StageError> {
    tree_of_survivors(tree, is_kept).map_err(StageError::data)
}

/// The nearest kept ancestor; a root is always kept.
fn nearest_kept(tree: &Isophotes, is_kept: &[bool], mut i: usize) -> Option<usize> {
    while let Some(parent) = tree.contours[i].parent {
        if is_kept[parent] {
            return Some(parent);
        }
        i = parent;
    }
    None
}

/// The rows `which` of the nested isophotes as a table. `id_of` gives the id of an entry: roots come first, then nested isophotes.
fn nested_table(
    which: &[usize],
    rows: &[NestedRow],
    roots: &Table,
    image: &Image,
    node_of: impl Fn(usize) -> Option<TreeNode>,
    id_of: impl Fn(usize) -> usize,
) -> Result<Table, StageError> {
    let n_roots = roots.n_rows();
    let list: Vec<Row> = which
        .iter()
        .filter_map(|&i| {
            let node = node_of(i)?;
            let (measures, fwhm_local) = rows[i].nested.measures;
            let [x, y] = measures.light_centre;
            Some(Row {
                id: id_of(n_roots + i),
                node: TreeNode { parent: node.parent.map(&id_of), root: id_of(node.root), ..node },
                level_sigma: rows[i].nested.level,
                sky: image.wcs.as_ref().and_then(|wcs| wcs.pixel_to_icrs(x, y)),
                measures,
                fwhm_local,
            })
        })
        .collect();
    let mut table = candidate_table(&list, "").map_err(StageError::data)?;
    let from = UInt64Array::from_iter_values(which.iter().map(|&i| rows[i].root as u64));
    for name in INHERITED {
        let Some(column) = roots.batch().column_by_name(name) else { continue };
        let values = arrow::compute::take(column, &from, None).map_err(StageError::data)?;
        table = if table.has_column(name) {
            table.replace_column(name, values)
        } else {
            table.with_column(name, "", "", values)
        }
        .map_err(StageError::data)?;
    }
    Ok(table)
}
