//! Parameters of `psf.fit_bright`.

use skyloom_data::{Header, Image};
use skyloom_engine::{Problems, StageError};

use super::algorithm::BrightFitOptions;
use crate::psf::levenberg::FitOptions;
use crate::psf::stamp::Weighting;
use crate::segment::{Connectivity, DeblendMode, DeblendOptions};

/// Fits a Moffat and a compound model to the wings of each isolated bright star.
///
/// In the star's cut-out, sources are detected and deblended; of the star's own segment the pixels above the core level, which
/// detectors make too low or too wide, are left out, and the models are fitted to the remaining outer pixels, started from the faint
/// PSF of the cell (Miller et al. 2024, section 5.5). A star whose fit fails is a row with flags.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FitBright {
    /// Side of the square cut-out, odd (not given in the paper; 101 is its size for stars brighter than 13 mag).
    #[serde(default = "default_stamp_px")]
    #[schemars(range(min = 7, max = 1001), extend("x-unit" = "px"))]
    pub stamp_px: usize,
    /// Level above which pixels belong to a source, in units of the local noise (section 5.5: 3).
    ///
    /// It is also where the fitted wings end: lower levels reach further out, into neighbours.
    #[serde(default = "default_threshold_sigma")]
    #[schemars(range(min = 0.1), extend("x-unit" = "sigma"))]
    pub threshold_sigma: f64,
    /// Pixels that a source needs (section 5.5: 5).
    #[serde(default = "default_n_pixels")]
    #[schemars(range(min = 1))]
    pub n_pixels: usize,
    /// Pixels that a peak needs to be a source of its own in deblending (section 5.5: 50).
    ///
    /// Smaller values cut noise peaks out of the wings; larger ones leave neighbours in them.
    #[serde(default = "default_deblend_n_pixels")]
    #[schemars(range(min = 1))]
    pub deblend_n_pixels: usize,
    /// Levels of the deblending (section 5.5: 1000).
    #[serde(default = "default_deblend_levels")]
    #[schemars(range(min = 1, max = 100_000))]
    pub deblend_levels: usize,
    /// Least share of the light that a deblended source must have; 0 keeps all peaks (section 5.5), 1 deblends nothing.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub deblend_contrast: f64,
    /// How the levels of the deblending lie.
    #[serde(default)]
    pub deblend_mode: DeblendMode,
    /// Core level, in the unit of the pixels: pixels above it take no part in the fit.
    ///
    /// Left out, it is the total integration time in seconds over `core_divisor`, which on the paper's tiles (9315 s) is 143.3
    /// counts. Too low leaves no wings to fit; too high lets the core decide, and the wings are wrong.
    #[serde(default)]
    pub core_counts: Option<f64>,
    /// Total integration time. Left out, it is read from the header card `integration_key`.
    #[serde(default)]
    #[schemars(extend("x-unit" = "s"))]
    pub integration_s: Option<f64>,
    /// Header card of the image that holds the total integration time in seconds; `io.read_image` must keep it (`keep_cards`).
    #[serde(default = "default_integration_key")]
    pub integration_key: String,
    /// Integration time in seconds per count of the core level: 65, found by experiment in the paper (section 5.5).
    #[serde(default = "default_core_divisor")]
    #[schemars(range(min = 0.000001))]
    pub core_divisor: f64,
    /// Farthest that the centre may move from the catalogue position, per axis.
    #[serde(default = "default_centre_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub centre_px: f64,
    /// Outer pixels that a star needs.
    ///
    /// 40 is where the paper's star removal turns from wings to whole stars. The compound model has 11 parameters.
    #[serde(default = "default_min_pixels")]
    #[schemars(range(min = 12))]
    pub min_pixels: usize,
    /// How pixels are weighted; the paper weights them all alike.
    #[serde(default)]
    pub weighting: Weighting,
    /// A fit has converged when a step lowers chi2 by less than this fraction.
    ///
    /// The core is masked, so that peak, width and slope of the wings hide each other: fits that go on to the last digit run
    /// along that valley to absurd widths, for gains far below the noise. 1e-4 of some 100 pixels is 0.01 in units of the
    /// noise, the customary end (Press et al. 2007, section 15.5.2).
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
    101
}
fn default_threshold_sigma() -> f64 {
    3.0
}
fn default_n_pixels() -> usize {
    5
}
fn default_deblend_n_pixels() -> usize {
    50
}
fn default_deblend_levels() -> usize {
    1000
}
fn default_integration_key() -> String {
    "TOTEXP".to_owned()
}
fn default_core_divisor() -> f64 {
    65.0
}
fn default_centre_px() -> f64 {
    2.0
}
fn default_min_pixels() -> usize {
    40
}
fn default_tolerance() -> f64 {
    1e-4
}
fn default_max_iterations() -> usize {
    100
}
fn default_max_failed_fraction() -> f64 {
    1.0
}

