//! `evaluate.match`: the adapter.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, Int64Array};
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, Isophotes, Table, TableBuilder, TableError};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Place, Problems, Signature, Stage, StageError, register_stage,
};

use super::algorithm::{last_steps, match_regions, steps};
use crate::evaluate::meets::Region;
use crate::io::write_regions::outlines;
use crate::rules::row_filter::RowFilter;

/// Unit of the reference's radii.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RadiusUnit {
    /// Pixels.
    Px,
    /// Arcseconds.
    #[default]
    Arcsec,
    /// Arcminutes.
    Arcmin,
    /// Degrees.
    Deg,
}

/// Compares candidates with another catalogue: which of its objects a candidate's outline meets, at every rule.
///
/// Section 8.2 of Miller et al. 2024: an object is recovered when the outline of a candidate and its circle, or its own
/// outline, have a point in common. With the rejected candidates wired, the fraction is given after every rule, so that one
/// sees which rule costs what. Objects whose centre lies outside the image, or nearer to its edge than `edge_distance_px`,
/// are listed but do not count.
///
/// The reference has `x`, `y` (zero-based pixels) or `ra`, `dec` (degrees; then an image with world coordinates is needed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchReference {
    /// Column with the radii of the reference's circles. Left out, all have `radius`.
    #[serde(default)]
    pub radius_column: Option<String>,
    /// Radius of objects without a value in `radius_column`, in `radius_unit`; 0 is a point.
    ///
    /// Too large a radius recovers objects by chance.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub radius: f64,
    /// Unit of the radii.
    #[serde(default)]
    pub radius_unit: RadiusUnit,
    /// Objects nearer to the edge of the image than this do not count: 75 where candidates are cut at 75 px.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub edge_distance_px: f64,
    /// Condition for the candidates that take part, kept and rejected, in the language of `rules.cull`:
    /// `"is_nan(parent_id) and sample == 'conservative'"`. Left out, all rows.
    #[serde(default, rename = "where")]
    pub condition: Option<String>,
    /// Condition for the objects of the reference that take part. Left out, all rows.
    #[serde(default)]
    pub reference_where: Option<String>,
}

impl MatchReference {
    /// The candidates that were kept.
    pub const TABLE: In<Table> = In::new("table", "candidates that were kept, with id");
    /// The candidates that were not.
    pub const REJECTED: Opt<Table> = Opt::new("rejected", "rejected candidates, with id, rule and rule_number");
    /// The rules.
    pub const ATTRITION: Opt<Table> =
        Opt::new("attrition", "the rules in order; without it only rules that removed something are known");
    /// The outlines.
    pub const ISOPHOTES: In<Isophotes> = In::new("isophotes", "the contours that the ids point to");
    /// The other catalogue.
    pub const REFERENCE: In<Table> = In::new("reference", "the other catalogue: x, y or ra, dec");
    /// Its outlines.
    pub const REFERENCE_ISOPHOTES: Opt<Isophotes> =
        Opt::new("reference_isophotes", "outlines of the reference, by its id; without them circles");
    /// The image.
    pub const IMAGE: Opt<Image> = Opt::new("image", "image whose world coordinates place ra, dec and radii");
    /// The objects.
    pub const MATCHED: Out<Table> = Out::new(
        "table",
        "the reference with match_x, match_y, match_radius, is_inside, n_matches, matched_id, last_step",
    );
    /// The fractions.
    pub const STEPS: Out<Table> = Out::new(
        "steps",
        "one row per rule: step, rule, n_candidates, n_matched, matched_fraction, n_reference, n_recovered, fraction",
    );

    fn filters(&self) -> [(&'static str, RowFilter<'_>); 2] {
        [
            ("table", RowFilter::new("where", self.condition.as_deref())),
            ("reference", RowFilter::new("reference_where", self.reference_where.as_deref())),
        ]
    }
}

const STEP_COLUMNS: [(&str, ColumnKind); 8] = [
    ("step", ColumnKind::Int),
    ("rule", ColumnKind::Text),
    ("n_candidates", ColumnKind::Int),
    ("n_matched", ColumnKind::Int),
    ("matched_fraction", ColumnKind::Float),
    ("n_reference", ColumnKind::Int),
    ("n_recovered", ColumnKind::Int),
    ("fraction", ColumnKind::Float),
];

