//! `tables.concat_unique`: the adapter.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, Float64Array, Int64Array};
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::{Table, TableError, cell_text};
use skyloom_engine::{Context, Demand, Facets, FacetsOut, Many, Out, Place, Problems, Signature, Stage, StageError};

use super::matching::{Object, choose, near_pairs};
use crate::tables::stack::stacked_columns;

/// What tells that two rows are the same object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchBy {
    /// Their place on the sky: `ra`, `dec`.
    #[default]
    Sky,
    /// Their pixels in the frame of the parent that the images are parts of: needs `frames`.
    Pixel,
}

/// Which copy of an object stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    /// The one farthest from the edge of its image, where least is cut off: needs `frames`.
    #[default]
    Interior,
    /// The one whose column `primary` is true.
    Primary,
    /// The one of the first table.
    First,
}

/// Joins tables of overlapping images; an object that several of them have appears once.
///
/// Rows of different tables are the same object when they lie within a radius of each other: nearest pairs first, and never two
/// rows of one table, so that neighbours in a crowd stay apart. Rows keep their order, table after table; columns are joined as in
/// `tables.stack`. The result has `part`, the number of the table that a row comes from (0 is the first): `id` and what refers to
/// it count within a part. With `frames` it also has `edge_px`, the distance of `x`, `y` from the edge of the row's image.
///
/// With `group`, rows that share its value in one table stand or fall together: a root and what is nested in it. Their place is that
/// of the row whose `id` is that value. Rows without a place are kept, and counted in a warning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcatUnique {
    /// What tells that two rows are the same object.
    #[serde(default)]
    pub match_by: MatchBy,
    /// Farthest that two copies of an object lie apart on the sky.
    ///
    /// Too small, an object appears twice; too large, a neighbour that one image missed is taken for a copy. About the error of a
    /// centre.
    #[serde(default = "default_radius_arcsec")]
    #[schemars(range(min = 0.0, max = 3600.0), extend("x-unit" = "arcsec"))]
    pub radius_arcsec: f64,
    /// The same for `match_by: pixel`.
    #[serde(default = "default_radius_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub radius_px: f64,
    /// Which copy of an object stays; of equal ones that of the first table.
    #[serde(default)]
    pub keep: Winner,
    /// Column of truth values for `keep: primary`.
    #[serde(default = "default_primary")]
    pub primary: String,
    /// Columns that the copies of an object have in common, such as `sample`. A column that no table has is an error.
    #[serde(default)]
    pub same: Vec<String>,
    /// Column that tells which rows of a table belong together, such as `root_id`.
    #[serde(default)]
    pub group: Option<String>,
}

fn default_radius_arcsec() -> f64 {
    1.0
}
fn default_radius_px() -> f64 {
    3.0
}
fn default_primary() -> String {
    "detect_isPrimary".to_owned()
}

impl Default for ConcatUnique {
    fn default() -> Self {
        Self {
            match_by: MatchBy::Sky,
            radius_arcsec: default_radius_arcsec(),
            radius_px: default_radius_px(),
            keep: Winner::Interior,
            primary: default_primary(),
            same: Vec::new(),
            group: None,
        }
    }
}

impl ConcatUnique {
    /// The tables.
    pub const TABLES: Many<Table> = Many::new("tables", "tables of overlapping images");
    /// Their frames.
    pub const FRAMES: Many<Table> = Many::new(
        "frames",
        "one row per table, in the same order: width, height, x0, y0 of its image, as io.read_image and io.read_exposure give them",
    );
    /// The result.
    pub const TABLE: Out<Table> = Out::new("table", "all rows, every object once, with part and edge_px");

    fn needs_frames(&self) -> bool {
        self.match_by == MatchBy::Pixel || self.keep == Winner::Interior
    }

    /// Columns that every table must have.
    fn required(&self) -> Vec<(&str, ColumnKind)> {
        let mut list = match self.match_by {
            MatchBy::Sky => vec![("ra", ColumnKind::Float), ("dec", ColumnKind::Float)],
            MatchBy::Pixel => vec![("x", ColumnKind::Float), ("y", ColumnKind::Float)],
        };
        if self.keep == Winner::Interior && self.match_by == MatchBy::Sky {
            list.extend([("x", ColumnKind::Float), ("y", ColumnKind::Float)]);
        }
        if self.keep == Winner::Primary {
            list.push((&self.primary, ColumnKind::Bool));
        }
        if let Some(group) = &self.group {
            list.extend([(group.as_str(), ColumnKind::Int), ("id", ColumnKind::Int)]);
        }
        list
    }
}

/// Size of an image and its place in the frame of the parent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    size: [f64; 2],
    origin: [f64; 2],
}

impl Frame {
    fn read(table: &Table) -> Result<Self, StageError> {
        let one = |name: &str| match table.floats(name).map_err(bad_column)?.as_slice() {
            [value] if value.is_finite() => Ok(*value),
            other => Err(StageError::data(format!("frames: {name} has {} rows; expected one", other.len()))),
        };
        Ok(Self { size: [one("width")?, one("height")?], origin: [one("x0")?, one("y0")?] })
    }

