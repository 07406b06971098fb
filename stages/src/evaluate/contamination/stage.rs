//! `evaluate.contamination`: the adapter.

use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, Isophotes, Table, TableBuilder};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Place, Problems, Signature, Stage, StageError, register_stage,
};

use super::blends::{Reading, expected_blends};
use super::neighbours::neighbour_scale;
use crate::evaluate::match_reference::match_regions;
use crate::evaluate::meets::Region;
use crate::io::write_regions::outlines;
use crate::rules::row_filter::RowFilter;

/// Estimates how many candidates are galaxies, and how many are blends of stars that lie together by chance.
///
/// Section 8.1 of Miller et al. 2024. Galaxies: candidates whose outline holds an entry of a list of galaxies, or, without
/// one, of the star catalogue's entries that are no stars (`galaxy_where`). Blends: of `n` stars on an area, `n (1 - exp(-n A /
/// area))` have another one within the blending area `A` by chance. The paper prints `A = pi s^2` with `s` = 0.34 arcsec, but
/// the result of `A = s^2`: both are given, never one alone. The blending scale `s` is measured: the separation below which
/// nearest neighbours in the catalogue fall under the Poisson expectation (8.1.2); `scale_arcsec` replaces it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contamination {
    /// Condition for the candidates that count, in the language of `rules.cull`: `"is_nan(parent_id)"`. Left out, all rows.
    #[serde(default, rename = "where")]
    pub condition: Option<String>,
    /// Entries of the star catalogue that are taken for galaxies where no list of galaxies is wired.
    ///
    /// The default is the cut of section 8.1.1, half a magnitude deeper than rule 5.
    #[serde(default = "default_galaxies")]
    pub galaxy_where: String,
    /// Entries of the star catalogue whose blends could pass for a candidate.
    ///
    /// The default is the range of the paper's blend count, 8 to 16.5 mag.
    #[serde(default = "default_blends")]
    pub blend_where: String,
    /// Blending scale. Left out, it is measured.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "arcsec"))]
    pub scale_arcsec: Option<f64>,
    /// Side of a pixel. Left out, that of the image at its centre.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "arcsec"))]
    pub pixel_scale_arcsec: Option<f64>,
    /// Area on which the stars lie. Left out, that of the image.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "deg2"))]
    pub area_deg2: Option<f64>,
    /// Parts of the field along each axis in which the density of stars is taken, for the Poisson expectation.
    ///
    /// One part takes clustering for pairs; with too many the density follows the pairs themselves.
    #[serde(default = "default_cells")]
    #[schemars(range(min = 1, max = 1000))]
    pub density_cells: usize,
    /// Share of the expectation under which neighbours count as missing.
    #[serde(default = "default_deficit")]
    #[schemars(range(min = 0.05, max = 0.95))]
    pub deficit: f64,
}

fn default_galaxies() -> String {
    "prob < 0.33 and sharp > 0.5 and mag < 16.5".to_owned()
}
fn default_blends() -> String {
    "mag >= 8 and mag <= 16.5".to_owned()
}
fn default_cells() -> usize {
    8
}
fn default_deficit() -> f64 {
    0.5
}

impl Default for Contamination {
    fn default() -> Self {
        Self {
            condition: None,
            galaxy_where: default_galaxies(),
            blend_where: default_blends(),
            scale_arcsec: None,
            pixel_scale_arcsec: None,
            area_deg2: None,
            density_cells: default_cells(),
            deficit: default_deficit(),
        }
    }
}

impl Contamination {
    /// The candidates.
    pub const TABLE: In<Table> = In::new("table", "candidates, with id");
    /// The outlines.
    pub const ISOPHOTES: In<Isophotes> = In::new("isophotes", "the contours that the ids point to");
    /// The stars.
    pub const STARS: In<Table> = In::new("stars", "star catalogue with x, y and the columns of the conditions");
    /// Galaxies.
    pub const GALAXIES: Opt<Table> = Opt::new("galaxies", "list of galaxies with x, y, instead of galaxy_where");
    /// The image.
    pub const IMAGE: Opt<Image> = Opt::new("image", "image whose world coordinates give the size of a pixel");
    /// The estimate.
    pub const ESTIMATE: Out<Table> = Out::new("table", "one row: counts, scale, and fractions of galaxies and blends");
    /// The neighbours.
    pub const NEIGHBOURS: Out<Table> =
        Out::new("neighbours", "one row per range of separations: r_low, r_high, n, expected, ratio");

    fn conditions(&self) -> [(&'static str, RowFilter<'_>); 3] {
        [
            ("table", RowFilter::new("where", self.condition.as_deref())),
            ("stars", RowFilter::new("galaxy_where", Some(&self.galaxy_where))),
            ("stars", RowFilter::new("blend_where", Some(&self.blend_where))),
        ]
    }
}

