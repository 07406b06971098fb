//! The stage `contour.expansive`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Isophote, Isophotes, Table};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::counterparts::{Outline, Relation, find_counterparts};
use super::join::{ADDED, Samples};
use crate::contour::numbering::{require_roots, rows_of, union_of};
use crate::measure::shape::check_shape;
use crate::rules::cull::{Rule, RuleList};

/// Joins the conservative sample with the expansive one: the same objects, drawn with the stars left in.
///
/// Step 9 of Miller et al. 2024 (sections 7.5 and 7.6). An expansive isophote, traced and measured on the residual from which only
/// foreground stars were removed, is kept when it contains a conservative root; the others are left out. The rules then
/// remove expansive isophotes, and with each the conservative roots whose counterpart it is: these are rejected with the rule
/// `in expansive: <rule>`.
///
/// The output holds the roots of both samples, told apart by `sample` (`conservative`, `expansive`). The expansive sample of the
/// paper are the rows with `in_expansive`: all expansive ones, and the conservative roots without counterpart. `counterpart_id` is, for a
/// conservative root, the expansive isophote that contains it (of several the one that holds its light centre, else the largest);
/// for an expansive isophote the largest conservative root that it contains.
///
/// All ids are new: both samples and all rejected rows lie in one isophote set, the output. Rows keep their columns; where one
/// sample lacks a column of the other, its rows are null. `contour.hierarchy` finds what is nested in the roots of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expansive {
    /// When an expansive isophote contains a conservative root: `intersect` when their polygons share a point, `light_centre` when the
    /// root's light centre lies in the expansive polygon. The published words leave both open.
    #[serde(default)]
    pub contains: Relation,
    /// Rules that remove expansive isophotes, in order: as in `rules.cull`, over the columns of the expansive table. The published method
    /// applies rule 4 (too sharp: bright stars), the default.
    #[serde(default = "default_rules")]
    pub rules: Vec<Rule>,
}

fn default_rules() -> Vec<Rule> {
    vec![Rule {
        name: "too sharp".to_owned(),
        remove_when: "r_light / r_geo < 0.2".to_owned(),
        doc: Some("Miller et al. 2024, section 7.5: rule 4 again".to_owned()),
    }]
}

impl Default for Expansive {
    fn default() -> Self {
        Self { contains: Relation::Intersect, rules: default_rules() }
    }
}

impl Expansive {
    /// The conservative roots.
    pub const ROOTS: In<Table> = In::new("table", "conservative roots: what the disposal rules kept");
    /// Their contours.
    pub const ISOPHOTES: In<Isophotes> =
        In::new("isophotes", "the contours that the ids of table and rejected point to");
    /// The expansive isophotes.
    pub const EXPANSIVE: In<Table> = In::new("expansive", "isophotes measured on the foreground-only residual");
    /// Their contours.
    pub const EXPANSIVE_ISOPHOTES: In<Isophotes> =
        In::new("expansive_isophotes", "the contours that the ids of expansive point to");
    /// What was rejected before.
    pub const REJECTED_BEFORE: Opt<Table> =
        Opt::new("rejected", "conservative rows that the disposal rules removed: passed on with new ids");
    /// The roots of both samples.
    pub const TABLE: Out<Table> = Out::new("table", "roots of both samples, in order of id");
    /// What was rejected.
    pub const REJECTED: Out<Table> = Out::new("rejected", "rows rejected before and here, in order of id");
    /// All contours.
    pub const ALL_ISOPHOTES: Out<Isophotes> = Out::new("isophotes", "the contours of both tables");
}

