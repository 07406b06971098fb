//! Parameters of `contour.concentrated`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Finds concentrated objects, each at the lowest level where it stands alone, and measures them.
///
/// One level does not suit clusters in nebulosity: where an HII region is seen as one contour at 3 sigma, the clusters in it are seen at 20. The
/// levels are climbed from the lowest. A connected region above a level that is not concentrated (`r_geo / r_light` of an even disc is
/// 1.5), or too large, is looked at again at the next level, in parts; one that is concentrated is an object and is done. So is every
/// object found once, at its own level. Large smooth regions (shells, arms of nebulae) are climbed too.
///
/// The signal is the smoothed image over the scatter of the smoothed image around, plus a fraction of the light of subtracted stars: where bright
/// stars were, their leftovers are not noise. Works on an image whose background was measured with objects masked
/// (`background.masked_mesh`).
///
/// The table has the columns of `measure.isophotes`, with `x_light`, `y_light` the centre under a Gaussian window of 1.5 `r_light`, which has
/// less noise than the centre of all light. All objects are roots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concentrated {
    /// Levels in units of the local noise, rising. The first decides how faint objects may be; finer steps part neighbours better.
    #[serde(default = "default_levels_sigma")]
    #[schemars(extend("x-unit" = "sigma"))]
    pub levels_sigma: Vec<f64>,
    /// Gaussian by which the image is smoothed: about the size of the smallest objects, 1 for compact, 4 for extended ones.
    #[serde(default = "default_smooth_px")]
    #[schemars(range(min = 0.0, max = 100.0), extend("x-unit" = "px"))]
    pub smooth_px: f64,
    /// Boxes in which the noise of the smoothed image is measured.
    #[serde(default = "default_noise_box_px")]
    #[schemars(range(min = 8, max = 100_000), extend("x-unit" = "px"))]
    pub noise_box_px: usize,
    /// The noise is at least this fraction of its median over the image.
    #[serde(default = "default_noise_floor")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub noise_floor: f64,
    /// Noise that a subtracted star leaves, as a fraction of its light in the pixel. Needs `with_stars` and `residual`.
    ///
    /// Larger values hide clusters under bright stars; smaller ones find the leftovers of stars.
    #[serde(default = "default_star_noise")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub star_noise: f64,
    /// Pixels this close to a group of bad pixels, or to a saturated pixel, count as noise.
    #[serde(default = "default_guard_px")]
    #[schemars(range(max = 100), extend("x-unit" = "px"))]
    pub guard_px: usize,
    /// Connected bad pixels that make such a group; fewer are dead pixels, which spoil nothing around them.
    #[serde(default = "default_guard_min_pixels")]
    #[schemars(range(min = 1))]
    pub guard_min_pixels: usize,
    /// Least pixels of a region.
    #[serde(default = "default_min_area")]
    #[schemars(range(min = 1), extend("x-unit" = "pix"))]
    pub min_area: usize,
    /// Regions of more pixels are climbed.
    #[serde(default = "default_max_area")]
    #[schemars(range(min = 1), extend("x-unit" = "pix"))]
    pub max_area: usize,
    /// Least `r_geo / r_light`. 1.5 is an even disc; nebular knots lie at 0.9 to 1.5, clusters above 1.8.
    #[serde(default = "default_min_concentration")]
    #[schemars(range(min = 0.0))]
    pub min_concentration: f64,
    /// Fainter regions are no objects: magnitude of the light inside, by the image's zero point. Absent, or without zero
    /// point: no limit.
    #[serde(default)]
    #[schemars(range(min = -100.0, max = 100.0), extend("x-unit" = "mag"))]
    pub mag_limit: Option<f64>,
    /// Objects whose centre is this close to the image's edge are left out.
    #[serde(default = "default_edge_distance_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub edge_distance_px: f64,
    /// Regions of a larger light radius are climbed when they are smooth, see `smooth_chi2`.
    #[serde(default = "default_smooth_r_light_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub smooth_r_light_px: f64,
    /// Misfit below which a region is smooth: mean squared residual of an elliptical Moffat plus Gaussian (see `measure.evidence`).
    #[serde(default = "default_smooth_chi2")]
    #[schemars(range(min = 0.0))]
    pub smooth_chi2: f64,
    /// Regions with a smaller excess of catalogue entries, in sigma, are climbed. Absent: no condition. Needs `stars`.
    ///
    /// For large scales, where the light alone does not tell clusters from nebulae; see `overdensity_sigma` of `measure.evidence`.
    #[serde(default)]
    #[schemars(extend("x-unit" = "sigma"))]
    pub min_overdensity_sigma: Option<f64>,
    /// Catalogue entries brighter than this count for the excess.
    #[serde(default = "default_overdensity_mag")]
    #[schemars(extend("x-unit" = "mag"))]
    pub overdensity_mag: f64,
    /// FWHM of a star for the column `fwhm_local`; required when no PSF is wired.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub fwhm_px: Option<f64>,
    /// The word in the column `sample`.
    #[serde(default = "default_sample")]
    pub sample: String,
}

fn default_levels_sigma() -> Vec<f64> {
    vec![3.0, 5.0, 8.0, 12.0, 20.0, 32.0, 50.0, 80.0, 130.0, 200.0, 320.0, 500.0, 800.0]
}
fn default_smooth_px() -> f64 {
    1.0
}
fn default_noise_box_px() -> usize {
    128
}
fn default_noise_floor() -> f64 {
    0.8
}
fn default_star_noise() -> f64 {
    0.03
}
fn default_guard_px() -> usize {
    3
}
fn default_guard_min_pixels() -> usize {
    2
}
fn default_min_area() -> usize {
    20
}
fn default_max_area() -> usize {
    4000
}
fn default_min_concentration() -> f64 {
    1.7
}
fn default_edge_distance_px() -> f64 {
    60.0
}
fn default_smooth_r_light_px() -> f64 {
    8.0
}
fn default_smooth_chi2() -> f64 {
    1.6
}
fn default_overdensity_mag() -> f64 {
    20.0
}
fn default_sample() -> String {
    "conservative".to_owned()
}

impl Default for Concentrated {
    fn default() -> Self {
        Self {
            levels_sigma: default_levels_sigma(),
            smooth_px: default_smooth_px(),
            noise_box_px: default_noise_box_px(),
            noise_floor: default_noise_floor(),
            star_noise: default_star_noise(),
            guard_px: default_guard_px(),
            guard_min_pixels: default_guard_min_pixels(),
            min_area: default_min_area(),
            max_area: default_max_area(),
            min_concentration: default_min_concentration(),
            mag_limit: None,
            edge_distance_px: default_edge_distance_px(),
            smooth_r_light_px: default_smooth_r_light_px(),
            smooth_chi2: default_smooth_chi2(),
            min_overdensity_sigma: None,
            overdensity_mag: default_overdensity_mag(),
            fwhm_px: None,
            sample: default_sample(),
        }
    }
}