const COLUMNS: [(&str, ColumnKind); 15] = [
    ("n_candidates", ColumnKind::Int),
    ("n_galaxies", ColumnKind::Int),
    ("galaxy_fraction", ColumnKind::Float),
    ("n_listed_galaxies", ColumnKind::Int),
    ("n_stars", ColumnKind::Int),
    ("n_blend_stars", ColumnKind::Int),
    ("area_deg2", ColumnKind::Float),
    ("scale_arcsec", ColumnKind::Float),
    ("scale_measured_arcsec", ColumnKind::Float),
    ("scale_equivalent_arcsec", ColumnKind::Float),
    ("n_blends_circle", ColumnKind::Float),
    ("blend_fraction_circle", ColumnKind::Float),
    ("n_blends_square", ColumnKind::Float),
    ("blend_fraction_square", ColumnKind::Float),
    ("pixel_scale_arcsec", ColumnKind::Float),
];

const NEIGHBOUR_COLUMNS: [&str; 5] = ["r_low", "r_high", "n", "expected", "ratio"];

#[typetag::serde(name = "evaluate.contamination")]
impl Stage for Contamination {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::TABLE)
            .input(&Self::ISOPHOTES)
            .input(&Self::STARS)
            .optional(&Self::GALAXIES)
            .optional(&Self::IMAGE)
            .output(&Self::ESTIMATE)
            .output(&Self::NEIGHBOURS)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        for (_, filter) in self.conditions() {
            filter.check(problems);
        }
        let sizes = [
            ("scale_arcsec", self.scale_arcsec),
            ("pixel_scale_arcsec", self.pixel_scale_arcsec),
            ("area_deg2", self.area_deg2),
        ];
        for (name, value) in sizes {
            if let Some(value) = value {
                problems.require_positive(name, value);
            }
        }
        if !(1..=1000).contains(&self.density_cells) {
            problems.param("density_cells", self.density_cells, "1 to 1000");
        }
        problems.require_range("deficit", self.deficit, 0.05, 0.95);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let columns = |port: &str| TableFacet::from_facet(&inputs.get(port)).columns;
        let is_listed = inputs.is_wired("galaxies");
        for (i, (port, filter)) in self.conditions().into_iter().enumerate() {
            // The condition for galaxies is not used beside a list of them.
            if let Some(columns) = columns(port).filter(|_| i != 1 || !is_listed) {
                filter.infer(&columns, problems);
            }
        }
        for (port, needed) in [("table", &["id"][..]), ("stars", &["x", "y"]), ("galaxies", &["x", "y"])] {
            if let Some(columns) = columns(port) {
                for name in needed.iter().filter(|name| !columns.iter().any(|c| c.0 == **name)) {
                    problems.input(port, format!("no column {name:?}"), "a table with it").code("unknown-column");
                }
            }
        }
        let has_wcs = inputs.is_wired("image") && ImageFacet::from_facet(&inputs.get("image")).has_wcs != Some(false);
        if self.pixel_scale_arcsec.is_none() && !has_wcs {
            let place = Place::Param("pixel_scale_arcsec".to_owned());
            let expected = "the size of a pixel, or an image with world coordinates";
            problems.push("missing-param", place, "nothing".to_owned(), expected);
        }
        let table = COLUMNS.map(|(n, k)| (n.to_owned(), k)).to_vec();
        outputs.set("table", TableFacet { columns: Some(table) }.to_facet());
        let kind = |n: &str| if n == "n" { ColumnKind::Int } else { ColumnKind::Float };
        let neighbours = NEIGHBOUR_COLUMNS.map(|n| (n.to_owned(), kind(n))).to_vec();
        outputs.set("neighbours", TableFacet { columns: Some(neighbours) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        // A catalogue of a million stars, its selections and their neighbours.
        Demand { peak_bytes: image.bytes() + (512 << 20), threads: 16 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let isophotes = cx.input(&Self::ISOPHOTES)?;
        let stars = cx.input(&Self::STARS)?;
        let image = cx.optional(&Self::IMAGE)?;
        let [(_, of_candidates), (_, of_galaxies), (_, of_blends)] = self.conditions();
        let candidates = of_candidates.apply(&*cx.input(&Self::TABLE)?)?;
        let galaxies = match cx.optional(&Self::GALAXIES)? {
            Some(list) => (*list).clone(),
            None => of_galaxies.apply(&stars)?,
        };
        let (width, height) = (isophotes.width as f64, isophotes.height as f64);
        let wcs = image.as_ref().and_then(|i| i.wcs.as_ref());
        let centre_scale = || wcs.map(|w| w.pixel_area_arcsec2((width - 1.0) / 2.0, (height - 1.0) / 2.0).sqrt());
        let scale = self.pixel_scale_arcsec.or_else(centre_scale).filter(|s| *s > 0.0).ok_or_else(|| {
            StageError::config("the size of a pixel is not known")
                .with_help("set pixel_scale_arcsec, or wire an image with world coordinates")
        })?;
        let area_arcsec2 = self.area_deg2.map_or(width * height * scale * scale, |a| a * 3600.0 * 3600.0);

        let outlines = outlines(&candidates, &isophotes)?;
        let vertices: Vec<&[[f64; 2]]> = outlines.iter().map(|o| &o.vertices[..]).collect();
        let points: Vec<Region<'_>> = positions(&galaxies, "galaxies")?
            .iter()
            .map(|p| Region::Circle { x: p[0], y: p[1], radius: 0.0 })
            .collect();
        let all = positions(&stars, "stars")?;
        let is_inside = |p: &&[f64; 2]| p[0] >= -0.5 && p[1] >= -0.5 && p[0] < width - 0.5 && p[1] < height - 0.5;
        let n_blend_stars = if self.area_deg2.is_some() {
            of_blends.apply(&stars)?.n_rows()
        } else {
            positions(&of_blends.apply(&stars)?, "stars")?.iter().filter(is_inside).count()
        };
        let (matches, measured) = cx.pool().install(|| {
            let matches = match_regions(&points, &vertices);
            (matches, neighbour_scale(&all, width, height, self.density_cells, self.deficit))
        });
        let n_candidates = candidates.n_rows();
        let n_galaxies = matches.is_matched.iter().filter(|m| **m).count();
        let used = self.scale_arcsec.unwrap_or(measured.scale * scale);
        if used.is_nan() {
            cx.warn("too few stars to measure the blending scale: set scale_arcsec");
        }
        let blends = |reading| expected_blends(n_blend_stars, area_arcsec2, used, reading);
        let (circle, square) = (blends(Reading::Circle), blends(Reading::Square));
        let share = |n: f64| if n_candidates > 0 { n / n_candidates as f64 } else { f64::NAN };
        cx.metric("galaxy_fraction", share(n_galaxies as f64));
        cx.metric("blend_fraction_circle", share(circle));
        cx.metric("blend_fraction_square", share(square));
        cx.metric("scale_measured_arcsec", measured.scale * scale);

        let int = |n: usize| vec![n as i64];
        let table = TableBuilder::new()
            .int("n_candidates", "", "candidates that count", int(n_candidates))
            .int("n_galaxies", "", "of these, with a galaxy inside", int(n_galaxies))
            .float("galaxy_fraction", "", "their share", vec![share(n_galaxies as f64)])
            .int("n_listed_galaxies", "", "entries that are taken for galaxies", int(galaxies.n_rows()))
            .int("n_stars", "", "entries of the star catalogue", int(stars.n_rows()))
            .int("n_blend_stars", "", "stars whose blends count", int(n_blend_stars))
            .float("area_deg2", "deg2", "area on which they lie", vec![area_arcsec2 / (3600.0 * 3600.0)])
            .float("scale_arcsec", "arcsec", "blending scale in use", vec![used])
            .float("scale_measured_arcsec", "arcsec", "measured blending scale", vec![measured.scale * scale])
            .float(
                "scale_equivalent_arcsec",
                "arcsec",
                "radius of the disc that lacks as many neighbours",
                vec![measured.equivalent * scale],
            )
            .float("n_blends_circle", "", "blends expected with A = pi s^2", vec![circle])
            .float("blend_fraction_circle", "", "their share of the candidates", vec![share(circle)])
            .float("n_blends_square", "", "blends expected with A = s^2", vec![square])
            .float("blend_fraction_square", "", "their share of the candidates", vec![share(square)])
            .float("pixel_scale_arcsec", "arcsec", "side of a pixel", vec![scale])
            .build()
            .map_err(StageError::data)?;
        let bins = &measured.bins;
        let floats = |f: &dyn Fn(usize) -> f64| (0..bins.len()).map(f).collect::<Vec<f64>>();
        let neighbours = TableBuilder::new()
            .float("r_low", "arcsec", "lower end of the separations", floats(&|i| bins[i].low * scale))
            .float("r_high", "arcsec", "upper end", floats(&|i| bins[i].high * scale))
            .int("n", "", "stars with their nearest neighbour there", bins.iter().map(|b| b.n as i64).collect())
            .float("expected", "", "of a Poisson field", floats(&|i| bins[i].expected))
            .float("ratio", "", "n / expected", floats(&|i| bins[i].n as f64 / bins[i].expected))
            .build()
            .map_err(StageError::data)?;
        cx.set(&Self::ESTIMATE, table);
        cx.set(&Self::NEIGHBOURS, neighbours);
        Ok(())
    }
}

fn positions(table: &Table, port: &str) -> Result<Vec<[f64; 2]>, StageError> {
    let column = |name: &str| table.floats(name).map_err(|e| StageError::config(format!("input {port:?}: {e}")));
    Ok(column("x")?.into_iter().zip(column("y")?).map(|(x, y)| [x, y]).collect())
}

register_stage!(Contamination, kind: "evaluate.contamination", example: r#"(where: "is_nan(parent_id)", pixel_scale_arcsec: 0.339)"#);
