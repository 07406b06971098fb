//! Parameters of `psf.select_isolated`.

use skyloom_engine::Problems;

/// Chooses isolated stars for the PSF, in a faint and a bright group that overlap in magnitude.
///
/// A catalogue star is taken when its magnitude lies in a group, when it looks like a single star (`prob`, `sharp`), and when
/// the contours of its cut-out show nothing else: at every level at most one contour, whose centroid at the lowest level lies at
/// the catalogue position (Miller et al. 2024, section 5.1). Cut-outs with a masked or saturated pixel, or across the edge, are
/// left out, and of two entries with the same contour the fainter. A value of `prob` or `sharp` that is not known passes. The
/// metrics say how many stars each test turned down.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectIsolated {
    /// Brightest magnitude of the faint group (section 5.1: 14.5 in Ks).
    ///
    /// Brighter stars have another PSF on infrared detectors, where charge spreads; they make the group's widths too large.
    #[serde(default = "default_faint_min_mag")]
    #[schemars(range(min = -50.0, max = 50.0), extend("x-unit" = "mag"))]
    pub faint_min_mag: f64,
    /// Faintest magnitude of the faint group (section 5.1: 18 in Ks).
    ///
    /// Fainter stars add noise to the shapes, brighter limits leave fewer stars per cell.
    #[serde(default = "default_faint_max_mag")]
    #[schemars(range(min = -50.0, max = 50.0), extend("x-unit" = "mag"))]
    pub faint_max_mag: f64,
    /// Brightest magnitude of the bright group (section 5.1: 9 in Ks). The groups overlap on purpose.
    #[serde(default = "default_bright_min_mag")]
    #[schemars(range(min = -50.0, max = 50.0), extend("x-unit" = "mag"))]
    pub bright_min_mag: f64,
    /// Faintest magnitude of the bright group (section 5.1: 15.5 in Ks).
    #[serde(default = "default_bright_max_mag")]
    #[schemars(range(min = -50.0, max = 50.0), extend("x-unit" = "mag"))]
    pub bright_max_mag: f64,
    /// Side of the square cut-out of a faint star, odd.
    ///
    /// The printed text has lost it; 31 is the size that its table 1 gives stars of 14 to 17 mag. It says how isolated is
    /// isolated: in a crowded field 31 px may leave no star, and 21 or 17 px some. Below about 5 FWHM the wings are not seen.
    #[serde(default = "default_faint_stamp_px")]
    #[schemars(range(min = 5, max = 501), extend("x-unit" = "px"))]
    pub faint_stamp_px: usize,
    /// Side of the square cut-out of a bright star, odd (not given in the text; 51 is its size for stars of 13 to 14 mag).
    #[serde(default = "default_bright_stamp_px")]
    #[schemars(range(min = 5, max = 501), extend("x-unit" = "px"))]
    pub bright_stamp_px: usize,
    /// Lowest contour level of the faint group, in units of the local noise (section 5.1: 5).
    ///
    /// A lower level finds fainter neighbours and noise peaks: fewer stars, more isolated ones.
    #[serde(default = "default_faint_first_level_sigma")]
    #[schemars(range(min = 0.1), extend("x-unit" = "sigma"))]
    pub faint_first_level_sigma: f64,
    /// Lowest contour level of the bright group (section 5.1: 20).
    #[serde(default = "default_bright_first_level_sigma")]
    #[schemars(range(min = 0.1), extend("x-unit" = "sigma"))]
    pub bright_first_level_sigma: f64,
    /// Distance of the contour levels (section 5.1: 5). Larger steps can miss a close neighbour of almost the same peak.
    #[serde(default = "default_level_step_sigma")]
    #[schemars(range(min = 0.1), extend("x-unit" = "sigma"))]
    pub level_step_sigma: f64,
    /// Highest contour level of both groups (section 5.1: 210).
    #[serde(default = "default_last_level_sigma")]
    #[schemars(range(min = 0.1), extend("x-unit" = "sigma"))]
    pub last_level_sigma: f64,
    /// Stars whose probability `prob` of being a star is not above this are left out.
    ///
    /// Not given for this step; 0.33 is where section 8.1.1 sees blends and galaxies. Higher values give cleaner and fewer stars.
    #[serde(default = "default_min_prob")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_prob: f64,
    /// Stars whose `sharp` is not below this are left out: 0 is point-like, larger is extended (section 8.1.1: 0.5).
    #[serde(default = "default_max_sharp")]
    pub max_sharp: f64,
    /// Whether the absolute value of `sharp` is what must be below `max_sharp`: blends and defects can be too sharp, too.
    #[serde(default)]
    pub use_absolute_sharp: bool,
    /// Farthest that the centroid of the lowest contour may lie from the catalogue position (section 5.1: 0.4).
    ///
    /// A neighbour that no contour separates pulls the centroid. Too small a value turns down good stars for the errors of the
    /// catalogue's positions.
    #[serde(default = "default_max_offset_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub max_offset_px: f64,
    /// A star with a pixel below this, in units of the local noise, in the 3x3 box on its position is saturated.
    ///
    /// For surveys that write 0 into saturated cores, which the sky subtraction makes negative. Pixels that the mask marks as
    /// saturated or interpolated count anyway.
    #[serde(default = "default_saturated_below_sigma")]
    #[schemars(range(max = 0.0), extend("x-unit" = "sigma"))]
    pub saturated_below_sigma: f64,
}

