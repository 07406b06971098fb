//! Parameters of `psf.fit_faint`.

use skyloom_engine::Problems;

use crate::psf::stamp::Weighting;

/// Fits a Gaussian, a Moffat and a compound model to each isolated faint star.
///
/// The ellipse through the contour at `contour_sigma` gives centre and axes; Gaussians along the axes, on a smooth interpolant of
/// the cut-out (bicubic convolution, the C1 cubic of a regular grid, where the paper has Clough-Tocher), give the start of the
/// Gaussian fit, which starts the Moffat fit, and both start the compound fit (Miller et al. 2024, section 5.4). All three are free fits by
/// Levenberg-Marquardt. A star whose fit fails is a row with flags.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FitFaint {
    /// Side of the square cut-out that is fitted, odd: the size that was found isolated.
    ///
    /// Larger cut-outs hold neighbours that the selection never saw; below about 5 FWHM the wing slope is a guess.
    #[serde(default = "default_stamp_px")]
    #[schemars(range(min = 5, max = 501), extend("x-unit" = "px"))]
    pub stamp_px: usize,
    /// Level of the contour through which the ellipse goes, in units of the local noise (section 5.4: 25).
    ///
    /// Stars whose peak is below it are not fitted.
    #[serde(default = "default_contour_sigma")]
    #[schemars(range(min = 0.1), extend("x-unit" = "sigma"))]
    pub contour_sigma: f64,
    /// How pixels are weighted; the paper weights them all alike.
    #[serde(default)]
    pub weighting: Weighting,
    /// Usable pixels that a cut-out needs. The compound model has 11 parameters.
    #[serde(default = "default_min_pixels")]
    #[schemars(range(min = 12))]
    pub min_pixels: usize,
    /// A fit has converged when a step lowers chi2 by less than this fraction.
    ///
    /// Large values stop compound fits of faint stars on their way to a bound, where they would be left out, and the medians
    /// of the PSF follow them: 1e-4 raised alpha by a fifth on a simulated field.
    #[serde(default = "default_tolerance")]
    #[schemars(range(min = 0.0, max = 0.1))]
    pub tolerance: f64,
    /// Steps of one fit at most.
    #[serde(default = "default_max_iterations")]
    #[schemars(range(min = 1))]
    pub max_iterations: usize,
    /// Largest fraction of stars without a Moffat fit before the stage fails.
    #[serde(default = "default_max_failed_fraction")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_failed_fraction: f64,
}

fn default_stamp_px() -> usize {
    31
}
fn default_contour_sigma() -> f64 {
    25.0
}
fn default_min_pixels() -> usize {
    20
}
fn default_tolerance() -> f64 {
    1e-9
}
fn default_max_iterations() -> usize {
    300
}
fn default_max_failed_fraction() -> f64 {
    0.9
}

impl Default for FitFaint {
    fn default() -> Self {
        Self {
            stamp_px: default_stamp_px(),
            contour_sigma: default_contour_sigma(),
            weighting: Weighting::Uniform,
            min_pixels: default_min_pixels(),
            tolerance: default_tolerance(),
            max_iterations: default_max_iterations(),
            max_failed_fraction: default_max_failed_fraction(),
        }
    }
}

impl FitFaint {
    /// Checks the parameters alone.
    pub(super) fn check_params(&self, problems: &mut Problems) {
        if self.stamp_px.is_multiple_of(2) || !(5..=501).contains(&self.stamp_px) {
            problems.param(
                "stamp_px",
                self.stamp_px,
                "an odd number from 5 to 501, so that the star can be in the middle",
            );
        }
        problems.require_positive("contour_sigma", self.contour_sigma);
        if self.min_pixels < 12 {
            problems.param("min_pixels", self.min_pixels, "at least 12: the compound model has 11 parameters");
        }
        if self.max_iterations == 0 {
            problems.param("max_iterations", 0, "at least 1");
        }
        problems.require_range("tolerance", self.tolerance, 0.0, 0.1);
        problems.require_range("max_failed_fraction", self.max_failed_fraction, 0.0, 1.0);
    }
}
