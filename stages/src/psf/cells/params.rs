//! Parameters of `psf.field`.

use skyloom_engine::Problems;

/// How the spread of a parameter over the stars of a cell is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scatter {
    /// 1.4826 times the median absolute deviation: a blend among the stars does not change it.
    #[default]
    Robust,
    /// The standard deviation, as the paper prints. One failed compound fit can make it useless as a bound.
    Std,
}

/// Maps the PSF over the image: median and scatter of every fitted parameter per cell.
///
/// Faint and bright stars are kept apart; fits that did not converge or ended on a bound are left out. Each axis is divided into
/// `ceil(size / cell_px)` equal cells (Miller et al. 2024, section 5.4: 7 x 8 cells just under 2000 px). A cell with few stars
/// takes the values of the whole image; a bright group without enough stars takes those of the faint one; both are marked as
/// borrowed. The local FWHM is the median of sqrt(FWHM_x FWHM_y) of the faint Moffat fits. Angles are axis directions of the
/// major axis, and are averaged as such. Used twice where bright stars are fitted: once with the faint fits alone, to start the
/// bright ones, and once with both.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildField {
    /// Largest side of a cell (section 5.4: just under 2000).
    ///
    /// Smaller cells follow a PSF that changes quickly, but need stars: see `min_cell_stars`.
    #[serde(default = "default_cell_px")]
    #[schemars(range(min = 1.0), extend("x-unit" = "px"))]
    pub cell_px: f64,
    /// How the spread is measured. Later stages bound their fits at median plus and minus a multiple of it.
    #[serde(default)]
    pub scatter: Scatter,
    /// Stars that a cell needs for values of its own (not given in the paper); with fewer it takes those of the whole image.
    #[serde(default = "default_min_cell_stars")]
    #[schemars(range(min = 1))]
    pub min_cell_stars: usize,
    /// Stars that a group needs in the whole image.
    ///
    /// With fewer faint ones the stage fails; with fewer bright ones the bright fields take the faint values.
    #[serde(default = "default_min_stars")]
    #[schemars(range(min = 1))]
    pub min_stars: usize,
}

fn default_cell_px() -> f64 {
    2000.0
}
fn default_min_cell_stars() -> usize {
    10
}
fn default_min_stars() -> usize {
    5
}

impl Default for BuildField {
    fn default() -> Self {
        Self {
            cell_px: default_cell_px(),
            scatter: Scatter::Robust,
            min_cell_stars: default_min_cell_stars(),
            min_stars: default_min_stars(),
        }
    }
}

impl BuildField {
    /// Checks the parameters alone.
    pub(super) fn check_params(&self, problems: &mut Problems) {
        problems.require_range("cell_px", self.cell_px, 1.0, 1e9);
        for (name, value) in [("min_cell_stars", self.min_cell_stars), ("min_stars", self.min_stars)] {
            if value == 0 {
                problems.param(name, value, "at least 1");
            }
        }
    }
}
