//! Parameters of `subtract.catalogue`.

use skyloom_engine::Problems;

use super::class::{SaturatedClass, StarRoute, published_rows, published_saturated};

/// Removes the stars of a catalogue from an image, brightest bin first.
///
/// Section 6 of Miller et al. 2024. Foreground stars (by parallax) go first, then the rows of `classes` from bright to faint. A star
/// is found in its cut-out by detection and deblending; the pixels of its segment are fitted with four models, tailored (shape free
/// within the scatter of its cell) and average, Moffat and compound; the one with the least squared residuals is subtracted from the
/// whole cut-out. Bright stars are fitted on their wings, and their cores are set to 0 and marked CORE; saturated stars lose their
/// segment. Every star sees what the earlier ones left; stars that cannot see each other are done at the same time, and the result is
/// that of the sequential order to the bit.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubtractCatalogue {
    /// Least probability of being a star (column `prob`); less is left in the image. Stars without a value pass.
    ///
    /// Not given in the paper; rule 4 says that the cut exists, section 8.1.1 calls P < 0.33 a blend or galaxy. Larger values leave
    /// more stars, smaller ones remove clusters that the catalogue took for a star.
    #[serde(default = "default_min_prob")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_prob: f64,
    /// Largest sharpness (column `sharp`, 0 = point-like); more is left in the image. Stars without a value pass.
    ///
    /// Not given in the paper; section 8.1.1 says that sharpness above 0.5 is not a single star.
    #[serde(default = "default_max_sharp")]
    pub max_sharp: f64,
    /// Least parallax of a foreground star. Section 6; the direction of the inequality is inferred.
    #[serde(default = "default_min_parallax_mas")]
    #[schemars(extend("x-unit" = "mas"))]
    pub min_parallax_mas: f64,
    /// Largest error of the parallax of a foreground star.
    #[serde(default = "default_max_parallax_error_mas")]
    #[schemars(range(min = 0.0), extend("x-unit" = "mas"))]
    pub max_parallax_error_mas: f64,
    /// Side of the cut-out of foreground stars that are bright enough to have wings in it: Table 1.
    #[serde(default = "default_foreground_cutout_px")]
    #[schemars(range(min = 3, max = 2001), extend("x-unit" = "px"))]
    pub foreground_cutout_px: usize,
    /// Foreground stars fainter than this keep the cut-out of their class.
    ///
    /// The paper gives all of them 401 px; a star of 16 mag has no light beyond 30 px, and a large cut-out makes its neighbours wait.
    /// Set it to 99 for the paper's reading.
    #[serde(default = "default_foreground_cutout_max_mag")]
    #[schemars(extend("x-unit" = "mag"))]
    pub foreground_cutout_max_mag: f64,
    /// A star is skipped when one within this distance was removed before: catalogues have duplicates. Not given in the paper.
    #[serde(default = "default_duplicate_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub duplicate_px: f64,
    /// A star is skipped when the median of the 3x3 pixels at its position is below this many times the noise. Not given in the paper.
    #[serde(default = "default_skip_sigma")]
    #[schemars(extend("x-unit" = "sigma"))]
    pub skip_sigma: f64,
    /// A star is saturated when one of its central 3x3 pixels is below this many times the noise (negative), or marked SATURATED.
    ///
    /// VISTA writes 0 in saturated pixels, which is far below the sky. Without the guard noise makes faint stars saturated; where a
    /// narrow background filter leaves dark rings around bright stars, give -50.
    #[serde(default = "default_saturated_below_sigma")]
    #[schemars(range(max = 0.0), extend("x-unit" = "sigma"))]
    pub saturated_below_sigma: f64,
    /// Pixels above this value are the core of a bright star. Absent: the total integration over `core_divisor_s`.
    #[serde(default)]
    #[schemars(extend("x-unit" = "counts"))]
    pub core_counts: Option<f64>,
    /// Header card (kept by the reader's `keep_cards`) with the total integration time in seconds.
    #[serde(default = "default_integration_key")]
    pub integration_key: String,
    /// The core level is the integration time in seconds over this: 65, found by trial (section 5.5).
    #[serde(default = "default_core_divisor_s")]
    #[schemars(range(min = 0.0), extend("x-unit" = "s"))]
    pub core_divisor_s: f64,
    /// Rows for saturated stars, from bright to faint; stars fainter than the last are never tested for saturation.
    #[serde(default = "published_saturated")]
    pub saturated: Vec<SaturatedClass>,
    /// Rows for all other stars, from bright to faint; stars fainter than the last are left in the image.
    #[serde(default = "published_rows")]
    pub classes: Vec<StarRoute>,
    /// Added to the magnitudes of all rows, and of `foreground_cutout_max_mag`.
    ///
    /// The rows are those of a VISTA tile, which saturates at 12 mag. A survey that saturates at 17 mag sees the same stars 5 mag fainter:
    /// without 5 here its faint stars are left in the image, and its bright ones get the cut-outs of faint ones.
    #[serde(default)]
    #[schemars(range(min = -100.0, max = 100.0), extend("x-unit" = "mag"))]
    pub class_shift_mag: f64,
    /// Deblending levels per segment, spaced exponentially. Not given in the paper; 32 is photutils' default.
    #[serde(default = "default_deblend_levels")]
    #[schemars(range(min = 1, max = 10_000))]
    pub deblend_levels: usize,
    /// Least slope of a Moffat wing. At 1 and below the flux of the model is infinite, and it takes a pedestal of nebulosity or cluster light
    /// along; the paper sets no limit. Larger values spare extended light and leave more of it to be found.
    #[serde(default = "default_min_alpha")]
    #[schemars(range(min = 0.5, max = 10.0))]
    pub min_alpha: f64,
    /// Whether the zeroed cores stay 0 when later stars are subtracted across them. The paper subtracts over the whole cut-out.
    #[serde(default)]
    pub keep_cores_zero: bool,
    /// Fits weigh pixels by the noise map instead of equally. The paper's are unweighted.
    #[serde(default)]
    pub is_weighted: bool,
    /// Steps of a fit at most.
    #[serde(default = "default_max_iterations")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_iterations: usize,
    /// Largest fraction of fitted stars without any converged model before the stage fails.
    #[serde(default = "default_max_failed_fraction")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_failed_fraction: f64,
}

