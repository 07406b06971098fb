//! Parameters of `measure.evidence`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds columns that tell clusters from blends, galaxies, nebulae and leftovers of stars.
///
/// Nothing is removed: rules over these columns decide, in `rules.cull`. The columns, with what they are for:
///
/// - `concentration`: `r_geo / r_light`; 1.5 for an even disc, above 1.7 for clusters.
/// - `psf_misfit`: share of the light about the peak that two PSFs and a level do not explain; below 0.15 it is a star or a blend of two.
///   NaN for objects larger than `psf_max_r_light_px`, and without PSF.
/// - `smooth_chi2`: misfit of an elliptical Moffat plus Gaussian; below 1.6 the object is smooth: a galaxy or a knot of gas. Above 1000 it
///   is debris of a saturated star.
/// - `star_light_ratio`: light of the stars that were subtracted inside, over the light that is left; above 3 the object is what stars left.
/// - `n_catalogue`: catalogue entries inside.
/// - `extended_fraction`, `extended_colour`: flux of the brightest entry inside that is no star, over the flux of the object; its colour.
/// - `overdensity_sigma`: excess of entries within 1.5 `r_light` over those from 2.5 to 5.
/// - `n_bad_near_peak`: bad pixels around the peak.
/// - `flux_left`, `mag_left`: light inside, in this image.
///
/// What is not wired or cannot be measured is NaN (null for counts), and rules that compare it are false.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureEvidence {
    /// Gaussian by which the image is smoothed before its peak is taken: as for finding the objects.
    #[serde(default = "default_peak_smooth_px")]
    #[schemars(range(min = 0.0, max = 100.0), extend("x-unit" = "px"))]
    pub peak_smooth_px: f64,
    /// Objects of at least this light radius are no blends: `psf_misfit` is NaN.
    #[serde(default = "default_psf_max_r_light_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub psf_max_r_light_px: f64,
    /// Bad pixels count when they are at most this many rows and columns from the peak.
    #[serde(default = "default_bad_reach_px")]
    #[schemars(range(max = 100), extend("x-unit" = "px"))]
    pub bad_reach_px: usize,
    /// Catalogue entries with less probability of being a star are no stars. Entries without a value are.
    #[serde(default = "default_min_prob")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_prob: f64,
    /// Entries from this sharpness on are no stars.
    #[serde(default = "default_max_sharp")]
    pub max_sharp: f64,
    /// Band whose magnitude minus that of the detection band is `extended_colour`: the catalogue's column is `mag_<band>`. Absent: NaN.
    #[serde(default)]
    pub colour_band: Option<String>,
    /// Entries brighter than this count for `overdensity_sigma`.
    #[serde(default = "default_overdensity_mag")]
    #[schemars(extend("x-unit" = "mag"))]
    pub overdensity_mag: f64,
}

fn default_peak_smooth_px() -> f64 {
    1.0
}
fn default_psf_max_r_light_px() -> f64 {
    4.0
}
fn default_bad_reach_px() -> usize {
    2
}
fn default_min_prob() -> f64 {
    0.33
}
fn default_max_sharp() -> f64 {
    0.5
}
fn default_overdensity_mag() -> f64 {
    20.0
}

impl Default for MeasureEvidence {
    fn default() -> Self {
        Self {
            peak_smooth_px: default_peak_smooth_px(),
            psf_max_r_light_px: default_psf_max_r_light_px(),
            bad_reach_px: default_bad_reach_px(),
            min_prob: default_min_prob(),
            max_sharp: default_max_sharp(),
            colour_band: None,
            overdensity_mag: default_overdensity_mag(),
        }
    }
}
