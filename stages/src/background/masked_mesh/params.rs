//! Parameters of `background.masked_mesh`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Measures the background in boxes from which all objects are masked, again and again, and subtracts it.
///
/// A mesh of medians takes the light of anything that fills half a box for background. Here the first background is subtracted, what
/// stands out of the smoothed rest is masked, and the mesh is measured anew without it, a few times: the light of clusters and nebular
/// knots stays in the image even when boxes are small. Small boxes (32 px) follow nebulosity and are for finding compact objects;
/// large ones (128 to 256 px) keep the light of extended clusters and are for photometry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskedMeshBackground {
    /// Side of the boxes. About three times the objects that are looked for; 32 follows HII regions, 128 to 256 keep clusters whole.
    #[serde(default = "default_box_px")]
    #[schemars(range(min = 4, max = 100_000), extend("x-unit" = "px"))]
    pub box_px: usize,
    /// Width of the median filter over the mesh, odd. 1 is off.
    #[serde(default = "default_filter")]
    #[schemars(range(min = 1, max = 99), extend("x-unit" = "boxes"))]
    pub filter: usize,
    /// Pixels this far from the median of their box are clipped, in standard deviations of the box.
    #[serde(default = "default_clip_sigma")]
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub clip_sigma: f64,
    /// Gaussian by which the image is smoothed before objects are masked: about half the FWHM of a star.
    #[serde(default = "default_smooth_px")]
    #[schemars(range(min = 0.0, max = 100.0), extend("x-unit" = "px"))]
    pub smooth_px: f64,
    /// Smoothed pixels above this are masked, in units of the local noise of the smoothed image.
    ///
    /// Lower values keep more of the outskirts of clusters out of the background; below 1.5 the noise itself is masked, and
    /// the background comes out low.
    #[serde(default = "default_mask_sigma")]
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub mask_sigma: f64,
    /// Pixels by which the mask grows, after parts smaller than a cross of 5 pixels were dropped.
    #[serde(default = "default_grow_px")]
    #[schemars(range(min = 0, max = 1000), extend("x-unit" = "px"))]
    pub grow_px: usize,
    /// Boxes in which the noise is measured.
    #[serde(default = "default_noise_box_px")]
    #[schemars(range(min = 8, max = 100_000), extend("x-unit" = "px"))]
    pub noise_box_px: usize,
    /// Times that objects are masked and the mesh is measured again. 0 is a plain mesh of medians.
    #[serde(default = "default_iterations")]
    #[schemars(range(max = 100))]
    pub iterations: usize,
}

fn default_box_px() -> usize {
    32
}
fn default_filter() -> usize {
    3
}
fn default_clip_sigma() -> f64 {
    2.5
}
fn default_smooth_px() -> f64 {
    1.5
}
fn default_mask_sigma() -> f64 {
    2.0
}
fn default_grow_px() -> usize {
    3
}
fn default_noise_box_px() -> usize {
    128
}
fn default_iterations() -> usize {
    4
}

impl Default for MaskedMeshBackground {
    fn default() -> Self {
        Self {
            box_px: default_box_px(),
            filter: default_filter(),
            clip_sigma: default_clip_sigma(),
            smooth_px: default_smooth_px(),
            mask_sigma: default_mask_sigma(),
            grow_px: default_grow_px(),
            noise_box_px: default_noise_box_px(),
            iterations: default_iterations(),
        }
    }
}