fn default_min_prob() -> f64 {
    0.33
}
fn default_max_sharp() -> f64 {
    0.5
}
fn default_min_parallax_mas() -> f64 {
    0.2
}
fn default_max_parallax_error_mas() -> f64 {
    0.1
}
fn default_foreground_cutout_px() -> usize {
    401
}
fn default_foreground_cutout_max_mag() -> f64 {
    13.0
}
fn default_duplicate_px() -> f64 {
    1.0
}
fn default_skip_sigma() -> f64 {
    2.0
}
fn default_saturated_below_sigma() -> f64 {
    -5.0
}
fn default_integration_key() -> String {
    "TOTEXP".to_owned()
}
fn default_core_divisor_s() -> f64 {
    65.0
}
fn default_deblend_levels() -> usize {
    32
}
fn default_min_alpha() -> f64 {
    0.5
}
fn default_max_iterations() -> usize {
    60
}
fn default_max_failed_fraction() -> f64 {
    0.5
}

impl Default for SubtractCatalogue {
    fn default() -> Self {
        Self {
            min_prob: default_min_prob(),
            max_sharp: default_max_sharp(),
            min_parallax_mas: default_min_parallax_mas(),
            max_parallax_error_mas: default_max_parallax_error_mas(),
            foreground_cutout_px: default_foreground_cutout_px(),
            foreground_cutout_max_mag: default_foreground_cutout_max_mag(),
            duplicate_px: default_duplicate_px(),
            skip_sigma: default_skip_sigma(),
            saturated_below_sigma: default_saturated_below_sigma(),
            core_counts: None,
            integration_key: default_integration_key(),
            core_divisor_s: default_core_divisor_s(),
            saturated: published_saturated(),
            classes: published_rows(),
            class_shift_mag: 0.0,
            deblend_levels: default_deblend_levels(),
            min_alpha: default_min_alpha(),
            keep_cores_zero: false,
            is_weighted: false,
            max_iterations: default_max_iterations(),
            max_failed_fraction: default_max_failed_fraction(),
        }
    }
}