#[typetag::serde(name = "contour.expansive")]
impl Stage for Expansive {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::ROOTS)
            .input(&Self::ISOPHOTES)
            .input(&Self::EXPANSIVE)
            .input(&Self::EXPANSIVE_ISOPHOTES)
            .optional(&Self::REJECTED_BEFORE)
            .output(&Self::TABLE)
            .output(&Self::REJECTED)
            .output(&Self::ALL_ISOPHOTES)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        RuleList::new("rules", &self.rules).check(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shape(inputs, "isophotes", "expansive_isophotes", problems);
        let columns_at = |port: &str| TableFacet::from_facet(&inputs.get(port)).columns;
        let (roots, expansive) = (columns_at("table"), columns_at("expansive"));
        for (port, columns) in [("table", &roots), ("expansive", &expansive)] {
            let Some(columns) = columns else { continue };
            for name in ["id", "parent_id", "sample", "x_light", "y_light"] {
                if !columns.iter().any(|(known, _)| known == name) {
                    let expected = "the columns of measure.isophotes";
                    problems.input(port, format!("no column {name:?}"), expected).code("unknown-column");
                }
            }
            if let Some((name, ..)) = ADDED.iter().find(|(name, ..)| columns.iter().any(|(known, _)| known == name)) {
                problems
                    .input(port, format!("a column {name:?}"), "a table without it")
                    .help("contour.expansive adds this column; is this the table of another contour.expansive?");
            }
        }
        if let Some(expansive) = &expansive {
            RuleList::new("rules", &self.rules).check_columns(expansive, problems);
        }
        let both = roots.zip(expansive).map(|(roots, expansive)| {
            let added = ADDED.map(|(name, kind, _)| (name.to_owned(), kind));
            union_of([&roots[..], &expansive[..], &added[..]])
        });
        let rejected_before = match (inputs.is_wired("rejected"), columns_at("rejected")) {
            (false, _) => Some(Vec::new()),
            (true, columns) => columns,
        };
        let rejected = both.as_ref().zip(rejected_before).map(|(both, before)| {
            let rule = Rule::COLUMNS.map(|(name, _)| (name.to_owned(), ColumnKind::Text));
            union_of([&both[..], &before[..], &rule[..]])
        });
        outputs.set("table", TableFacet { columns: both }.to_facet());
        outputs.set("rejected", TableFacet { columns: rejected }.to_facet());
        let frame = ImageFacet::from_facet(&inputs.get("isophotes"));
        outputs.set("isophotes", frame.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let frame = ImageFacet::from_facet(&inputs.get("isophotes"));
        // Two sets of contours as `contour.trace` estimates them for one level; tables are small beside them.
        Demand { peak_bytes: 4 * frame.n_pixels() + (64 << 20), threads: frame.height.unwrap_or(0).div_ceil(64).max(1) }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::ROOTS)?;
        let isophotes = cx.input(&Self::ISOPHOTES)?;
        let expansive = cx.input(&Self::EXPANSIVE)?;
        let expansive_isophotes = cx.input(&Self::EXPANSIVE_ISOPHOTES)?;
        let rejected = cx.optional(&Self::REJECTED_BEFORE)?;
        let frame = (isophotes.width, isophotes.height);
        if (expansive_isophotes.width, expansive_isophotes.height) != frame {
            let (w, h) = (expansive_isophotes.width, expansive_isophotes.height);
            return Err(StageError::data(format!(
                "input \"expansive_isophotes\" is of an image of {w} x {h} pixels, \"isophotes\" of {} x {}",
                frame.0, frame.1
            ))
            .with_help("both samples must be drawn on residuals of one image"));
        }
        require_roots("table", &table)?;
        require_roots("expansive", &expansive)?;
        let roots = rows_of("table", &table, &isophotes)?;
        let candidates = rows_of("expansive", &expansive, &expansive_isophotes)?;
        let before = match &rejected {
            Some(rejected) => rows_of("rejected", rejected, &isophotes)?,
            None => Vec::new(),
        };

        let progress = cx.progress("isophotes", candidates.len() as u64);
        let go_on = || {
            progress.advance(1);
            !progress.is_cancelled()
        };
        let (root_outlines, outlines) = (outlines(&table, &roots)?, outlines(&expansive, &candidates)?);
        let pairs = cx
            .pool()
            .install(|| find_counterparts(&root_outlines, &outlines, self.contains, &go_on))
            .ok_or_else(StageError::cancelled)?;
        let holds_root: Vec<bool> = pairs.contained.iter().map(|list| !list.is_empty()).collect();
        let holding: Vec<usize> = (0..holds_root.len()).filter(|&e| holds_root[e]).collect();
        let divided =
            RuleList::new("rules", &self.rules).apply(&expansive.filter(&holds_root).map_err(StageError::data)?)?;
        let samples = Samples {
            roots: &roots,
            candidates: &candidates,
            before: &before,
            holding: &holding,
            pairs: &pairs,
            divided: &divided,
        };
        let joined = samples.join(&table, rejected.as_deref(), &self.rules, frame)?;
        cx.metric("n_conservative", joined.n_conservative as f64);
        cx.metric("n_expansive", joined.n_expansive as f64);
        cx.metric("n_without_counterpart", joined.n_without_counterpart as f64);
        cx.metric("n_expansive_without_root", (candidates.len() - holding.len()) as f64);
        cx.metric("n_rejected_expansive", divided.rejected.n_rows() as f64);
        cx.metric("n_rejected_conservative", (roots.len() - joined.n_conservative) as f64);
        cx.set(&Self::TABLE, joined.table);
        cx.set(&Self::REJECTED, joined.rejected);
        cx.set(&Self::ALL_ISOPHOTES, joined.isophotes);
        Ok(())
    }
}

fn outlines<'a>(table: &Table, rows: &[(i64, &'a Isophote)]) -> Result<Vec<Outline<'a>>, StageError> {
    let x = table.floats("x_light").map_err(StageError::data)?;
    let y = table.floats("y_light").map_err(StageError::data)?;
    let centres = x.into_iter().zip(y).map(|(x, y)| [x, y]);
    Ok(rows
        .iter()
        .zip(centres)
        .map(|((_, isophote), light_centre)| Outline { vertices: &isophote.vertices, light_centre })
        .collect())
}

register_stage!(Expansive, kind: "contour.expansive", example: "(contains: intersect)");
