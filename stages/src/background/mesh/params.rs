//! Parameters of the mesh background.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::estimators::{BackgroundEstimator, NoiseEstimator};

/// Measures background and noise in boxes, and subtracts the background.
///
/// Each box gives a level and a scatter of its sigma-clipped pixels; boxes with too few pixels left are filled from
/// their neighbours; the mesh is median filtered and enlarged to the image by a cubic spline. The noise map defines
/// what "sigma" means in every stage behind.
///
/// Follows photutils' `Background2D`; with `median`, `std`, 3 and 3 it is the background of the published LMC cluster
/// catalogue, whose box size is not given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeshBackground {
    /// Width of the boxes, and their height unless `box_y_px` is given. Boxes larger than the image become the image.
    ///
    /// A few times the size of the objects that should survive: smaller boxes take their light for background and
    /// their structure for noise, larger ones miss gradients. 20 to 200 is usual.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "px"))]
    #[serde(default = "default_box_px")]
    pub box_px: usize,
    /// Height of the boxes, where it differs from `box_px`.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "px"))]
    #[serde(default)]
    pub box_y_px: Option<usize>,
    /// Width of the median filter over the mesh, in boxes, odd, and its height unless `filter_y` is given. 1 is off.
    ///
    /// Removes boxes that a bright object spoiled. Larger filters smooth real structure away.
    #[schemars(range(min = 1, max = 999), extend("x-unit" = "boxes"))]
    #[serde(default = "default_filter")]
    pub filter: usize,
    /// Height of the median filter in boxes, odd, where it differs from `filter`.
    #[schemars(range(min = 1, max = 999), extend("x-unit" = "boxes"))]
    #[serde(default)]
    pub filter_y: Option<usize>,
    /// Filters only boxes whose level is above this value, in units of the image. Absent: all boxes.
    #[serde(default)]
    pub filter_threshold: Option<f64>,
    /// Pixels further than this from the box's median, in standard deviations of the box, are clipped, on both sides.
    ///
    /// 3 is usual; below 2 the noise itself is clipped and comes out low, above 5 faint stars count as noise.
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    #[serde(default = "default_clip_sigma")]
    pub clip_sigma: f64,
    /// Clipping rounds at most; it ends earlier when nothing changes. 0 clips nothing.
    #[schemars(range(max = 1000))]
    #[serde(default = "default_clip_iterations")]
    pub clip_iterations: usize,
    /// Share of a box that may be masked or clipped, in percent; a box that lost more is filled from its neighbours.
    ///
    /// The nominal area counts, so that narrow boxes at the edge drop out. **For extended light give 50 to 90**: with
    /// 10, the photutils default, every box on a bright cluster drops out and is filled from outside, and the noise
    /// there comes out far too low (0.3 instead of 2.7 on M2). 100 keeps every box with one pixel left.
    #[schemars(range(min = 0.0, max = 100.0), extend("x-unit" = "%"))]
    #[serde(default = "default_exclude_percentile")]
    pub exclude_percentile: f64,
    /// The level of a box.
    #[serde(default)]
    pub estimator: BackgroundEstimator,
    /// The noise of a box.
    #[serde(default)]
    pub noise_estimator: NoiseEstimator,
    /// Masks pixels further than so many standard deviations of the whole image from its median before boxes are
    /// measured. Absent: none are masked.
    ///
    /// The published LMC catalogue uses 2. It keeps stars out of boxes that they would fill; on images with strong
    /// gradients it masks the sky itself.
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    #[serde(default)]
    pub mask_sigma: Option<f64>,
}

fn default_box_px() -> usize {
    50
}
fn default_filter() -> usize {
    3
}
fn default_clip_sigma() -> f64 {
    3.0
}
fn default_clip_iterations() -> usize {
    10
}
fn default_exclude_percentile() -> f64 {
    10.0
}

impl Default for MeshBackground {
    fn default() -> Self {
        Self {
            box_px: default_box_px(),
            box_y_px: None,
            filter: default_filter(),
            filter_y: None,
            filter_threshold: None,
            clip_sigma: default_clip_sigma(),
            clip_iterations: default_clip_iterations(),
            exclude_percentile: default_exclude_percentile(),
            estimator: BackgroundEstimator::default(),
            noise_estimator: NoiseEstimator::default(),
            mask_sigma: None,
        }
    }
}

impl MeshBackground {
    /// Box height and width for an image of `shape` (rows, columns): never larger than the image.
    #[must_use]
    pub fn box_size(&self, shape: (usize, usize)) -> [usize; 2] {
        [self.box_y_px.unwrap_or(self.box_px).min(shape.0), self.box_px.min(shape.1)]
    }

    /// Height and width of the median filter, in boxes.
    #[must_use]
    pub fn filter_size(&self) -> [usize; 2] {
        [self.filter_y.unwrap_or(self.filter), self.filter]
    }
}
