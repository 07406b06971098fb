//! Parameters of `psf.fit`.

use skyloom_data::PsfModel;
use skyloom_engine::Problems;

/// The analytic model that is fitted to the stars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PsfShape {
    /// Elliptical Gaussian: 6 parameters. Wings fall too fast for most telescopes.
    Gaussian,
    /// Elliptical Moffat: 7 parameters. The usual choice.
    Moffat,
    /// Moffat plus Gaussian about one centre: 11 parameters. Needs bright stars.
    Compound,
}

impl PsfShape {
    /// The model in the data crate's vocabulary.
    #[must_use]
    pub fn model(self) -> PsfModel {
        match self {
            Self::Gaussian => PsfModel::Gaussian,
            Self::Moffat => PsfModel::Moffat,
            Self::Compound => PsfModel::Compound,
        }
    }
}

/// Fits an analytic PSF to isolated bright stars and maps its parameters over a grid of cells.
///
/// Stars are taken from a detection list when they are bright, not saturated, away from the edge and from masked
/// pixels, and without a neighbour of comparable brightness. Each is fitted alone by bounded least squares with the noise
/// map as weight; outliers in width, wing slope and misfit are dropped; every cell of the grid gets the median and
/// the robust scatter of each shape parameter. A cell with too few stars takes the values of the whole image.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PsfFit {
    /// The model that is fitted.
    #[serde(default = "default_model")]
    pub model: PsfShape,
    /// Least peak of a PSF star, in units of the local noise.
    ///
    /// Fainter stars scatter the wing slope; brighter limits leave fewer stars. Below about 20 the fits follow the noise.
    #[serde(default = "default_min_peak_sigma")]
    #[schemars(range(min = 1.0), extend("x-unit" = "sigma"))]
    pub min_peak_sigma: f64,
    /// Pixel value (background subtracted, in the image's unit) from which a star counts as saturated.
    ///
    /// Absent: only the bits SATURATED and INTERPOLATED of the mask decide, and the outlier rejection catches dimmed cores.
    #[serde(default)]
    pub saturation: Option<f64>,
    /// Smallest sharpness of the detection list that is accepted, where the list has that column.
    ///
    /// Survey pipelines that interpolate over saturated cores leave them flat: low sharpness. 0 accepts everything.
    #[serde(default = "default_min_sharpness")]
    pub min_sharpness: f64,
    /// Largest sharpness that is accepted: cosmic rays and hot pixels are sharper than stars.
    #[serde(default = "default_max_sharpness")]
    pub max_sharpness: f64,
    /// Half side of the square cut-out that is fitted.
    ///
    /// Too small: the wing slope is a guess; too large: neighbours and background errors shape the wings. 15 gives the
    /// 31 px cut-out of the published method.
    #[serde(default = "default_stamp_radius_px")]
    #[schemars(range(min = 3, max = 100), extend("x-unit" = "px"))]
    pub stamp_radius_px: usize,
    /// A star with a neighbour closer than this that is not much fainter is not isolated.
    #[serde(default = "default_isolation_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub isolation_px: f64,
    /// Brightness of a neighbour, as a fraction of the star's peak, from which it counts.
    ///
    /// 0.06 is 3 magnitudes. Larger values accept more stars in crowded fields, with less certain wings.
    #[serde(default = "default_neighbour_ratio")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub neighbour_ratio: f64,
    /// Pixels closer than this to a fainter neighbour take no part in the fit. 0 uses all pixels.
    #[serde(default = "default_neighbour_mask_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub neighbour_mask_px: f64,
    /// Side of the grid cells: each axis is divided into `ceil(size / cell_px)` equal cells.
    ///
    /// Smaller cells follow a PSF that changes quickly, but need stars: see `min_cell_stars`.
    #[serde(default = "default_cell_px")]
    #[schemars(range(min = 1.0), extend("x-unit" = "px"))]
    pub cell_px: f64,
    /// Stars that a cell needs for values of its own; with fewer it takes those of the whole image.
    #[serde(default = "default_min_cell_stars")]
    #[schemars(range(min = 1))]
    pub min_cell_stars: usize,
    /// Stars that the image needs; with fewer the stage fails and says why the others were rejected.
    #[serde(default = "default_min_stars")]
    #[schemars(range(min = 1))]
    pub min_stars: usize,
    /// Brightest stars that are fitted per cell: more cost time and change nothing.
    #[serde(default = "default_max_cell_stars")]
    #[schemars(range(min = 1))]
    pub max_cell_stars: usize,
    /// Stars further than this many robust standard deviations from the median are dropped.
    #[serde(default = "default_reject_sigma")]
    #[schemars(range(min = 1.0), extend("x-unit" = "sigma"))]
    pub reject_sigma: f64,
    /// Largest fraction of fits that may fail to converge before the stage fails.
    #[serde(default = "default_max_failed_fraction")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_failed_fraction: f64,
}