    /// Distance from the nearest edge; pixels reach from -0.5 to half a pixel before the size.
    fn edge(&self, x: f64, y: f64) -> f64 {
        let far = |v: f64, size: f64| (v + 0.5).min(size - 0.5 - v);
        if x.is_nan() || y.is_nan() { f64::NAN } else { far(x, self.size[0]).min(far(y, self.size[1])) }
    }
}

fn bad_column(error: TableError) -> StageError {
    StageError::data(error).with_help("io.read_catalogue gives columns the names that are expected")
}

/// What the tables look like to the comparison.
struct Rows {
    objects: Vec<Object>,
    /// The object of every row, in order.
    of_row: Vec<usize>,
    edges: Option<Vec<f64>>,
    n_without_place: usize,
}

impl ConcatUnique {
    fn rows(&self, tables: &[Arc<Table>], frames: &[Frame]) -> Result<Rows, StageError> {
        let mut rows = Rows { objects: Vec::new(), of_row: Vec::new(), edges: None, n_without_place: 0 };
        for (part, table) in tables.iter().enumerate() {
            let numbers = |name: &str| table.floats(name).map_err(bad_column);
            let frame = frames.get(part);
            let xy = match frame {
                Some(_) => Some((numbers("x")?, numbers("y")?)),
                None => None,
            };
            let edges: Option<Vec<f64>> = frame
                .zip(xy.as_ref())
                .map(|(frame, (x, y))| x.iter().zip(y).map(|(&x, &y)| frame.edge(x, y)).collect());
            let places: Vec<[f64; 3]> = match (self.match_by, frame, &xy) {
                (MatchBy::Pixel, Some(frame), Some((x, y))) => {
                    x.iter().zip(y).map(|(x, y)| [x + frame.origin[0], y + frame.origin[1], 0.0]).collect()
                }
                _ => numbers("ra")?.into_iter().zip(numbers("dec")?).map(|(ra, dec)| unit_vector(ra, dec)).collect(),
            };
            let ranks: Vec<f64> = match (self.keep, &edges) {
                (Winner::Interior, Some(edges)) => edges.clone(),
                (Winner::Primary, _) => {
                    let is_primary = table.bools(&self.primary).map_err(bad_column)?;
                    is_primary.into_iter().map(|p| f64::from(u8::from(p))).collect()
                }
                _ => vec![0.0; table.n_rows()],
            };
            let columns: Vec<&dyn Array> =
                self.same.iter().filter_map(|name| table.batch().column_by_name(name).map(AsRef::as_ref)).collect();
            let kind = |row: usize| columns.iter().map(|c| cell_text(*c, row)).collect::<Vec<_>>().join("\u{1f}");
            let leaders = self.leaders(table)?;
            let mut number: BTreeMap<usize, usize> = BTreeMap::new();
            for (row, leader) in leaders.iter().enumerate() {
                let object = *number.entry(*leader).or_insert_with(|| {
                    rows.objects.push(Object {
                        table: part,
                        place: places[*leader],
                        kind: kind(*leader),
                        rank: ranks[*leader],
                    });
                    rows.objects.len() - 1
                });
                rows.of_row.push(object);
                rows.n_without_place += usize::from(!places[row].iter().all(|v| v.is_finite()));
            }
            if let Some(edges) = edges {
                rows.edges.get_or_insert_with(Vec::new).extend(edges);
            }
        }
        Ok(rows)
    }

    /// For each row the row that stands for its group: the one whose id is the group's value, else the first with that value. A row
    /// without a value stands for itself.
    fn leaders(&self, table: &Table) -> Result<Vec<usize>, StageError> {
        let Some(group) = &self.group else { return Ok((0..table.n_rows()).collect()) };
        let (groups, ids) = (table.ints(group).map_err(bad_column)?, table.ints("id").map_err(bad_column)?);
        let mut leader: BTreeMap<i64, usize> = BTreeMap::new();
        for (row, value) in groups.iter().enumerate() {
            if let Some(value) = value {
                leader.entry(*value).or_insert(row);
            }
        }
        for (row, id) in ids.iter().enumerate() {
            if let Some(id) = id.filter(|_| *id == groups[row]) {
                leader.insert(id, row);
            }
        }
        Ok(groups.iter().enumerate().map(|(row, g)| g.and_then(|g| leader.get(&g).copied()).unwrap_or(row)).collect())
    }
}

fn unit_vector(ra: f64, dec: f64) -> [f64; 3] {
    let (ra, dec) = (ra.to_radians(), dec.to_radians());
    [libm::cos(dec) * libm::cos(ra), libm::cos(dec) * libm::sin(ra), libm::sin(dec)]
}