fn default_faint_min_mag() -> f64 {
    14.5
}
fn default_faint_max_mag() -> f64 {
    18.0
}
fn default_bright_min_mag() -> f64 {
    9.0
}
fn default_bright_max_mag() -> f64 {
    15.5
}
fn default_faint_stamp_px() -> usize {
    31
}
fn default_bright_stamp_px() -> usize {
    51
}
fn default_faint_first_level_sigma() -> f64 {
    5.0
}
fn default_bright_first_level_sigma() -> f64 {
    20.0
}
fn default_level_step_sigma() -> f64 {
    5.0
}
fn default_last_level_sigma() -> f64 {
    210.0
}
fn default_min_prob() -> f64 {
    0.33
}
fn default_max_sharp() -> f64 {
    0.5
}
fn default_max_offset_px() -> f64 {
    0.4
}
fn default_saturated_below_sigma() -> f64 {
    -5.0
}

impl Default for SelectIsolated {
    fn default() -> Self {
        Self {
            faint_min_mag: default_faint_min_mag(),
            faint_max_mag: default_faint_max_mag(),
            bright_min_mag: default_bright_min_mag(),
            bright_max_mag: default_bright_max_mag(),
            faint_stamp_px: default_faint_stamp_px(),
            bright_stamp_px: default_bright_stamp_px(),
            faint_first_level_sigma: default_faint_first_level_sigma(),
            bright_first_level_sigma: default_bright_first_level_sigma(),
            level_step_sigma: default_level_step_sigma(),
            last_level_sigma: default_last_level_sigma(),
            min_prob: default_min_prob(),
            max_sharp: default_max_sharp(),
            use_absolute_sharp: false,
            max_offset_px: default_max_offset_px(),
            saturated_below_sigma: default_saturated_below_sigma(),
        }
    }
}

/// What one group of stars must meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Brightest magnitude.
    pub min_mag: f64,
    /// Faintest magnitude.
    pub max_mag: f64,
    /// Half side of the cut-out in pixels; the cut-out has an odd side.
    pub radius_px: usize,
    /// Contour levels in units of the noise, upwards.
    pub levels_sigma: Vec<f64>,
}

/// Levels at most: a step of 0.1 over some hundred sigma.
const MAX_LEVELS: f64 = 10_000.0;

impl SelectIsolated {
    /// The faint group.
    #[must_use]
    pub fn faint(&self) -> Group {
        Group {
            min_mag: self.faint_min_mag,
            max_mag: self.faint_max_mag,
            radius_px: self.faint_stamp_px / 2,
            levels_sigma: self.levels(self.faint_first_level_sigma),
        }
    }

    /// The bright group.
    #[must_use]
    pub fn bright(&self) -> Group {
        Group {
            min_mag: self.bright_min_mag,
            max_mag: self.bright_max_mag,
            radius_px: self.bright_stamp_px / 2,
            levels_sigma: self.levels(self.bright_first_level_sigma),
        }
    }

    /// `first`, `first + step`, .. up to the last level, which a rounding error must not lose.
    fn levels(&self, first: f64) -> Vec<f64> {
        let steps = ((self.last_level_sigma - first) / self.level_step_sigma + 1e-9).floor().clamp(0.0, MAX_LEVELS);
        (0..=steps as usize).map(|k| first + k as f64 * self.level_step_sigma).collect()
    }

    /// Checks the parameters alone.
    pub(super) fn check_params(&self, problems: &mut Problems) {
        for (group, low, high) in
            [("faint", self.faint_min_mag, self.faint_max_mag), ("bright", self.bright_min_mag, self.bright_max_mag)]
        {
            problems.require_range(&format!("{group}_min_mag"), low, -50.0, 50.0);
            problems.require_range(&format!("{group}_max_mag"), high, -50.0, 50.0);
            if low > high {
                problems.param(
                    &format!("{group}_min_mag"),
                    low,
                    &format!("a magnitude that is not fainter than {group}_max_mag, {high}"),
                );
            }
        }
        for (name, side) in [("faint_stamp_px", self.faint_stamp_px), ("bright_stamp_px", self.bright_stamp_px)] {
            if side.is_multiple_of(2) || !(5..=501).contains(&side) {
                problems.param(name, side, "an odd number from 5 to 501, so that the star can be in the middle");
            }
        }
        problems.require_positive("level_step_sigma", self.level_step_sigma);
        problems.require_positive("last_level_sigma", self.last_level_sigma);
        for (name, first) in [
            ("faint_first_level_sigma", self.faint_first_level_sigma),
            ("bright_first_level_sigma", self.bright_first_level_sigma),
        ] {
            problems.require_positive(name, first);
            if first > self.last_level_sigma {
                problems.param(name, first, "a level that is not above last_level_sigma");
            } else if self.level_step_sigma > 0.0
                && (self.last_level_sigma - first) / self.level_step_sigma > MAX_LEVELS
            {
                problems.param("level_step_sigma", self.level_step_sigma, "a step that gives at most 10000 levels");
            }
        }
        problems.require_range("min_prob", self.min_prob, 0.0, 1.0);
        problems.require_range("max_sharp", self.max_sharp, -1e6, 1e6);
        problems.require_range("max_offset_px", self.max_offset_px, 0.0, 1e6);
        problems.require_range("saturated_below_sigma", self.saturated_below_sigma, -1e9, 0.0);
    }
}