fn default_model() -> PsfShape {
    PsfShape::Moffat
}
fn default_min_peak_sigma() -> f64 {
    50.0
}
fn default_min_sharpness() -> f64 {
    0.2
}
fn default_max_sharpness() -> f64 {
    1.0
}
fn default_stamp_radius_px() -> usize {
    15
}
fn default_isolation_px() -> f64 {
    15.0
}
fn default_neighbour_ratio() -> f64 {
    0.06
}
fn default_neighbour_mask_px() -> f64 {
    4.0
}
fn default_cell_px() -> f64 {
    // Miller et al. 2024, section 5.4: cells of just under 2000 x 2000 px.
    2000.0
}
fn default_min_cell_stars() -> usize {
    10
}
fn default_min_stars() -> usize {
    5
}
fn default_max_cell_stars() -> usize {
    1000
}
fn default_reject_sigma() -> f64 {
    3.0
}
fn default_max_failed_fraction() -> f64 {
    0.5
}

impl Default for PsfFit {
    fn default() -> Self {
        Self {
            model: default_model(),
            min_peak_sigma: default_min_peak_sigma(),
            saturation: None,
            min_sharpness: default_min_sharpness(),
            max_sharpness: default_max_sharpness(),
            stamp_radius_px: default_stamp_radius_px(),
            isolation_px: default_isolation_px(),
            neighbour_ratio: default_neighbour_ratio(),
            neighbour_mask_px: default_neighbour_mask_px(),
            cell_px: default_cell_px(),
            min_cell_stars: default_min_cell_stars(),
            min_stars: default_min_stars(),
            max_cell_stars: default_max_cell_stars(),
            reject_sigma: default_reject_sigma(),
            max_failed_fraction: default_max_failed_fraction(),
        }
    }
}

impl PsfFit {
    /// Checks the parameters alone.
    pub(super) fn check_params(&self, problems: &mut Problems) {
        problems.require_positive("min_peak_sigma", self.min_peak_sigma);
        if let Some(saturation) = self.saturation {
            problems.require_positive("saturation", saturation);
        }
        problems.require_range("min_sharpness", self.min_sharpness, -100.0, 100.0);
        problems.require_range("max_sharpness", self.max_sharpness, -100.0, 100.0);
        if self.min_sharpness > self.max_sharpness {
            problems.param("min_sharpness", self.min_sharpness, "a number that is not above max_sharpness");
        }
        problems.require_range("stamp_radius_px", self.stamp_radius_px as f64, 3.0, 100.0);
        problems.require_range("isolation_px", self.isolation_px, 0.0, 1e4);
        problems.require_range("neighbour_ratio", self.neighbour_ratio, 0.0, 1.0);
        problems.require_range("neighbour_mask_px", self.neighbour_mask_px, 0.0, 100.0);
        problems.require_range("cell_px", self.cell_px, 1.0, 1e9);
        for (name, value) in [
            ("min_cell_stars", self.min_cell_stars),
            ("min_stars", self.min_stars),
            ("max_cell_stars", self.max_cell_stars),
        ] {
            if value == 0 {
                problems.param(name, value, "at least 1");
            }
        }
        problems.require_range("reject_sigma", self.reject_sigma, 1.0, 1e6);
        problems.require_range("max_failed_fraction", self.max_failed_fraction, 0.0, 1.0);
    }

    /// Cells along an axis of `size` pixels.
    #[must_use]
    pub fn n_cells(&self, size: usize) -> usize {
        ((size as f64 / self.cell_px).ceil() as usize).clamp(1, size.max(1))
    }
}
