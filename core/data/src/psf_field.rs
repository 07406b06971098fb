//! The PSF and how it changes over an image.

use serde::{Deserialize, Serialize};

/// An analytic PSF model; the names of its shape parameters in order are [`PsfModel::shape_names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PsfModel {
    /// Elliptical Gaussian.
    Gaussian,
    /// Elliptical Moffat.
    Moffat,
    /// Elliptical Moffat plus elliptical Gaussian about one centre (Miller et al. 2024, eq. 1).
    Compound,
}

impl PsfModel {
    /// Names of the shape parameters: widths in pixels, angles in radians from +x towards +y.
    #[must_use]
    pub fn shape_names(self) -> &'static [&'static str] {
        match self {
            Self::Gaussian => &["sigma_x", "sigma_y", "theta_g"],
            Self::Moffat => &["gamma_x", "gamma_y", "theta_m", "alpha"],
            // The amplitude ratio A_G / A_M is a shape: it does not change with the star's flux.
            Self::Compound => &["gamma_x", "gamma_y", "theta_m", "alpha", "ratio_g", "sigma_x", "sigma_y", "theta_g"],
        }
    }
}

/// Medians and robust scatters of PSF parameters in one cell of the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PsfCell {
    /// Stars that the values rest on.
    pub n_stars: usize,
    /// Median of each shape parameter.
    pub median: Vec<f64>,
    /// Standard deviation (robust) of each shape parameter.
    pub scatter: Vec<f64>,
    /// Local FWHM in pixels: median of sqrt(FWHM_x FWHM_y).
    pub fwhm: f64,
    /// Whether the cell had too few stars and took the values of the whole image.
    pub is_borrowed: bool,
}

/// A PSF model on a grid of equal cells over the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PsfField {
    /// The model.
    pub model: PsfModel,
    /// Image columns.
    pub width: usize,
    /// Image rows.
    pub height: usize,
    /// Cells along x.
    pub n_x: usize,
    /// Cells along y.
    pub n_y: usize,
    /// Cells in raster order: `cells[iy * n_x + ix]`.
    pub cells: Vec<PsfCell>,
}

impl PsfField {
    /// The cell that holds a position; positions outside the image take the nearest cell.
    #[must_use]
    pub fn cell_at(&self, x: f64, y: f64) -> &PsfCell {
        let index = |v: f64, size: usize, n: usize| {
            let i = ((v + 0.5) * n as f64 / size as f64).floor();
            if i > 0.0 { (i as usize).min(n - 1) } else { 0 }
        };
        &self.cells[index(y, self.height, self.n_y) * self.n_x + index(x, self.width, self.n_x)]
    }

    /// Local FWHM in pixels at a position.
    #[must_use]
    pub fn fwhm_at(&self, x: f64, y: f64) -> f64 {
        self.cell_at(x, y).fwhm
    }
}

/// The four PSF fields of the published method: faint and bright stars apart (Miller et al. 2024, sections 5.4 and 5.5), each
/// with a Moffat and a compound model, on the same grid of cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PsfSet {
    /// Moffat fits of the faint group; its FWHM is the local FWHM of the method.
    pub faint_moffat: PsfField,
    /// Compound fits of the faint group.
    pub faint_compound: PsfField,
    /// Moffat fits of the wings of the bright group.
    pub bright_moffat: PsfField,
    /// Compound fits of the wings of the bright group.
    pub bright_compound: PsfField,
}

impl PsfSet {
    /// The four fields with their names, in a fixed order.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, &PsfField); 4] {
        [
            ("faint_moffat", &self.faint_moffat),
            ("faint_compound", &self.faint_compound),
            ("bright_moffat", &self.bright_moffat),
            ("bright_compound", &self.bright_compound),
        ]
    }
}
