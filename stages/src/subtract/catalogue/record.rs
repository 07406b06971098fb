//! What happened to one star.

/// How a star was treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Left alone: see the flags.
    None,
    /// Its segment was set to 0.
    Saturated,
    /// Fitted on its wings; its core was set to 0.
    Core,
    /// Fitted whole.
    Whole,
}

impl Treatment {
    /// The word in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Saturated => "saturated",
            Self::Core => "core",
            Self::Whole => "whole",
        }
    }
}

/// One of the four models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogueModel {
    /// Moffat with the shape of the cell.
    AverageMoffat,
    /// Moffat with its own shape within the bounds.
    TailoredMoffat,
    /// Compound with the shape of the cell.
    AverageCompound,
    /// Compound with its own shape within the bounds.
    TailoredCompound,
}

impl CatalogueModel {
    /// The word in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AverageMoffat => "average_moffat",
            Self::TailoredMoffat => "tailored_moffat",
            Self::AverageCompound => "average_compound",
            Self::TailoredCompound => "tailored_compound",
        }
    }
}

/// Flags of a record; they add up.
#[derive(Debug, Clone, Copy)]
pub struct CatalogueFlags;

impl CatalogueFlags {
    /// No model converged: nothing subtracted.
    pub const NOT_CONVERGED: i64 = 1;
    /// Fewer pixels than parameters: nothing subtracted.
    pub const TOO_FEW_PIXELS: i64 = 1 << 1;
    /// A star within `duplicate_px` was removed before.
    pub const DUPLICATE: i64 = 1 << 2;
    /// Nothing is left at its place.
    pub const REMOVED_BEFORE: i64 = 1 << 3;
    /// Position or magnitude unknown, outside the image, or on a pixel without value.
    pub const OUTSIDE: i64 = 1 << 4;
    /// Below the probability cut.
    pub const PROBABILITY: i64 = 1 << 5;
    /// Above the sharpness cut.
    pub const SHARPNESS: i64 = 1 << 6;
    /// Fainter than all classes.
    pub const FAINT: i64 = 1 << 7;
    /// No segment at its place.
    pub const NO_SEGMENT: i64 = 1 << 8;
    /// Too few pixels outside the core: fitted whole on the faint route.
    pub const FAINT_ROUTE: i64 = 1 << 9;
    /// The segment was too small: a disc was fitted.
    pub const DISC: i64 = 1 << 10;
    /// A foreground star by its parallax.
    pub const FOREGROUND: i64 = 1 << 11;
}

/// One row of the star table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogueRecord {
    /// Fitted centre; the catalogue's where nothing was fitted.
    pub x: f64,
    /// See `x`.
    pub y: f64,
    /// Flux of the subtracted model; NaN without one.
    pub flux: f64,
    /// Peak of the subtracted model.
    pub peak: f64,
    /// `sqrt(FWHM_x FWHM_y)` of the subtracted model.
    pub fwhm: f64,
    /// Treatment.
    pub treatment: Treatment,
    /// Row of `classes` (or of `saturated`), from 0; -1 where none was entered.
    pub class: i64,
    /// Models that were tried.
    pub n_tried: i64,
    /// The chosen model.
    pub model: Option<CatalogueModel>,
    /// Sum of squared residuals over the pixels of the comparison.
    pub chi2: f64,
    /// Pixels fitted.
    pub n_pixels: i64,
    /// Steps of all fits together.
    pub iterations: i64,
    /// Pixels set to 0.
    pub n_zeroed: i64,
    /// See [`CatalogueFlags`].
    pub flags: i64,
}

impl CatalogueRecord {
    /// A star that nothing has happened to yet.
    #[must_use]
    pub fn untouched(x: f64, y: f64, flags: i64) -> Self {
        let none = f64::NAN;
        Self {
            x,
            y,
            flux: none,
            peak: none,
            fwhm: none,
            treatment: Treatment::None,
            class: -1,
            n_tried: 0,
            model: None,
            chi2: none,
            n_pixels: 0,
            iterations: 0,
            n_zeroed: 0,
            flags,
        }
    }

    /// Whether the star left the image.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.treatment != Treatment::None
    }
}
