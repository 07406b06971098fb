//! Parameters of the nebuliser.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Removes a smooth background by iterated, clipped running medians and a final running mean.
///
/// Each iteration filters the image with a running median along both axes; pixels that stand out of the residual are
/// left out of the next one (stars at `clip_high_sigma`, holes at `clip_low_sigma`), and may come back. The last
/// median is smoothed by a running mean and subtracted; the sky level is added again unless `takeout_sky`.
/// Structure larger than about half of `median_px` in both axes is taken for background. Where good pixels are rare
/// the windows bridge gaps: they count good pixels.
///
/// Described in Irwin 2010 (UKIRT newsletter 26, 14). The published LMC cluster catalogue uses `(90, 30)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nebulise {
    /// Window of the running median; even values become the next odd.
    ///
    /// Objects smaller than about half of it survive. Too small: clusters and haloes of bright stars are eaten; too
    /// large: nebulosity and sky gradients stay in the image. Lines with fewer good pixels than this are left as
    /// they are. 90 suits clusters of up to 40 px radius.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "px"))]
    pub median_px: usize,
    /// Window of the running mean that smooths the median; even values become the next odd.
    ///
    /// A third of `median_px` is recommended. Too small: the steps of the median stay in the background; too large:
    /// the background lags behind gradients.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "px"))]
    pub linear_px: usize,
    /// Number of median passes; one less clipping step lies between them.
    ///
    /// 1 clips nothing, so that crowded stars pull the background up; more than 5 changes hardly anything.
    #[schemars(range(min = 1, max = 100))]
    #[serde(default = "default_iterations")]
    pub iterations: usize,
    /// Which axis is filtered first in the one-dimensional passes.
    #[serde(default)]
    pub axis: FilterAxis,
    /// Whether the median and the mean use the full square window instead of two one-dimensional passes.
    ///
    /// Slower by far, and it bends at the image's edge, but follows round structure without a cross pattern.
    #[serde(default)]
    pub twod: bool,
    /// Whether the sky level is taken out too, so that the result has zero mean, instead of being added again.
    #[serde(default)]
    pub takeout_sky: bool,
    /// Whether the result is the image divided by the background (at least 1) instead of their difference.
    ///
    /// For flat fields and other images whose background is large and positive.
    #[serde(default)]
    pub norm: bool,
    /// Lower clip: a pixel so many sigma of the residual below its median is left out of the next pass.
    ///
    /// 10 keeps dark clouds in the background; smaller values clip them.
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    #[serde(default = "default_clip_low_sigma")]
    pub clip_low_sigma: f64,
    /// Upper clip: a pixel so many sigma of the residual above its median is left out of the next pass.
    ///
    /// 3 removes stars. Below 2 the noise itself is clipped and the background comes out low; above 5 the wings of
    /// stars stay in the background.
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    #[serde(default = "default_clip_high_sigma")]
    pub clip_high_sigma: f64,
    /// Whether gaps are bridged by exact linear interpolation.
    ///
    /// The original divides by one pixel more than the gap, which leaves a small step behind it; that is the default,
    /// for equal results.
    #[serde(default)]
    pub exact_gaps: bool,
    /// How medians and sigmas of the whole image are found.
    #[serde(default)]
    pub stats: Statistics,
}

/// Order of the one-dimensional passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilterAxis {
    /// Along the columns (y), then along the rows: axis 2 of the original.
    #[default]
    ColumnsFirst,
    /// Along the rows (x), then along the columns: axis 1 of the original.
    RowsFirst,
}

/// How robust statistics of the image are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistics {
    /// Histogram of unit bins from -1000 to 65535, as the original: for images in counts. Values outside are ignored.
    #[default]
    Histogram,
    /// Exact order statistics, for images in any unit; agrees with the histogram to about 0.05 sigma.
    Exact,
}

fn default_iterations() -> usize {
    3
}
fn default_clip_low_sigma() -> f64 {
    10.0
}
fn default_clip_high_sigma() -> f64 {
    3.0
}

impl Nebulise {
    /// The two windows, with defaults for everything else.
    #[must_use]
    pub fn new(median_px: usize, linear_px: usize) -> Self {
        Self {
            median_px,
            linear_px,
            iterations: default_iterations(),
            axis: FilterAxis::default(),
            twod: false,
            takeout_sky: false,
            norm: false,
            clip_low_sigma: default_clip_low_sigma(),
            clip_high_sigma: default_clip_high_sigma(),
            exact_gaps: false,
            stats: Statistics::default(),
        }
    }
}