const ADDED: [(&str, ColumnKind); 7] = [
    ("match_x", ColumnKind::Float),
    ("match_y", ColumnKind::Float),
    ("match_radius", ColumnKind::Float),
    ("is_inside", ColumnKind::Bool),
    ("n_matches", ColumnKind::Int),
    ("matched_id", ColumnKind::Int),
    ("last_step", ColumnKind::Int),
];

#[typetag::serde(name = "evaluate.match")]
impl Stage for MatchReference {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::TABLE)
            .optional(&Self::REJECTED)
            .optional(&Self::ATTRITION)
            .input(&Self::ISOPHOTES)
            .input(&Self::REFERENCE)
            .optional(&Self::REFERENCE_ISOPHOTES)
            .optional(&Self::IMAGE)
            .output(&Self::MATCHED)
            .output(&Self::STEPS)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        for (name, value) in [("radius", self.radius), ("edge_distance_px", self.edge_distance_px)] {
            if !(value >= 0.0 && value.is_finite()) {
                problems.param(name, value, "a finite number of 0 or more");
            }
        }
        for (_, filter) in self.filters() {
            filter.check(problems);
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        for (port, filter) in self.filters() {
            if let Some(columns) = TableFacet::from_facet(&inputs.get(port)).columns {
                filter.infer(&columns, problems);
            }
        }
        let has = |port: &str, names: &[&str]| {
            let columns = TableFacet::from_facet(&inputs.get(port)).columns?;
            Some(names.iter().all(|name| columns.iter().any(|c| c.0 == *name)))
        };
        for (port, needed) in [("table", &["id"][..]), ("rejected", &["id", "rule", "rule_number"])] {
            if has(port, needed) == Some(false) {
                problems.input(port, format!("a table without {}", needed.join(", ")), "the table of rules.cull");
            }
        }
        let has_pixels = has("reference", &["x", "y"]);
        if has_pixels == Some(false) {
            if has("reference", &["ra", "dec"]) == Some(false) {
                problems
                    .input("reference", "a table without positions", "columns x, y or ra, dec")
                    .help("read it with io.read_catalogue, which maps its columns");
            } else if !inputs.is_wired("image") {
                let place = Place::Input("image".to_owned());
                let expected = "an image with world coordinates, as the reference has no x, y";
                problems.push("missing-input", place, "nothing".to_owned(), expected);
            }
        }
        if self.radius_unit != RadiusUnit::Px
            && (self.radius > 0.0 || self.radius_column.is_some())
            && (!inputs.is_wired("image") || ImageFacet::from_facet(&inputs.get("image")).has_wcs == Some(false))
        {
            problems.param(
                "radius_unit",
                "radii on the sky and no image with world coordinates",
                "an image at port image, or px",
            );
        }
        if let (Some(column), Some(false)) =
            (&self.radius_column, self.radius_column.as_deref().and_then(|c| has("reference", &[c])))
        {
            let place = Place::Param("radius_column".to_owned());
            problems.push("unknown-column", place, format!("{column:?}"), "a column of the reference");
        }
        let columns = TableFacet::from_facet(&inputs.get("reference")).columns.map(|mut columns| {
            columns.extend(ADDED.map(|(n, k)| (n.to_owned(), k)));
            columns
        });
        outputs.set("table", TableFacet { columns }.to_facet());
        let columns = Some(STEP_COLUMNS.map(|(n, k)| (n.to_owned(), k)).to_vec());
        outputs.set("steps", TableFacet { columns }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        Demand { peak_bytes: image.bytes() + 4 * image.n_pixels() + (128 << 20), threads: 16 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let isophotes = cx.input(&Self::ISOPHOTES)?;
        let image = cx.optional(&Self::IMAGE)?;
        let [(_, of_candidates), (_, of_reference)] = self.filters();
        let kept = of_candidates.apply(&*cx.input(&Self::TABLE)?)?;
        let rejected = cx.optional(&Self::REJECTED)?.map(|t| of_candidates.apply(&t)).transpose()?;
        let attrition = cx.optional(&Self::ATTRITION)?;
        let reference = of_reference.apply(&*cx.input(&Self::REFERENCE)?)?;
        let other = cx.optional(&Self::REFERENCE_ISOPHOTES)?;

        let mut ids = kept.ints("id").map_err(StageError::config)?;
        let mut contours = outlines(&kept, &isophotes)?;
        let mut removed_at = vec![0_usize; kept.n_rows()];
        let mut rules: BTreeMap<usize, String> = BTreeMap::new();
        if let Some(rejected) = &rejected {
            ids.extend(rejected.ints("id").map_err(StageError::config)?);
            contours.extend(outlines(rejected, &isophotes)?);
            let numbers = rejected.ints("rule_number").map_err(StageError::config)?;
            let names = rejected.texts("rule").map_err(StageError::config)?;
            for (row, (number, name)) in numbers.into_iter().zip(names).enumerate() {
                let number = number.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).ok_or_else(|| {
                    StageError::data(format!("row {row} of the rejected table has no rule_number of 1 or more"))
                })?;
                removed_at.push(number);
                rules.insert(number, name);
            }
        }
        if let Some(attrition) = attrition {
            let numbers = attrition.ints("step").map_err(StageError::config)?;
            for (number, name) in numbers.into_iter().zip(attrition.texts("rule").map_err(StageError::config)?) {
                if let Some(number) = number.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0) {
                    rules.insert(number, name);
                }
            }
        }
        let n_rules = rules.keys().next_back().copied().unwrap_or(0);

        let circles = self.circles(&reference, image.as_deref())?;
        let others = other.as_ref().map(|o| outlines(&reference, o)).transpose()?;
        let regions: Vec<Region<'_>> = match &others {
            Some(others) => others.iter().map(|o| Region::Outline(&o.vertices)).collect(),
            None => circles.iter().map(|&[x, y, radius]| Region::Circle { x, y, radius }).collect(),
        };
        let edge = self.edge_distance_px;
        let inside = |v: f64, size: usize| v >= edge - 0.5 && v <= size as f64 - 0.5 - edge;
        let is_inside: Vec<bool> =
            circles.iter().map(|c| inside(c[0], isophotes.width) && inside(c[1], isophotes.height)).collect();
        let vertices: Vec<&[[f64; 2]]> = contours.iter().map(|c| &c.vertices[..]).collect();
        let matches = cx.pool().install(|| match_regions(&regions, &vertices));
        let found = steps(&matches, &removed_at, &is_inside, n_rules);
        let last = last_steps(&matches, &removed_at, n_rules);

        let n_reference = is_inside.iter().filter(|i| **i).count();
        cx.metric("n_reference", n_reference as f64);
        if let (Some(first), Some(end)) = (found.first(), found.last()) {
            cx.metric("n_detected", first.n_recovered as f64);
            cx.metric("n_recovered", end.n_recovered as f64);
        }
        let n_outside = is_inside.len() - n_reference;
        if n_outside > 0 {
            cx.metric("n_outside", n_outside as f64);
        }

        let share = |a: usize, b: usize| if b > 0 { a as f64 / b as f64 } else { f64::NAN };
        let ints = |values: Vec<usize>| values.into_iter().map(|v| v as i64).collect::<Vec<i64>>();
        let name = |step: usize| match step {
            0 => "input".to_owned(),
            n => rules.get(&n).cloned().unwrap_or_else(|| format!("rule {n}")),
        };
        let table = TableBuilder::new()
            .int("step", "", "number of the rule, 0 before any", ints((0..found.len()).collect()))
            .text("rule", "name of the rule", (0..found.len()).map(name).collect())
            .int("n_candidates", "", "candidates that are left", ints(found.iter().map(|s| s.n_candidates).collect()))
            .int("n_matched", "", "of these, with an object", ints(found.iter().map(|s| s.n_matched).collect()))
            .float(
                "matched_fraction",
                "",
                "share of the candidates with an object",
                found.iter().map(|s| share(s.n_matched, s.n_candidates)).collect(),
            )
            .int("n_reference", "", "objects that count", vec![n_reference as i64; found.len()])
            .int("n_recovered", "", "objects with a candidate", ints(found.iter().map(|s| s.n_recovered).collect()))
            .float(
                "fraction",
                "",
                "share of the objects with a candidate",
                found.iter().map(|s| share(s.n_recovered, n_reference)).collect(),
            )
            .build()
            .map_err(StageError::data)?;
        // Of several candidates the one that lasts longest, then the first.
        let end = |c: usize| if removed_at[c] == 0 { n_rules + 1 } else { removed_at[c] };
        let best =
            |list: &Vec<usize>| list.iter().copied().min_by_key(|&c| (usize::MAX - end(c), c)).and_then(|c| ids[c]);
        let matched_ids: Vec<Option<i64>> = matches.of_region.iter().map(best).collect();
        let added = add_columns(&reference, &circles, is_inside, &matches.of_region, matched_ids, &last);
        cx.set(&Self::MATCHED, added.map_err(StageError::data)?);
        cx.set(&Self::STEPS, table);
        Ok(())
    }
}

