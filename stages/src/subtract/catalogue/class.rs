//! The treatment of a star by its magnitude: the rows of the method's table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_engine::Problems;

/// Which models a class tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassModels {
    /// Tailored and average Moffat.
    Moffat,
    /// Tailored and average, Moffat and compound.
    All,
}

/// The treatment of stars up to a magnitude that are not saturated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StarRoute {
    /// Stars brighter than this that no row before took.
    #[schemars(extend("x-unit" = "mag"))]
    pub max_mag: f64,
    /// Side of the square cut-out that is read and subtracted, odd; the sizes of the paper's Table 1.
    ///
    /// Too small leaves wings around the star, too large costs time and subtracts wings that nobody measured.
    #[schemars(range(min = 3, max = 2001), extend("x-unit" = "px"))]
    pub cutout_px: usize,
    /// Connected pixels that make a detection in the cut-out.
    #[schemars(range(min = 1), extend("x-unit" = "px"))]
    pub detect_pixels: usize,
    /// Detection threshold in units of the local noise.
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub detect_sigma: f64,
    /// Pixels that a peak needs above its saddle to become a segment of its own.
    #[schemars(range(min = 1), extend("x-unit" = "px"))]
    pub deblend_pixels: usize,
    /// Share of the light that a segment needs to be kept apart: 0 keeps every peak apart, 1 none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub deblend_contrast: f64,
    /// Whether the pixels above the core level are left out of the fit and set to 0 afterwards.
    pub has_core: bool,
    /// Pixels that must remain outside the core; with fewer the star takes the `faint_route`.
    #[schemars(range(min = 0), extend("x-unit" = "px"))]
    pub min_pixels: usize,
    /// The models that are tried.
    pub models: ClassModels,
    /// How far shape parameters may leave the median of their cell, in units of the cell's scatter. Absent: free.
    ///
    /// Large values let a model swallow a small cluster; small ones leave rings where the PSF changes inside a cell.
    #[serde(default)]
    #[schemars(extend("x-unit" = "sigma"))]
    pub bound_sd: Option<f64>,
    /// How far the centre may move from the catalogue position, per axis.
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub centre_px: f64,
    /// Radii about the fitted centre within which the models are compared, for the brightest and the faintest star of
    /// the row, linear in magnitude between. Absent: the fitted pixels themselves.
    #[serde(default)]
    #[schemars(extend("x-unit" = "px"))]
    pub residual_radius_px: Option<(f64, f64)>,
    /// What happens to a star of this row without enough pixels outside its core. Absent: it is left alone.
    #[serde(default)]
    pub faint_route: Option<FaintRoute>,
    /// For a row without core: the smallest segment that is fitted as it is; a smaller one is replaced by a disc.
    #[serde(default)]
    #[schemars(extend("x-unit" = "px"))]
    pub min_segment_pixels: usize,
    /// Radius of that disc, for the brightest and the faintest star of the row.
    #[serde(default)]
    #[schemars(extend("x-unit" = "px"))]
    pub disc_radius_px: (f64, f64),
}

/// A star of a bright class that is fitted whole, like a faint one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaintRoute {
    /// The smallest segment that is fitted as it is; a smaller one is replaced by a disc.
    #[schemars(extend("x-unit" = "px"))]
    pub min_segment_pixels: usize,
    /// Radius of that disc, for the brightest and the faintest star of the row.
    #[schemars(extend("x-unit" = "px"))]
    pub disc_radius_px: (f64, f64),
    /// As in the row.
    #[schemars(extend("x-unit" = "sigma"))]
    pub bound_sd: f64,
    /// As in the row.
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub centre_px: f64,
    /// Radius about the fitted centre within which the models are compared.
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub residual_radius_px: f64,
}

/// The treatment of saturated stars up to a magnitude: their segment is set to 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaturatedClass {
    /// Stars brighter than this that no row before took.
    #[schemars(extend("x-unit" = "mag"))]
    pub max_mag: f64,
    /// Connected pixels that make a detection in the cut-out.
    #[schemars(range(min = 1), extend("x-unit" = "px"))]
    pub detect_pixels: usize,
    /// Detection threshold in units of the local noise.
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub detect_sigma: f64,
    /// Pixels that a peak needs to become a segment of its own.
    #[schemars(range(min = 1), extend("x-unit" = "px"))]
    pub deblend_pixels: usize,
    /// Share of the light that a segment needs to be kept apart.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub deblend_contrast: f64,
}

