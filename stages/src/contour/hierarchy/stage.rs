//! The stage `contour.hierarchy`.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, Isophote, Isophotes, PsfField, Table};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::nested_rows::{NestedRow, assemble};
use super::regions::{Window, regions_above};
use super::trace_inside::{NestedOptions, trace_inside};
use crate::contour::marching::Saddle;
use crate::contour::numbering::{require_roots, rows_of, union_of};
use crate::contour::signal::fill_signal_to_noise;
use crate::measure::columns::candidate_columns;
use crate::measure::fwhm::{local_fwhm, require_fwhm};
use crate::measure::shape::{check_shape, require_shape};
use crate::measure::{BoxIndex, LightRadius, MeasureOptions, measure_isophote, polygon};
use crate::rules::cull::{Rule, RuleList};

/// Finds the isophotes nested in each root, and links the tree.
///
/// Step 8 of Miller et al. 2024 (section 7.4): inside each root, contours of image / noise at `first_sigma`, then `step_sigma` higher and
/// so on until none is left. A contour is inside the root whose polygon holds its light centre. Contours are measured as `measure.isophotes`
/// does; those large enough go through the rules. Wire the residual from which only foreground stars were removed: the
/// stars of a cluster are its structure.
///
/// The parent of a nested isophote is the one of the highest lower level that contains it, the root if there is no
/// other. An isophote is atomic when it contains at most one isophote at every higher level and its parent does not: one per chain, the
/// lowest; a root without children is atomic.
///
/// All ids are new: roots, rejected rows and nested isophotes lie in one isophote set, the output. Roots keep all
/// their columns; nested rows have the measures, `sample` and `in_expansive` of their root, and null in other columns
/// (`photometry.isophotal` with `fill` fills those of the bands). `rejected` passes on the rows of the input of that name
/// and adds the nested isophotes that a rule removed. Work is done in cut-outs around the roots, with the result of tracing the whole image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hierarchy {
    /// Lowest level in units of the local noise, above that of the roots. 10 in the published method.
    #[serde(default = "default_first")]
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub first_sigma: f64,
    /// Distance between levels in units of the local noise. 5 in the published method; small steps make long chains of
    /// nearly equal isophotes and take longer.
    #[serde(default = "default_step")]
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub step_sigma: f64,
    /// Most levels. The default is never reached by real images (50,000 sigma); it stops at images whose noise map is
    /// wrong, with a warning.
    #[serde(default = "default_max_levels")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_levels: usize,
    /// FWHM of the PSF in pixels, used everywhere instead of a PSF field; required when no PSF field is wired.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub fwhm_px: Option<f64>,
    /// Nested isophotes must have a geometric radius above this, in units of the local FWHM. 2 in the published method; below 1.5 the stars
    /// of a cluster count as its parts.
    #[serde(default = "default_min_r_geo_fwhm")]
    #[schemars(range(min = 0.0), extend("x-unit" = "FWHM"))]
    pub min_r_geo_fwhm: f64,
    /// Definition of `r_light`: as in the node that measured the roots.
    #[serde(default)]
    pub light_radius: LightRadius,
    /// Semi-axes in units of the roots of the inertia tensor's eigenvalues: as in the node that measured the roots.
    #[serde(default = "default_axis_scale")]
    #[schemars(range(min = 0.0))]
    pub axis_scale: f64,
    /// What a cell joins in which two diagonal pixels are above the level: `low` cuts the high pixels apart, `high` joins
    /// them.
    #[serde(default)]
    pub saddle: Saddle,
    /// Rules that remove nested isophotes, in order: as in `rules.cull`, over the columns of the measures. The published method applies rules 1
    /// (smaller than the PSF) and 4 (too sharp) here, the default.
    #[serde(default = "default_rules")]
    pub rules: Vec<Rule>,
}

fn default_first() -> f64 {
    10.0
}

fn default_step() -> f64 {
    5.0
}

fn default_max_levels() -> usize {
    10_000
}

fn default_min_r_geo_fwhm() -> f64 {
    2.0
}

fn default_axis_scale() -> f64 {
    1.0
}

fn default_rules() -> Vec<Rule> {
    let rule = |name: &str, remove_when: &str, doc: &str| Rule {
        name: name.to_owned(),
        remove_when: remove_when.to_owned(),
        doc: Some(doc.to_owned()),
    };
    vec![
        rule("too small", "r_light < fwhm_local", "Miller et al. 2024, section 7.3, rule 1"),
        rule("too sharp", "r_light / r_geo < 0.2", "Miller et al. 2024, section 7.3, rule 4"),
    ]
}