#[typetag::serde(name = "tables.concat_unique")]
impl Stage for ConcatUnique {
    fn signature(&self) -> Signature {
        Signature::new().many(&Self::TABLES).many(&Self::FRAMES).output(&Self::TABLE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        problems.require_range("radius_arcsec", self.radius_arcsec, 0.0, 3600.0);
        problems.require_range("radius_px", self.radius_px, 0.0, 1e6);
        for (param, names) in [("same", self.same.as_slice()), ("primary", std::slice::from_ref(&self.primary))] {
            if names.iter().any(|name| name.trim().is_empty()) {
                problems.param(param, "an empty name", "names of columns");
            }
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let (n_tables, n_frames) = (inputs.all("tables").len(), inputs.all("frames").len());
        if n_tables == 0 {
            let place = Place::Input("tables".to_owned());
            problems.push("missing-input", place, "no tables".to_owned(), "one or more");
            return;
        }
        if n_frames != n_tables && (n_frames > 0 || self.needs_frames()) {
            let found = format!("{n_frames} frames for {n_tables} tables");
            problems
                .push(
                    "missing-input",
                    Place::Input("frames".to_owned()),
                    found,
                    "one frame per table, in the same order",
                )
                .help("wire the frame output of io.read_exposure, or set match_by: sky and keep: first");
        }
        for (_, facet) in inputs.all("tables") {
            let Some(columns) = TableFacet::from_facet(facet).columns else { continue };
            for (name, kind) in self.required() {
                let fits = |k: ColumnKind| k == kind || (kind == ColumnKind::Float && k == ColumnKind::Int);
                if !columns.iter().any(|(n, k)| n == name && fits(*k)) {
                    let found = format!("a table without a column {name:?} of {}", kind.name());
                    problems.input("tables", found, "a table that has it").code("unknown-column");
                }
            }
        }
        let mut columns = stacked_columns(inputs, problems);
        if let Some(columns) = &mut columns {
            for (i, name) in self.same.iter().enumerate() {
                if !columns.iter().any(|(n, _)| n == name) {
                    problems.param(&format!("same.{i}"), format!("{name:?}"), "a column of the tables");
                }
            }
            let made =
                [("part", ColumnKind::Int)].into_iter().chain((n_frames > 0).then_some(("edge_px", ColumnKind::Float)));
            for (name, kind) in made {
                if columns.iter().any(|(n, _)| n == name) {
                    problems.input("tables", format!("a column {name:?}"), "tables without it: it is made here");
                }
                columns.push((name.to_owned(), kind));
            }
        }
        outputs.set("table", TableFacet { columns }.to_facet());
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // A million rows with twenty columns, in and out, and what is compared.
        Demand { peak_bytes: 512 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let tables = cx.many(&Self::TABLES)?;
        if tables.is_empty() {
            return Err(StageError::config("no table is wired").with_help("wire at least one table to tables"));
        }
        let frames = cx.many(&Self::FRAMES)?.iter().map(|f| Frame::read(f)).collect::<Result<Vec<_>, _>>()?;
        if frames.len() != tables.len() && (!frames.is_empty() || self.needs_frames()) {
            return Err(StageError::config(format!("{} frames for {} tables", frames.len(), tables.len()))
                .with_help("wire one frame per table, in the same order"));
        }
        if let Some(name) = self.same.iter().find(|name| !tables.iter().any(|t| t.has_column(name))) {
            return Err(StageError::config(format!("same: no table has a column {name:?}")));
        }
        let rows = self.rows(&tables, &frames)?;
        cx.check_cancelled()?;
        let radius = match self.match_by {
            MatchBy::Pixel => self.radius_px,
            // The chord of the angle.
            MatchBy::Sky => 2.0 * libm::sin((self.radius_arcsec / 7200.0).to_radians()),
        };
        let pairs = near_pairs(&rows.objects, radius);
        cx.check_cancelled()?;
        let stays = choose(&rows.objects, &pairs);
        let keep: Vec<bool> = rows.of_row.iter().map(|&object| stays[object]).collect();

        let refs: Vec<&Table> = tables.iter().map(|t| &**t).collect();
        let parts = tables.iter().enumerate().flat_map(|(part, t)| std::iter::repeat_n(part as i64, t.n_rows()));
        let parts: Int64Array = parts.collect::<Vec<_>>().into();
        let mut table = Table::stack(&refs)
            .and_then(|t| t.with_column("part", "", "number of the table that the row comes from", Arc::new(parts)))
            .map_err(StageError::data)?;
        if let Some(edges) = rows.edges {
            let edges = Arc::new(Float64Array::from(edges));
            table = table
                .with_column("edge_px", "pix", "distance from the edge of the row's image", edges)
                .map_err(StageError::data)?;
        }
        let table = table.filter(&keep).map_err(StageError::data)?;
        if rows.n_without_place > 0 {
            cx.warn(format!("{} rows have no place and are compared with none", rows.n_without_place));
        }
        cx.metric("n_rows_in", keep.len() as f64);
        cx.metric("n_rows", table.n_rows() as f64);
        cx.metric("n_copies", stays.iter().filter(|stays| !**stays).count() as f64);
        cx.set(&Self::TABLE, table);
        Ok(())
    }
}

skyloom_engine::register_stage!(ConcatUnique, kind: "tables.concat_unique", example: r#"(radius_arcsec: 1.0, keep: first, same: ["sample"])"#);