/// The rows of section 6, from bright to faint.
///
/// Radii that the paper gives as a range are linear in magnitude, larger for brighter stars (our choice). Rows without a stated
/// core step refer back to each other in the paper; all rows down to 17 mag have one.
pub(super) fn published_rows() -> Vec<StarRoute> {
    let row = |max_mag, cutout_px, centre_px, bound_sd, residual_radius_px| StarRoute {
        max_mag,
        cutout_px,
        detect_pixels: 10,
        detect_sigma: 3.0,
        deblend_pixels: 1,
        deblend_contrast: 0.0,
        has_core: true,
        min_pixels: 0,
        models: ClassModels::All,
        bound_sd,
        centre_px,
        residual_radius_px,
        faint_route: None,
        min_segment_pixels: 0,
        disc_radius_px: (0.0, 0.0),
    };
    let faint = FaintRoute {
        min_segment_pixels: 12,
        disc_radius_px: (8.0, 7.0),
        bound_sd: 2.0,
        centre_px: 2.0,
        residual_radius_px: 10.0,
    };
    vec![
        StarRoute { models: ClassModels::Moffat, deblend_pixels: 12, ..row(11.0, 101, 10.0, None, None) },
        row(13.0, 101, 4.0, Some(2.0), Some((30.0, 30.0))),
        StarRoute {
            min_pixels: 40,
            faint_route: Some(faint.clone()),
            ..row(14.0, 51, 2.0, Some(1.0), Some((20.0, 15.0)))
        },
        StarRoute { min_pixels: 40, faint_route: Some(faint), ..row(17.0, 31, 4.0, Some(2.0), Some((15.0, 10.0))) },
        StarRoute {
            detect_pixels: 5,
            detect_sigma: 2.0,
            has_core: false,
            min_segment_pixels: 12,
            disc_radius_px: (3.0, 3.0),
            ..row(22.0, 17, 2.0, Some(2.0), Some((6.0, 5.0)))
        },
    ]
}

/// The two rows for saturated stars: brighter ones need less deblending.
pub(super) fn published_saturated() -> Vec<SaturatedClass> {
    let row = |max_mag, deblend_pixels, deblend_contrast| SaturatedClass {
        max_mag,
        detect_pixels: 10,
        detect_sigma: 3.0,
        deblend_pixels,
        deblend_contrast,
    };
    vec![row(8.0, 50, 0.5), row(17.0, 20, 0.1)]
}

/// A value between those of the brightest and the faintest star of a row.
pub(super) fn between(ends: (f64, f64), mag: f64, bright: f64, faint: f64) -> f64 {
    let t = if faint > bright { ((mag - bright) / (faint - bright)).clamp(0.0, 1.0) } else { 0.0 };
    ends.0 + t * (ends.1 - ends.0)
}

impl StarRoute {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        let name = |field: &str| format!("{at}.{field}");
        problems.require_range(&name("max_mag"), self.max_mag, -30.0, 60.0);
        problems.require_range(&name("cutout_px"), self.cutout_px as f64, 3.0, 2001.0);
        if self.cutout_px.is_multiple_of(2) {
            problems.param(&name("cutout_px"), self.cutout_px, "an odd number, so that a pixel is in the middle");
        }
        check_detection(
            at,
            [self.detect_pixels, self.deblend_pixels],
            self.detect_sigma,
            self.deblend_contrast,
            problems,
        );
        if let Some(sd) = self.bound_sd {
            problems.require_range(&name("bound_sd"), sd, 0.0, 1e3);
        }
        problems.require_range(&name("centre_px"), self.centre_px, 0.0, 1e3);
        let mut radii = vec![("disc_radius_px.0", self.disc_radius_px.0), ("disc_radius_px.1", self.disc_radius_px.1)];
        if let Some((a, b)) = self.residual_radius_px {
            radii.extend([("residual_radius_px.0", a), ("residual_radius_px.1", b)]);
        }
        if let Some(route) = &self.faint_route {
            radii.extend([
                ("faint_route.disc_radius_px.0", route.disc_radius_px.0),
                ("faint_route.disc_radius_px.1", route.disc_radius_px.1),
                ("faint_route.bound_sd", route.bound_sd),
                ("faint_route.centre_px", route.centre_px),
                ("faint_route.residual_radius_px", route.residual_radius_px),
            ]);
        }
        for (field, value) in radii {
            problems.require_range(&name(field), value, 0.0, 1e3);
        }
    }
}

impl SaturatedClass {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        problems.require_range(&format!("{at}.max_mag"), self.max_mag, -30.0, 60.0);
        check_detection(
            at,
            [self.detect_pixels, self.deblend_pixels],
            self.detect_sigma,
            self.deblend_contrast,
            problems,
        );
    }
}

fn check_detection(at: &str, pixels: [usize; 2], sigma: f64, contrast: f64, problems: &mut Problems) {
    for (field, value) in ["detect_pixels", "deblend_pixels"].into_iter().zip(pixels) {
        if value == 0 {
            problems.param(&format!("{at}.{field}"), value, "at least 1");
        }
    }
    problems.require_range(&format!("{at}.detect_sigma"), sigma, 0.0, 1e6);
    problems.require_range(&format!("{at}.deblend_contrast"), contrast, 0.0, 1.0);
}
