//! Parameters of `subtract.stars`.

use skyloom_engine::Problems;

/// Subtracts fitted point sources from an image, brightest first.
///
/// Every detection is fitted on what its brighter neighbours left: with a tailored PSF (shape free within the scatter of its
/// cell) and with the average PSF of the cell; the better fit is subtracted. A star brighter than `core_level_sigma` is fitted
/// on its wings alone, and its core pixels are set to zero and marked CORE. A saturated star is treated likewise, centred on
/// its saturated pixels. What the PSF cannot explain (clusters, galaxies, tight blends) is left in the image and flagged.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubtractStars {
    /// Level above which pixels belong to the core of a bright star, in units of the local noise.
    ///
    /// Core pixels take no part in the fit and are set to zero. The published level `t_int/65` counts is about 100 times the
    /// sky noise. Lower values blank more of the image; higher ones let the misfit of bright cores through.
    #[serde(default = "default_core_level_sigma")]
    #[schemars(range(min = 5.0), extend("x-unit" = "sigma"))]
    pub core_level_sigma: f64,
    /// Pixels where the star is expected to rise above this many times the noise take part in its fit.
    #[serde(default = "default_fit_level_sigma")]
    #[schemars(range(min = 0.1), extend("x-unit" = "sigma"))]
    pub fit_level_sigma: f64,
    /// The model is subtracted out to where it falls below this many times the noise.
    ///
    /// Too large leaves rings around stars; too small costs time.
    #[serde(default = "default_subtract_level_sigma")]
    #[schemars(range(min = 0.001), extend("x-unit" = "sigma"))]
    pub subtract_level_sigma: f64,
    /// Smallest radius of the fitted disc.
    #[serde(default = "default_min_radius_px")]
    #[schemars(range(min = 1.0), extend("x-unit" = "px"))]
    pub min_radius_px: f64,
    /// Largest radius that is fitted and subtracted: 50 gives the 101 px cut-out of the published method.
    #[serde(default = "default_max_radius_px")]
    #[schemars(range(min = 3.0, max = 500.0), extend("x-unit" = "px"))]
    pub max_radius_px: f64,
    /// How far the shape of a faint star may leave the cell's median, in units of the cell's scatter.
    ///
    /// This bound keeps the models at the width of the PSF: large values let them swallow small clusters.
    #[serde(default = "default_scatter_sigma")]
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub scatter_sigma: f64,
    /// The same for the wings of bright stars, whose slope the faint stars of the PSF know less well.
    #[serde(default = "default_wing_scatter_sigma")]
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub wing_scatter_sigma: f64,
    /// How far the centre of a faint star may move from its detection, per axis.
    #[serde(default = "default_centre_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub centre_px: f64,
    /// The same for bright and saturated stars.
    #[serde(default = "default_wing_centre_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub wing_centre_px: f64,
    /// Wing pixels that a bright star needs; with fewer it is fitted whole, like a faint one.
    #[serde(default = "default_min_wing_pixels")]
    #[schemars(range(min = 8))]
    pub min_wing_pixels: usize,
    /// Pixels by which the core mask of a bright star is grown.
    #[serde(default = "default_core_grow_px")]
    #[schemars(range(min = 0, max = 10), extend("x-unit" = "px"))]
    pub core_grow_px: usize,
    /// A connected core this many times larger than the PSF of its detections explains is flat: the star is saturated.
    ///
    /// Asked only in an image whose mask marks no saturated pixel. Large values switch the test off: a compact cluster that is
    /// resolved into stars can have a flat core too, and would lose it.
    #[serde(default = "default_flat_core_ratio")]
    #[schemars(range(min = 1.0))]
    pub flat_core_ratio: f64,
    /// Steepest edge that a flat core needs to count as a star: largest drop between neighbouring pixels, times the FWHM, over
    /// the brightest pixel.
    ///
    /// A sampled PSF has about 1.2, a Plummer cluster 1.03 FWHM / r_h. A flat core with less is extended and stays in the image.
    #[serde(default = "default_min_edge")]
    #[schemars(range(min = 0.0))]
    pub min_edge: f64,
    /// Largest share of a source's light (root mean square, noise taken off) that the best model may leave.
    ///
    /// A source with more is extended, not a star, and stays in the image. Too small keeps blends; too large lets the PSF bite
    /// holes into clusters. 1 subtracts everything.
    #[serde(default = "default_max_misfit")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_misfit: f64,
    /// The same for the fitted wings of bright and saturated stars, which no analytic PSF follows as closely.
    #[serde(default = "default_max_wing_misfit")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_wing_misfit: f64,
    /// Width of the annulus around a faint star's disc whose median is taken off before the fit; 0 takes nothing off.
    ///
    /// It keeps the unresolved light of a cluster in the image: without it every star inside a cluster takes its share of that
    /// light away, and the cluster shrinks.
    #[serde(default = "default_annulus_px")]
    #[schemars(range(min = 0.0, max = 100.0), extend("x-unit" = "px"))]
    pub annulus_px: f64,
    /// Smallest sharpness of the detection list that is subtracted, where the list has that column.
    #[serde(default = "default_min_sharpness")]
    pub min_sharpness: f64,
    /// Largest sharpness that is subtracted.
    #[serde(default = "default_max_sharpness")]
    pub max_sharpness: f64,
    /// A source is skipped when the 3x3 median at its place is below this many times the noise: it was removed before.
    #[serde(default = "default_skip_sigma")]
    #[schemars(extend("x-unit" = "sigma"))]
    pub skip_sigma: f64,
    /// Steps of one fit at most.
    #[serde(default = "default_max_iterations")]
    #[schemars(range(min = 1))]
    pub max_iterations: usize,
    /// Largest fraction of fits that may fail before the stage fails.
    #[serde(default = "default_max_failed_fraction")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_failed_fraction: f64,
}