impl MatchReference {
    /// Centre and radius of each object in pixels.
    fn circles(&self, reference: &Table, image: Option<&Image>) -> Result<Vec<[f64; 3]>, StageError> {
        let wcs = image.and_then(|i| i.wcs.as_ref());
        let floats = |name: &str| reference.floats(name).map_err(StageError::config);
        let centres: Vec<(f64, f64)> = if reference.has_column("x") && reference.has_column("y") {
            floats("x")?.into_iter().zip(floats("y")?).collect()
        } else {
            let wcs = wcs.ok_or_else(|| {
                StageError::data("the reference has no x, y, and there is no image with world coordinates")
                    .with_help("wire the image of the candidates")
            })?;
            let sky = floats("ra")?.into_iter().zip(floats("dec")?);
            sky.map(|(ra, dec)| wcs.icrs_to_pixel(ra, dec).unwrap_or((f64::NAN, f64::NAN))).collect()
        };
        let radii = match &self.radius_column {
            Some(column) => floats(column)?,
            None => vec![f64::NAN; centres.len()],
        };
        let per_arcsec = match self.radius_unit {
            RadiusUnit::Px => None,
            RadiusUnit::Arcsec => Some(1.0),
            RadiusUnit::Arcmin => Some(60.0),
            RadiusUnit::Deg => Some(3600.0),
        };
        centres
            .into_iter()
            .zip(radii)
            .map(|((x, y), radius)| {
                let radius = if radius.is_finite() { radius.max(0.0) } else { self.radius };
                let scale = match (per_arcsec, wcs) {
                    _ if radius == 0.0 => 1.0,
                    (None, _) => 1.0,
                    (Some(factor), Some(wcs)) => factor / wcs.pixel_area_arcsec2(x, y).sqrt(),
                    (Some(_), None) => {
                        return Err(StageError::config("radii on the sky need an image with world coordinates")
                            .with_help("wire the image of the candidates, or give radii in px"));
                    }
                };
                Ok([x, y, radius * scale])
            })
            .collect()
    }
}