impl Default for Hierarchy {
    fn default() -> Self {
        Self {
            first_sigma: default_first(),
            step_sigma: default_step(),
            max_levels: default_max_levels(),
            fwhm_px: None,
            min_r_geo_fwhm: default_min_r_geo_fwhm(),
            light_radius: LightRadius::Mean,
            axis_scale: default_axis_scale(),
            saddle: Saddle::Low,
            rules: default_rules(),
        }
    }
}

impl Hierarchy {
    /// The roots.
    pub const ROOTS: In<Table> =
        In::new("table", "roots: candidates without parent, with the columns of measure.isophotes");
    /// The contours of the roots.
    pub const ISOPHOTES: In<Isophotes> = In::new("isophotes", "the contours that the ids of the roots point to");
    /// The image.
    pub const IMAGE: In<Image> =
        In::new("image", "background-subtracted image whose structure is traced: the foreground-only residual");
    /// The noise.
    pub const NOISE: In<Image> = In::new("noise", "noise map");
    /// The PSF.
    pub const PSF: Opt<PsfField> = Opt::new("psf", "PSF field: gives the local FWHM unless fwhm_px is set");
    /// What was rejected before.
    pub const REJECTED_BEFORE: Opt<Table> =
        Opt::new("rejected", "rows that were rejected before, with ids of the same isophotes: passed on with new ids");
    /// Roots and nested isophotes.
    pub const TABLE: Out<Table> = Out::new("table", "roots and nested isophotes, in order of id");
    /// What was rejected.
    pub const REJECTED: Out<Table> =
        Out::new("rejected", "rows rejected before and nested isophotes that a rule removed, in order of id");
    /// All contours.
    pub const ALL_ISOPHOTES: Out<Isophotes> = Out::new("isophotes", "the contours of both tables");
}

