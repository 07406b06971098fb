//! `evaluate.recovery`: the adapter.

use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::{Isophotes, Table, TableBuilder, TableError};
use skyloom_engine::{
    Context, Deliverable, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError,
    register_stage,
};

use crate::rules::row_filter::RowFilter;

use super::algorithm::{Cell, Recovered, half_completeness, median_and_scatter, recovery};
use super::drawing::draw_recovery;
use super::matching::{Found, Planted};
use super::params::Recovery;

impl Recovery {
    /// What was planted.
    pub const TRUTH: In<Table> = In::new("truth", "Planted objects: x, y, mag, r_half and, if known, kind.");
    /// What was found.
    pub const CANDIDATES: In<Table> =
        In::new("table", "Candidates: x_light, y_light (or x, y), r_geo and, if known, id, parent_id and a magnitude.");
    /// Their outlines.
    pub const ISOPHOTES: Opt<Isophotes> =
        Opt::new("isophotes", "Contours that the column id indexes; without them a circle of r_geo stands in.");
    /// What is found without planted objects.
    pub const REFERENCE: Opt<Table> =
        Opt::new("reference", "Candidates of the image without planted objects; what lies on one does not count.");
    /// Completeness.
    pub const TABLE: Out<Table> =
        Out::new("table", "Completeness and magnitude bias per bin of magnitude, and of magnitude and radius.");
    /// Object by object.
    pub const MATCHES: Out<Table> = Out::new("matches", "Every planted object with the candidate that recovers it.");
    /// The plot.
    pub const FILE: Out<Deliverable> = Out::new("file", "PNG of completeness and magnitude bias against magnitude.");
}

const CELL_COLUMNS: [(&str, ColumnKind); 12] = [
    ("mag_low", ColumnKind::Float),
    ("mag_high", ColumnKind::Float),
    ("r_low", ColumnKind::Float),
    ("r_high", ColumnKind::Float),
    ("n", ColumnKind::Int),
    ("n_recovered", ColumnKind::Int),
    ("completeness", ColumnKind::Float),
    ("completeness_low", ColumnKind::Float),
    ("completeness_high", ColumnKind::Float),
    ("n_mag", ColumnKind::Int),
    ("mag_bias", ColumnKind::Float),
    ("mag_scatter", ColumnKind::Float),
];

#[typetag::serde(name = "evaluate.recovery")]
impl Stage for Recovery {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::TRUTH)
            .input(&Self::CANDIDATES)
            .optional(&Self::ISOPHOTES)
            .optional(&Self::REFERENCE)
            .output(&Self::TABLE)
            .output(&Self::MATCHES)
            .output(&Self::FILE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        self.check_params(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let mut require = |port: &str, names: &[&str]| {
            let Some(columns) = TableFacet::from_facet(&inputs.get(port)).columns else { return };
            for name in names {
                if !columns.iter().any(|(n, _)| n == name) {
                    problems.input(port, format!("a table without the column {name:?}"), "a table that has it");
                }
            }
        };
        require(Self::TRUTH.name, &["x", "y", "mag", "r_half"]);
        require(Self::CANDIDATES.name, &["r_geo"]);
        if inputs.is_wired(Self::REFERENCE.name) {
            require(Self::REFERENCE.name, &["r_geo"]);
        }
        if inputs.is_wired(Self::ISOPHOTES.name) {
            require(Self::CANDIDATES.name, &["id"]);
        }
        if let Some(name) = &self.mag_column {
            require(Self::CANDIDATES.name, &[name]);
        }
        if let Some(columns) = TableFacet::from_facet(&inputs.get(Self::CANDIDATES.name)).columns {
            RowFilter::new("where", self.condition.as_deref()).infer(&columns, problems);
        }
        let columns = CELL_COLUMNS.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
        outputs.set(Self::TABLE.name, TableFacet { columns: Some(columns) }.to_facet());
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // Tables of some 10,000 rows, and a picture of a megapixel.
        Demand { peak_bytes: 64 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (truth, table) = (cx.input(&Self::TRUTH)?, cx.input(&Self::CANDIDATES)?);
        let (isophotes, before) = (cx.optional(&Self::ISOPHOTES)?, cx.optional(&Self::REFERENCE)?);
        let (rows, objects) = read_truth(&truth, self.kind.as_deref()).map_err(|e| named("truth", &e))?;
        let mag = self.mag_column.as_deref();
        let table = RowFilter::new("where", self.condition.as_deref()).apply(&table)?;
        let candidates = read_candidates(&table, isophotes.as_deref(), mag).map_err(|e| named("table", &e))?;
        let reference = match &before {
            Some(table) => read_candidates(table, None, None).map_err(|e| named("reference", &e))?,
            None => Vec::new(),
        };
        cx.check_cancelled()?;
        let (results, cells) = recovery(self, &objects, &candidates, &reference);

        let counted = || results.iter().filter(|r| !r.is_left_out);
        let (n, n_recovered) = (counted().count(), counted().filter(|r| r.found.is_some()).count());
        let mut offsets: Vec<f64> = counted().map(|r| r.mag_offset).filter(|v| v.is_finite()).collect();
        cx.metric("n_planted", objects.len() as f64);
        cx.metric("n_recovered", n_recovered as f64);
        cx.metric("n_left_out", (objects.len() - n) as f64);
        if n > 0 {
            cx.metric("completeness", n_recovered as f64 / n as f64);
        } else {
            cx.warn("no planted object counts: there is no completeness");
        }
        if !offsets.is_empty() {
            cx.metric("mag_bias", median_and_scatter(&mut offsets).0);
        }
        if let Some(mag) = half_completeness(&cells) {
            cx.metric("mag_50", mag);
        }
        cx.set(&Self::TABLE, cell_table(&cells).map_err(StageError::data)?);
        cx.set(&Self::MATCHES, match_table(&truth, &rows, &results, &candidates).map_err(StageError::data)?);
        let png = draw_recovery(&cells, &self.title).map_err(StageError::data)?;
        cx.set(&Self::FILE, Deliverable::new("png", png));
        Ok(())
    }
}

fn named(port: &str, error: &TableError) -> StageError {
    StageError::data(format!("the table at {port:?}: {error}"))
}

/// Planted objects of a kind, and which rows they are.
fn read_truth(table: &Table, kind: Option<&str>) -> Result<(Vec<bool>, Vec<Planted>), TableError> {
    let is_wanted: Vec<bool> = match kind.filter(|_| table.has_column("kind")) {
        Some(kind) => table.texts("kind")?.iter().map(|k| k == kind).collect(),
        None => vec![true; table.n_rows()],
    };
    let (x, y) = (table.floats("x")?, table.floats("y")?);
    let (mag, r_half) = (table.floats("mag")?, table.floats("r_half")?);
    let objects = (0..table.n_rows())
        .filter(|i| is_wanted[*i])
        .map(|i| Planted { x: x[i], y: y[i], mag: mag[i], r_half: r_half[i] })
        .collect();
    Ok((is_wanted, objects))
}

/// Root candidates.
fn read_candidates<'a>(
    table: &Table,
    isophotes: Option<&'a Isophotes>,
    mag_column: Option<&str>,
) -> Result<Vec<Found<'a>>, TableError> {
    let centre = |light: &str, plain: &str| table.floats(if table.has_column(light) { light } else { plain });
    let (x, y, r_geo) = (centre("x_light", "x")?, centre("y_light", "y")?, table.floats("r_geo")?);
    let mag = mag_column.map(|name| table.floats(name)).transpose()?;
    let id = if table.has_column("id") { Some(table.ints("id")?) } else { None };
    let parent = if table.has_column("parent_id") { Some(table.ints("parent_id")?) } else { None };
    let mut found = Vec::new();
    for i in 0..table.n_rows() {
        if parent.as_ref().is_some_and(|p| p[i].is_some()) {
            continue;
        }
        let id = match &id {
            Some(id) => id[i].unwrap_or(-1),
            None => i as i64,
        };
        let contour = match isophotes {
            None => None,
            Some(all) => {
                let contour = usize::try_from(id).ok().and_then(|k| all.contours.get(k));
                let missing =
                    || TableError::Column(format!("id {id} in row {i} is none of the {} contours", all.contours.len()));
                Some(contour.ok_or_else(missing)?)
            }
        };
        let mag = mag.as_ref().map_or(f64::NAN, |m| m[i]);
        found.push(Found { id, x: x[i], y: y[i], mag, r_geo: r_geo[i], contour });
    }
    Ok(found)
}