fn default_core_level_sigma() -> f64 {
    // Miller et al. 2024, section 5.5: t_int/65 = 143 counts, about 100 times their sky noise.
    100.0
}
fn default_fit_level_sigma() -> f64 {
    2.0
}
fn default_subtract_level_sigma() -> f64 {
    0.1
}
fn default_min_radius_px() -> f64 {
    3.0
}
fn default_max_radius_px() -> f64 {
    50.0
}
fn default_scatter_sigma() -> f64 {
    2.0
}
fn default_wing_scatter_sigma() -> f64 {
    8.0
}
fn default_centre_px() -> f64 {
    2.0
}
fn default_wing_centre_px() -> f64 {
    4.0
}
fn default_min_wing_pixels() -> usize {
    40
}
fn default_core_grow_px() -> usize {
    0
}
fn default_flat_core_ratio() -> f64 {
    2.0
}
fn default_min_edge() -> f64 {
    0.6
}
fn default_max_misfit() -> f64 {
    0.25
}
fn default_max_wing_misfit() -> f64 {
    0.5
}
fn default_annulus_px() -> f64 {
    4.0
}
fn default_min_sharpness() -> f64 {
    0.2
}
fn default_max_sharpness() -> f64 {
    1.0
}
fn default_skip_sigma() -> f64 {
    1.0
}
fn default_max_iterations() -> usize {
    200
}
fn default_max_failed_fraction() -> f64 {
    0.5
}

impl Default for SubtractStars {
    fn default() -> Self {
        Self {
            core_level_sigma: default_core_level_sigma(),
            fit_level_sigma: default_fit_level_sigma(),
            subtract_level_sigma: default_subtract_level_sigma(),
            min_radius_px: default_min_radius_px(),
            max_radius_px: default_max_radius_px(),
            scatter_sigma: default_scatter_sigma(),
            wing_scatter_sigma: default_wing_scatter_sigma(),
            centre_px: default_centre_px(),
            wing_centre_px: default_wing_centre_px(),
            min_wing_pixels: default_min_wing_pixels(),
            core_grow_px: default_core_grow_px(),
            flat_core_ratio: default_flat_core_ratio(),
            min_edge: default_min_edge(),
            max_misfit: default_max_misfit(),
            max_wing_misfit: default_max_wing_misfit(),
            annulus_px: default_annulus_px(),
            min_sharpness: default_min_sharpness(),
            max_sharpness: default_max_sharpness(),
            skip_sigma: default_skip_sigma(),
            max_iterations: default_max_iterations(),
            max_failed_fraction: default_max_failed_fraction(),
        }
    }
}

impl SubtractStars {
    /// Checks the parameters alone.
    pub(super) fn check_params(&self, problems: &mut Problems) {
        problems.require_range("core_level_sigma", self.core_level_sigma, 5.0, 1e9);
        problems.require_range("fit_level_sigma", self.fit_level_sigma, 0.1, 1e3);
        problems.require_range("subtract_level_sigma", self.subtract_level_sigma, 0.001, 1e3);
        problems.require_range("min_radius_px", self.min_radius_px, 1.0, 500.0);
        problems.require_range("max_radius_px", self.max_radius_px, 3.0, 500.0);
        if self.min_radius_px > self.max_radius_px {
            problems.param("min_radius_px", self.min_radius_px, "a number that is not above max_radius_px");
        }
        problems.require_range("scatter_sigma", self.scatter_sigma, 0.0, 100.0);
        problems.require_range("wing_scatter_sigma", self.wing_scatter_sigma, 0.0, 100.0);
        problems.require_range("centre_px", self.centre_px, 0.0, 100.0);
        problems.require_range("wing_centre_px", self.wing_centre_px, 0.0, 100.0);
        if self.min_wing_pixels < 8 {
            problems.param(
                "min_wing_pixels",
                self.min_wing_pixels,
                "at least 8, one more than a Moffat has parameters",
            );
        }
        problems.require_range("core_grow_px", self.core_grow_px as f64, 0.0, 10.0);
        problems.require_range("flat_core_ratio", self.flat_core_ratio, 1.0, 1e6);
        problems.require_range("min_edge", self.min_edge, 0.0, 100.0);
        problems.require_range("max_misfit", self.max_misfit, 0.0, 1.0);
        problems.require_range("max_wing_misfit", self.max_wing_misfit, 0.0, 1.0);
        problems.require_range("annulus_px", self.annulus_px, 0.0, 100.0);
        problems.require_range("min_sharpness", self.min_sharpness, -100.0, 100.0);
        problems.require_range("max_sharpness", self.max_sharpness, -100.0, 100.0);
        if self.min_sharpness > self.max_sharpness {
            problems.param("min_sharpness", self.min_sharpness, "a number that is not above max_sharpness");
        }
        problems.require_range("skip_sigma", self.skip_sigma, -1e6, 1e6);
        if self.max_iterations == 0 {
            problems.param("max_iterations", self.max_iterations, "at least 1");
        }
        problems.require_range("max_failed_fraction", self.max_failed_fraction, 0.0, 1.0);
    }
}