impl SubtractCatalogue {
    pub(super) fn check_params(&self, problems: &mut Problems) {
        problems.require_range("min_prob", self.min_prob, 0.0, 1.0);
        problems.require_range("max_sharp", self.max_sharp, -1e3, 1e3);
        problems.require_range("min_parallax_mas", self.min_parallax_mas, -1e3, 1e6);
        problems.require_range("max_parallax_error_mas", self.max_parallax_error_mas, 0.0, 1e6);
        problems.require_range("foreground_cutout_px", self.foreground_cutout_px as f64, 3.0, 2001.0);
        if self.foreground_cutout_px.is_multiple_of(2) {
            problems.param(
                "foreground_cutout_px",
                self.foreground_cutout_px,
                "an odd number, so that a pixel is in the middle",
            );
        }
        problems.require_range("foreground_cutout_max_mag", self.foreground_cutout_max_mag, -100.0, 100.0);
        problems.require_range("class_shift_mag", self.class_shift_mag, -100.0, 100.0);
        problems.require_range("duplicate_px", self.duplicate_px, 0.0, 1e3);
        problems.require_range("skip_sigma", self.skip_sigma, -1e6, 1e6);
        problems.require_range("saturated_below_sigma", self.saturated_below_sigma, -1e9, 0.0);
        if let Some(counts) = self.core_counts {
            problems.require_positive("core_counts", counts);
        }
        problems.require_positive("core_divisor_s", self.core_divisor_s);
        problems.require_range("min_alpha", self.min_alpha, 0.5, 10.0);
        problems.require_range("deblend_levels", self.deblend_levels as f64, 1.0, 1e4);
        problems.require_range("max_iterations", self.max_iterations as f64, 1.0, 1e4);
        problems.require_range("max_failed_fraction", self.max_failed_fraction, 0.0, 1.0);
        for (i, row) in self.saturated.iter().enumerate() {
            row.check(&format!("saturated.{i}"), problems);
        }
        for (i, row) in self.classes.iter().enumerate() {
            row.check(&format!("classes.{i}"), problems);
        }
        let rising = |values: &[f64]| values.windows(2).all(|w| w[0] < w[1]);
        let order = "rows from bright to faint, each max_mag above the one before";
        if !rising(&self.saturated.iter().map(|r| r.max_mag).collect::<Vec<_>>()) {
            problems.param("saturated", "rows out of order", order);
        }
        if !rising(&self.classes.iter().map(|r| r.max_mag).collect::<Vec<_>>()) {
            problems.param("classes", "rows out of order", order);
        }
    }

    /// The same with the magnitudes of the rows shifted.
    pub(super) fn shifted(&self) -> Self {
        let mut shifted = self.clone();
        let limits = shifted.classes.iter_mut().map(|r| &mut r.max_mag);
        let limits = limits.chain(shifted.saturated.iter_mut().map(|r| &mut r.max_mag));
        limits.chain([&mut shifted.foreground_cutout_max_mag]).for_each(|limit| *limit += self.class_shift_mag);
        shifted.class_shift_mag = 0.0;
        shifted
    }

    /// The row of a star that is not saturated, and the magnitudes between which the row lies.
    pub(super) fn row_of(&self, mag: f64) -> Option<(usize, f64, f64)> {
        let i = self.classes.iter().position(|r| mag < r.max_mag)?;
        // The first row has no bright end: 3 mag are as good as any.
        let bright = if i == 0 { self.classes[0].max_mag - 3.0 } else { self.classes[i - 1].max_mag };
        Some((i, bright, self.classes[i].max_mag))
    }
}
