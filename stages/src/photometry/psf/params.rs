//! Parameters of `photometry.psf`.

use serde::{Deserialize, Serialize};
use skyloom_engine::Problems;

/// Measures stars of a list with the average PSF of their cell, and makes a star catalogue of them.
///
/// For each star the amplitude and the centre of the cell's average PSF are fitted in a small aperture, above the median of a
/// ring about it. Neighbours are taken out: in each pass the models of all other stars are subtracted first. The flux is that
/// of the whole model. The result has the columns of a star catalogue and can stand where one is read from a file.
///
/// `sharp` is the excess of the squared width over the PSF's, from a fit of amplitude and width together: 0 for a star, above
/// 0 for blends and galaxies, below 0 for spikes. `prob` compares two Gaussians for the width: that of a star, as wide as the
/// error of the width and `width_tolerance` together, and that of anything else, wider by `other_width`; equal shares are
/// assumed, so that a star too faint to tell has 0.5. Both are NaN where the core is saturated: unknown. Where the image has no
/// zero point, magnitudes are instrumental, by `instrumental_zero_point`, with a warning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PsfPhotometry {
    /// Radius of the aperture in units of the local FWHM.
    ///
    /// Smaller ones are less disturbed by neighbours, larger ones less by errors of the PSF's core; 1 holds most of the light.
    #[serde(default = "default_aperture")]
    #[schemars(range(min = 0.3, max = 10.0), extend("x-unit" = "FWHM"))]
    pub aperture_fwhm: f64,
    /// Inner and outer radius of the ring for the local background, in units of the local FWHM.
    ///
    /// Too near, it holds the star's own wings (they are allowed for, but only as well as the PSF knows them); too far, the
    /// background is no longer local. `[0, 0]` takes no background.
    #[serde(default = "default_ring")]
    pub ring_fwhm: [f64; 2],
    /// Passes; from the second on neighbours are subtracted. 1 for sparse fields, 3 or 4 for crowded ones.
    #[serde(default = "default_passes")]
    #[schemars(range(min = 1, max = 100))]
    pub passes: usize,
    /// Farthest that a centre may move from its place in the list; 0 keeps the list's positions.
    #[serde(default = "default_shift")]
    #[schemars(range(min = 0.0, max = 100.0), extend("x-unit" = "px"))]
    pub max_shift_px: f64,
    /// Pixels this far below 0 count as saturated: surveys write 0 where a pixel is saturated, and the sky was subtracted.
    ///
    /// Such stars are measured on their wings. Too small a value takes noise for saturation.
    #[serde(default = "default_saturated")]
    #[schemars(range(min = 1.0), extend("x-unit" = "sigma"))]
    pub saturated_below_sigma: f64,
    /// Relative scatter of stars' widths about the average PSF, for `prob`. Too small, bright stars count as extended where
    /// the PSF varies inside a cell.
    #[serde(default = "default_tolerance")]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub width_tolerance: f64,
    /// Relative scatter of the widths of what is no star, for `prob`.
    #[serde(default = "default_other")]
    #[schemars(range(min = 0.001, max = 100.0))]
    pub other_width: f64,
    /// Zero point of the magnitudes where the image has none; one that the image has comes first.
    ///
    /// Stages that sort stars by magnitude expect those of a survey: on an uncalibrated image choose it so that the brightest
    /// stars that are not saturated have about 12 mag. 0 gives `-2.5 log10(flux / exposure)`.
    #[serde(default)]
    #[schemars(range(min = -100.0, max = 100.0), extend("x-unit" = "mag"))]
    pub instrumental_zero_point: f64,
}

fn default_aperture() -> f64 {
    1.0
}
fn default_ring() -> [f64; 2] {
    [3.0, 5.0]
}
fn default_passes() -> usize {
    3
}
fn default_shift() -> f64 {
    1.0
}
fn default_saturated() -> f64 {
    // The saturation test of the published method: any of the central pixels below -5 sigma.
    5.0
}
fn default_tolerance() -> f64 {
    0.05
}
fn default_other() -> f64 {
    0.5
}

impl Default for PsfPhotometry {
    fn default() -> Self {
        Self {
            aperture_fwhm: default_aperture(),
            ring_fwhm: default_ring(),
            passes: default_passes(),
            max_shift_px: default_shift(),
            saturated_below_sigma: default_saturated(),
            width_tolerance: default_tolerance(),
            other_width: default_other(),
            instrumental_zero_point: 0.0,
        }
    }
}

impl PsfPhotometry {
    pub(super) fn check_params(&self, problems: &mut Problems) {
        problems.require_range("aperture_fwhm", self.aperture_fwhm, 0.3, 10.0);
        let [inner, outer] = self.ring_fwhm;
        let is_ring = inner >= 0.0 && outer > inner && outer <= 50.0;
        if !is_ring && self.ring_fwhm != [0.0, 0.0] {
            problems.param(
                "ring_fwhm",
                format!("[{inner}, {outer}]"),
                "an inner and a larger outer radius up to 50, or [0, 0]",
            );
        }
        if !(1..=100).contains(&self.passes) {
            problems.param("passes", self.passes, "1 to 100");
        }
        problems.require_range("instrumental_zero_point", self.instrumental_zero_point, -100.0, 100.0);
        problems.require_range("max_shift_px", self.max_shift_px, 0.0, 100.0);
        if !(self.saturated_below_sigma >= 1.0 && self.saturated_below_sigma.is_finite()) {
            problems.param("saturated_below_sigma", self.saturated_below_sigma, "a finite number of 1 or more");
        }
        problems.require_range("width_tolerance", self.width_tolerance, 0.0, 10.0);
        problems.require_range("other_width", self.other_width, 0.001, 100.0);
    }
}
