//! `contour.union`: the adapter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Isophotes, Table};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, Many, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::join::{Sample, join};
use crate::contour::numbering::union_of;
use crate::measure::shape::check_shapes;
use crate::rules::cull::Rule;

/// Joins samples of objects that were found in one image in different ways.
///
/// Tables, rejected tables and isophotes belong together in the order of their wires. A row whose contour touches that of a kept
/// row of an earlier sample is the same object again: it is rejected with the rule `known already`. All ids are new: kept and
/// rejected rows of all samples lie in one isophote set, the output. Rows keep their columns; where a sample lacks a column of
/// another, its rows are null. Objects must be roots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Union {}

impl Union {
    /// The objects.
    pub const TABLE: Many<Table> =
        Many::new("table", "objects of each sample; earlier samples count before later ones");
    /// What was rejected before.
    pub const REJECTED_BEFORE: Many<Table> =
        Many::new("rejected", "rejected rows of each sample, or nothing: passed on with new ids");
    /// The contours.
    pub const ISOPHOTES: Many<Isophotes> = Many::new("isophotes", "contours of each sample");
    /// All objects.
    pub const OUT: Out<Table> = Out::new("table", "objects of all samples, in order of id");
    /// All rejected rows.
    pub const REJECTED: Out<Table> = Out::new("rejected", "rows rejected before and here, in order of id");
    /// All contours.
    pub const ALL: Out<Isophotes> = Out::new("isophotes", "the contours of both tables");
}

#[typetag::serde(name = "contour.union")]
impl Stage for Union {
    fn signature(&self) -> Signature {
        Signature::new()
            .many(&Self::TABLE)
            .many(&Self::REJECTED_BEFORE)
            .many(&Self::ISOPHOTES)
            .output(&Self::OUT)
            .output(&Self::REJECTED)
            .output(&Self::ALL)
    }

    fn version(&self) -> u32 {
        1
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shapes(inputs, &["isophotes"], problems);
        let n = inputs.all("table").len();
        let (n_isophotes, n_rejected) = (inputs.all("isophotes").len(), inputs.all("rejected").len());
        if n_isophotes != n {
            problems.input("isophotes", format!("{n_isophotes} wires"), &format!("{n}, one for each table"));
        }
        if n_rejected != 0 && n_rejected != n {
            problems.input("rejected", format!("{n_rejected} wires"), &format!("none, or {n}: one for each table"));
        }
        let columns = |port: &str| -> Option<Vec<Vec<(String, ColumnKind)>>> {
            inputs.all(port).iter().map(|(_, facet)| TableFacet::from_facet(facet).columns).collect()
        };
        let kept = columns("table");
        let rule: Vec<_> = Rule::COLUMNS.iter().map(|(name, _)| ((*name).to_owned(), ColumnKind::Text)).collect();
        // The order in which the rows are stacked: per sample, what is known already, then what was rejected.
        let rejected = kept.clone().zip(columns("rejected")).map(|(kept, rejected)| {
            let mut lists: Vec<Vec<(String, ColumnKind)>> = Vec::new();
            for (i, list) in kept.into_iter().enumerate() {
                lists.push(union_of([&list[..], &rule[..]]));
                lists.extend(rejected.get(i).cloned());
            }
            union_of(lists.iter().map(Vec::as_slice))
        });
        let kept = kept.map(|kept| union_of(kept.iter().map(Vec::as_slice)));
        outputs.set("table", TableFacet { columns: kept }.to_facet());
        outputs.set("rejected", TableFacet { columns: rejected }.to_facet());
        let frame = inputs.all("isophotes").iter().map(|(_, f)| ImageFacet::from_facet(f)).find(|f| f.width.is_some());
        outputs.set("isophotes", frame.unwrap_or_default().to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let frame = ImageFacet::from_facet(&inputs.get("isophotes"));
        // Contours in and out, as `contour.trace` estimates them for one level; tables are small beside them.
        Demand { peak_bytes: 4 * frame.n_pixels() + (64 << 20), threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let tables = cx.many(&Self::TABLE)?;
        let rejected = cx.many(&Self::REJECTED_BEFORE)?;
        let isophotes = cx.many(&Self::ISOPHOTES)?;
        let n = tables.len();
        if n == 0 || isophotes.len() != n || (!rejected.is_empty() && rejected.len() != n) {
            return Err(StageError::config(format!(
                "{n} tables, {} isophote sets and {} rejected tables are wired; expected as many isophote sets as tables, and as \
                 many rejected tables or none",
                isophotes.len(),
                rejected.len()
            ))
            .with_help("wire table, isophotes and rejected of each sample in the same order"));
        }
        let frame = (isophotes[0].width, isophotes[0].height);
        if let Some(other) = isophotes.iter().find(|i| (i.width, i.height) != frame) {
            return Err(StageError::data(format!(
                "isophotes of an image of {} x {} pixels, and of one of {} x {}",
                frame.0, frame.1, other.width, other.height
            ))
            .with_help("all samples must be of one image"));
        }
        for (port, table) in tables.iter().map(|t| ("table", t)).chain(rejected.iter().map(|t| ("rejected", t))) {
            crate::contour::numbering::require_roots(port, table)?;
        }
        let samples: Vec<Sample<'_>> = (0..n)
            .map(|i| Sample {
                table: &tables[i],
                rejected: rejected.get(i).map(AsRef::as_ref),
                isophotes: &isophotes[i],
            })
            .collect();
        let joined = cx.pool().install(|| join(&samples, frame))?;
        cx.metric("n_objects", joined.table.n_rows() as f64);
        cx.metric("n_rejected", joined.rejected.n_rows() as f64);
        cx.metric("n_known_already", joined.n_known as f64);
        cx.set(&Self::OUT, joined.table);
        cx.set(&Self::REJECTED, joined.rejected);
        cx.set(&Self::ALL, joined.isophotes);
        Ok(())
    }
}

register_stage!(Union, kind: "contour.union", example: "()");