fn add_columns(
    reference: &Table,
    circles: &[[f64; 3]],
    is_inside: Vec<bool>,
    lists: &[Vec<usize>],
    matched_ids: Vec<Option<i64>>,
    last: &[Option<usize>],
) -> Result<Table, TableError> {
    let floats = |axis: usize| Arc::new(arrow::array::Float64Array::from_iter_values(circles.iter().map(|c| c[axis])));
    let n_matches = Int64Array::from_iter_values(lists.iter().map(|l| l.len() as i64));
    let last: Int64Array = last.iter().map(|s| s.map(|s| s as i64)).collect();
    reference
        .with_column("match_x", "pix", "column of the centre, zero-based", floats(0))?
        .with_column("match_y", "pix", "row of the centre, zero-based", floats(1))?
        .with_column("match_radius", "pix", "radius of the circle", floats(2))?
        .with_column("is_inside", "", "whether it counts", Arc::new(BooleanArray::from(is_inside)))?
        .with_column("n_matches", "", "candidates that it meets", Arc::new(n_matches))?
        .with_column(
            "matched_id",
            "",
            "id of the candidate that lasts longest",
            Arc::new(Int64Array::from(matched_ids)),
        )?
        .with_column("last_step", "", "last rule at which it is recovered; null: never detected", Arc::new(last))
}

register_stage!(MatchReference, kind: "evaluate.match", example: r#"(radius_column: "radius_arcsec", where: "is_nan(parent_id)")"#);