#[typetag::serde(name = "contour.hierarchy")]
impl Stage for Hierarchy {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::ROOTS)
            .input(&Self::ISOPHOTES)
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .optional(&Self::PSF)
            .optional(&Self::REJECTED_BEFORE)
            .output(&Self::TABLE)
            .output(&Self::REJECTED)
            .output(&Self::ALL_ISOPHOTES)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        problems.require_positive("first_sigma", self.first_sigma);
        problems.require_positive("step_sigma", self.step_sigma);
        if self.max_levels == 0 || self.max_levels > 1_000_000 {
            problems.param("max_levels", self.max_levels, "from 1 to 1,000,000");
        }
        if let Some(fwhm) = self.fwhm_px {
            problems.require_positive("fwhm_px", fwhm);
        }
        problems.require_range("min_r_geo_fwhm", self.min_r_geo_fwhm, 0.0, f64::MAX);
        problems.require_positive("axis_scale", self.axis_scale);
        RuleList::new("rules", &self.rules).check(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shape(inputs, "image", "noise", problems);
        check_shape(inputs, "image", "isophotes", problems);
        require_fwhm(self.fwhm_px, inputs, problems);
        let measured = candidate_columns();
        RuleList::new("rules", &self.rules).check_columns(&measured, problems);
        let columns_at = |port: &str| TableFacet::from_facet(&inputs.get(port)).columns;
        let roots = columns_at("table");
        if let Some(roots) = &roots {
            for (name, _) in &measured {
                if !roots.iter().any(|(known, _)| known == name) {
                    let expected = "the columns of measure.isophotes";
                    problems.input("table", format!("no column {name:?}"), expected).code("unknown-column");
                }
            }
        }
        let rejected = match (inputs.is_wired("rejected"), columns_at("rejected")) {
            (false, _) => Some(Vec::new()),
            (true, rejected) => rejected,
        };
        let both = roots.as_ref().zip(rejected).map(|(roots, rejected)| {
            let added = Rule::COLUMNS.map(|(name, _)| (name.to_owned(), ColumnKind::Text));
            union_of([&roots[..], &rejected[..], &added[..]])
        });
        outputs.set("table", TableFacet { columns: roots }.to_facet());
        outputs.set("rejected", TableFacet { columns: both }.to_facet());
        let image = ImageFacet::from_facet(&inputs.get("image"));
        let frame = ImageFacet { width: image.width, height: image.height, ..ImageFacet::default() };
        outputs.set("isophotes", frame.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        // Contours of the roots as `contour.trace` estimates them for one level; cut-outs are read from the image, and hold contours alone.
        let noise = ImageFacet::from_facet(&inputs.get("noise")).bytes();
        let peak_bytes = image.bytes() + noise + image.n_pixels() / 2 + (64 << 20);
        Demand { peak_bytes, threads: image.height.unwrap_or(0).div_ceil(64).max(1) }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::ROOTS)?;
        let isophotes = cx.input(&Self::ISOPHOTES)?;
        let image = cx.input(&Self::IMAGE)?;
        let noise = cx.input(&Self::NOISE)?;
        let psf = cx.optional(&Self::PSF)?;
        let rejected = cx.optional(&Self::REJECTED_BEFORE)?;
        let frame = (isophotes.width, isophotes.height);
        require_shape("image", &image, frame)?;
        require_shape("noise", &noise, frame)?;
        require_roots("table", &table)?;
        let fwhm_at = local_fwhm(self.fwhm_px, psf.as_deref())?;
        let roots = rows_of("table", &table, &isophotes)?;
        let options = NestedOptions {
            first: self.first_sigma,
            step: self.step_sigma,
            max_levels: self.max_levels,
            saddle: self.saddle,
        };
        let measure = MeasureOptions { light_radius: self.light_radius, axis_scale: self.axis_scale };
        let mask = image.mask.as_ref().map(|m| m.view());
        let whole = Window { x0: 0, x1: frame.0, y0: 0, y1: frame.1 };
        let progress = cx.progress("roots", roots.len() as u64);
        let go_on = || !progress.is_cancelled();
        let fill = |y: usize, x0: usize, row: &mut [f64]| fill_signal_to_noise(&image, Some(&noise), y, x0, row);
        let traced = cx.pool().install(|| {
            let regions = regions_above(whole, self.first_sigma, &|y, row| fill(y, 0, row), &go_on)?;
            let index = BoxIndex::new(regions.iter().map(|r| Some(r.reach())));
            let one = |(root, (_, isophote)): (usize, &(i64, &Isophote))| {
                let polygon_of_root = &isophote.vertices[..];
                let judge = |level: f64, vertices: &[[f64; 2]]| {
                    // A root may be a contour of a high level itself: what is nested is higher.
                    if level <= isophote.level_sigma {
                        return None;
                    }
                    let m = measure_isophote(vertices, image.pixels.view(), Some(noise.pixels.view()), mask, &measure)?;
                    let [x, y] = m.light_centre;
                    let fwhm = fwhm_at(x, y);
                    let is_large = m.r_geo > self.min_r_geo_fwhm * fwhm;
                    (is_large && polygon::contains(polygon_of_root, x, y)).then_some((m, fwhm))
                };
                let Some(bounds) = polygon::bounds(polygon_of_root) else {
                    return Some((Vec::new(), false));
                };
                let near: Vec<Window> = index.reaching(bounds).into_iter().map(|i| regions[i]).collect();
                let traced = trace_inside(bounds, &near, whole, &options, &fill, &judge, &go_on)?;
                let rows: Vec<NestedRow> = traced.nested.into_iter().map(|nested| NestedRow { root, nested }).collect();
                progress.advance(1);
                Some((rows, traced.is_cut_short))
            };
            roots.par_iter().enumerate().map(one).collect::<Option<Vec<_>>>()
        });
        let traced = traced.ok_or_else(StageError::cancelled)?;
        let n_cut_short = traced.iter().filter(|(_, is_cut_short)| *is_cut_short).count();
        if n_cut_short > 0 {
            cx.warn(format!(
                "{n_cut_short} roots reach above the last of {} levels: what is nested higher was not traced; is the noise map right?",
                self.max_levels
            ));
        }
        let nested: Vec<Vec<NestedRow>> = traced.into_iter().map(|(rows, _)| rows).collect();
        let result = assemble(&table, &roots, rejected.as_deref(), &isophotes, nested, &image, &self.rules)?;
        cx.metric("n_roots", roots.len() as f64);
        cx.metric("n_nested", result.n_nested as f64);
        cx.metric("n_rejected_nested", result.n_rejected as f64);
        cx.metric("n_roots_with_nested", result.n_roots_with_nested as f64);
        cx.metric("n_atomic", result.n_atomic as f64);
        cx.set(&Self::TABLE, result.table);
        cx.set(&Self::REJECTED, result.rejected);
        cx.set(&Self::ALL_ISOPHOTES, result.isophotes);
        Ok(())
    }
}

register_stage!(Hierarchy, kind: "contour.hierarchy", example: "(first_sigma: 10.0, step_sigma: 5.0, min_r_geo_fwhm: 2.0)");