fn cell_table(cells: &[Cell]) -> Result<Table, TableError> {
    let of = |f: &dyn Fn(&Cell) -> f64| cells.iter().map(f).collect::<Vec<f64>>();
    let count = |f: &dyn Fn(&Cell) -> usize| cells.iter().map(|c| f(c) as i64).collect::<Vec<i64>>();
    TableBuilder::new()
        .float("mag_low", "mag", "true magnitude from", of(&|c| c.mag_low))
        .float("mag_high", "mag", "true magnitude below", of(&|c| c.mag_high))
        .float("r_low", "px", "half-light radius from", of(&|c| c.r_low))
        .float("r_high", "px", "half-light radius below; infinite over all radii", of(&|c| c.r_high))
        .int("n", "", "planted objects", count(&|c| c.n))
        .int("n_recovered", "", "recovered objects", count(&|c| c.n_recovered))
        .float("completeness", "", "recovered part; NaN for an empty bin", of(&Cell::completeness))
        .float("completeness_low", "", "lower end of Wilson's interval", of(&|c| c.interval.0))
        .float("completeness_high", "", "upper end of Wilson's interval", of(&|c| c.interval.1))
        .int("n_mag", "", "recovered objects with a magnitude", count(&|c| c.n_mag))
        .float("mag_bias", "mag", "median of measured minus true magnitude", of(&|c| c.mag_bias))
        .float("mag_scatter", "mag", "1.4826 times its median absolute deviation", of(&|c| c.mag_scatter))
        .build()
}

fn match_table(
    truth: &Table,
    rows: &[bool],
    results: &[Recovered],
    candidates: &[Found<'_>],
) -> Result<Table, TableError> {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array, Int64Array};
    let of = |f: &dyn Fn(&Recovered) -> f64| Arc::new(Float64Array::from(results.iter().map(f).collect::<Vec<_>>()));
    let ids: Vec<Option<i64>> = results.iter().map(|r| r.found.map(|(i, _)| candidates[i].id)).collect();
    let is_recovered: Vec<bool> = results.iter().map(|r| r.found.is_some()).collect();
    let is_left_out: Vec<bool> = results.iter().map(|r| r.is_left_out).collect();
    truth
        .filter(rows)?
        .with_column("is_recovered", "", "whether a candidate recovers it", Arc::new(BooleanArray::from(is_recovered)))?
        .with_column(
            "is_left_out",
            "",
            "whether it lies on a reference candidate",
            Arc::new(BooleanArray::from(is_left_out)),
        )?
        .with_column("candidate_id", "", "the candidate", Arc::new(Int64Array::from(ids)))?
        .with_column("distance", "px", "distance of its light centre", of(&|r| r.found.map_or(f64::NAN, |f| f.1)))?
        .with_column("mag_offset", "mag", "measured minus true magnitude", of(&|r| r.mag_offset))
}

register_stage!(Recovery, kind: "evaluate.recovery", example: r#"(mag_column: "mag_Ks", title: "planted clusters")"#);