impl Default for FitBright {
    fn default() -> Self {
        Self {
            stamp_px: default_stamp_px(),
            threshold_sigma: default_threshold_sigma(),
            n_pixels: default_n_pixels(),
            deblend_n_pixels: default_deblend_n_pixels(),
            deblend_levels: default_deblend_levels(),
            deblend_contrast: 0.0,
            deblend_mode: DeblendMode::Exponential,
            core_counts: None,
            integration_s: None,
            integration_key: default_integration_key(),
            core_divisor: default_core_divisor(),
            centre_px: default_centre_px(),
            min_pixels: default_min_pixels(),
            weighting: Weighting::Uniform,
            tolerance: default_tolerance(),
            max_iterations: default_max_iterations(),
            max_failed_fraction: default_max_failed_fraction(),
        }
    }
}

impl FitBright {
    /// Checks the parameters alone.
    pub(super) fn check_params(&self, problems: &mut Problems) {
        if self.stamp_px.is_multiple_of(2) || !(7..=1001).contains(&self.stamp_px) {
            problems.param(
                "stamp_px",
                self.stamp_px,
                "an odd number from 7 to 1001, so that the star can be in the middle",
            );
        }
        problems.require_positive("threshold_sigma", self.threshold_sigma);
        for (name, value) in [
            ("n_pixels", self.n_pixels),
            ("deblend_n_pixels", self.deblend_n_pixels),
            ("max_iterations", self.max_iterations),
        ] {
            if value == 0 {
                problems.param(name, value, "at least 1");
            }
        }
        problems.require_range("deblend_levels", self.deblend_levels as f64, 1.0, 1e5);
        problems.require_range("deblend_contrast", self.deblend_contrast, 0.0, 1.0);
        for (name, value) in [("core_counts", self.core_counts), ("integration_s", self.integration_s)] {
            if let Some(value) = value {
                problems.require_positive(name, value);
            }
        }
        problems.require_positive("core_divisor", self.core_divisor);
        problems.require_range("centre_px", self.centre_px, 0.0, 1e3);
        if self.min_pixels < 12 {
            problems.param("min_pixels", self.min_pixels, "at least 12: the compound model has 11 parameters");
        }
        problems.require_range("tolerance", self.tolerance, 0.0, 0.1);
        problems.require_range("max_failed_fraction", self.max_failed_fraction, 0.0, 1.0);
    }

    /// The core level for an image: given, or from the integration time.
    ///
    /// # Errors
    /// When nothing is given and the image has no such card, or one that is not a positive number.
    pub fn core_level(&self, image: &Image) -> Result<f64, StageError> {
        if let Some(counts) = self.core_counts {
            return Ok(counts);
        }
        if let Some(seconds) = self.integration_s {
            return Ok(seconds / self.core_divisor);
        }
        let header = Header { cards: image.meta.cards.clone() };
        let key = &self.integration_key;
        let found = match (header.get(key), header.float(key)) {
            (_, Some(seconds)) if seconds > 0.0 && seconds.is_finite() => return Ok(seconds / self.core_divisor),
            (None, _) => "has no such card".to_owned(),
            (Some(value), _) => format!("has {value:?} there"),
        };
        Err(StageError::data(format!(
            "the core level needs the total integration time in the header card {key:?}, in seconds; the image {found}"
        ))
        .with_help(format!(
            "add keep_cards: [{key:?}] to io.read_image if the file has the card, or set integration_s or core_counts"
        )))
    }

    /// What the plain function needs; `core_level` in the unit of the pixels.
    #[must_use]
    pub fn options(&self, core_level: f64) -> BrightFitOptions {
        BrightFitOptions {
            radius_px: self.stamp_px / 2,
            threshold_sigma: self.threshold_sigma,
            n_pixels: self.n_pixels,
            deblend: DeblendOptions {
                n_pixels: self.deblend_n_pixels,
                n_levels: self.deblend_levels,
                contrast: self.deblend_contrast,
                mode: self.deblend_mode,
                connectivity: Connectivity::Eight,
            },
            core_level,
            centre_px: self.centre_px,
            min_pixels: self.min_pixels,
            weighting: self.weighting,
            fit: FitOptions {
                max_iterations: self.max_iterations,
                tolerance: self.tolerance,
                has_errors: false,
                has_search: false,
            },
        }
    }
}
