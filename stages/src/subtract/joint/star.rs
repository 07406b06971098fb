//! A star of the joint fit: its state, its prior, its place.

use super::shape::Shape;
use crate::psf::CatalogueStar;

/// What is removed: a star of the catalogue, or one that it lacks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub star: CatalogueStar,
    /// Error of its magnitude.
    pub error: f64,
    /// Row of the catalogue; `None` for a companion.
    pub row: Option<usize>,
}

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct State {
    pub x: f64,
    pub y: f64,
    pub flux: f64,
    pub shape: Shape,
}

/// What is known beforehand: centre and scatter of a normal distribution per parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prior {
    pub x: f64,
    pub y: f64,
    pub position_sd: f64,
    pub flux: f64,
    pub flux_sd: f64,
    /// The flux stays below this.
    pub max_flux: f64,
    /// Scatter of the level under the star in the image's unit; infinite leaves it free, 0 switches it off.
    pub level_sd: f64,
    pub shape: Shape,
    /// 0: the parameter stays at its present value.
    pub shape_sd: Shape,
}

/// What a fit says about itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quality {
    /// Mean squared residual in units of its expected scatter.
    pub chi2: f64,
    /// Standard error of the flux with everything else fixed.
    pub flux_error: f64,
    /// The same for `ln g`.
    pub width_error: f64,
}

/// The pixels that belong to a star; fixed while it moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub cx: usize,
    pub cy: usize,
    /// Radius of the fit, px.
    pub fit: usize,
    /// Radius of the subtraction, px.
    pub write: usize,
}

/// Flags of a record; they add up.
#[derive(Debug, Clone, Copy)]
pub struct JointFlags;

impl JointFlags {
    /// A brighter star within `duplicate_px` is the same star.
    pub const DUPLICATE: i64 = 1;
    /// Position or magnitude unknown, or outside the image.
    pub const OUTSIDE: i64 = 1 << 1;
    /// Below the probability cut.
    pub const PROBABILITY: i64 = 1 << 2;
    /// Above the sharpness cut.
    pub const SHARPNESS: i64 = 1 << 3;
    /// Too few pixels with a value: the catalogue's values were subtracted.
    pub const NOT_FITTED: i64 = 1 << 4;
    /// A foreground star by its parallax.
    pub const FOREGROUND: i64 = 1 << 5;
    /// Served for the PSF.
    pub const PSF_STAR: i64 = 1 << 6;
}

/// One row of the star table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointRecord {
    /// Fitted centre.
    pub x: f64,
    /// See `x`.
    pub y: f64,
    /// Fitted flux; NaN where nothing was subtracted.
    pub flux: f64,
    /// Its standard error, with everything else fixed.
    pub flux_error: f64,
    /// FWHM of the model, px.
    pub fwhm: f64,
    /// Mean squared residual in units of its expected scatter, within the fit radius.
    pub chi2: f64,
    /// See [`JointFlags`].
    pub flags: i64,
    /// Stars that the catalogue lacks, found beside this one and removed with it.
    pub n_companions: i64,
}

impl JointRecord {
    /// Whether the star was subtracted.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.flux > 0.0
    }
}
