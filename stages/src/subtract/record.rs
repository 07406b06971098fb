//! What is known of each star after the subtraction.

/// How a star was treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StarClass {
    /// Flat, blanked or flagged core: wings fitted about the core's centre, core set to zero.
    Saturated,
    /// Peak above the core level: wings fitted, core set to zero.
    Bright,
    /// Fitted whole.
    Faint,
}

impl StarClass {
    /// The word in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Saturated => "saturated",
            Self::Bright => "bright",
            Self::Faint => "faint",
        }
    }
}

/// Which model was subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StarModel {
    /// None.
    None,
    /// Shape free within the scatter of the cell.
    Tailored,
    /// Shape of the cell's median; only amplitude, angle and centre free.
    Average,
}

impl StarModel {
    /// The word in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tailored => "tailored",
            Self::Average => "average",
        }
    }
}

/// Flags of a star.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StarFlags;

impl StarFlags {
    /// No model converged, or it had no positive amplitude: nothing subtracted.
    pub const NOT_CONVERGED: i64 = 1;
    /// Not enough good pixels of its own: nothing subtracted.
    pub const TOO_FEW_PIXELS: i64 = 1 << 1;
    /// The PSF does not explain the source: nothing subtracted.
    pub const EXTENDED: i64 = 1 << 2;
    /// Nothing was left at its place: nothing subtracted.
    pub const REMOVED_BEFORE: i64 = 1 << 3;
    /// Part of a saturated star that has its own row.
    pub const MERGED: i64 = 1 << 4;
    /// Position outside the image, not finite, or without noise value.
    pub const OUTSIDE: i64 = 1 << 5;
    /// Sharpness outside the accepted range: left in the image.
    pub const SHARPNESS: i64 = 1 << 6;
    /// A bright star with too few wing pixels: fitted whole, core kept.
    pub const WHOLE_FIT: i64 = 1 << 7;
    /// Saturated, and its wings could not be fitted: only the core was set to zero.
    pub const CORE_ONLY: i64 = 1 << 8;
    /// A brighter detection within 1 px is the same star: nothing subtracted.
    pub const DUPLICATE: i64 = 1 << 9;
}

/// One row of the star table.
#[derive(Debug, Clone, PartialEq)]
pub struct StarRecord {
    /// Row in the table of detections; `None` for a bright core without a detection.
    pub id: Option<usize>,
    /// Fitted centre; the detection's where nothing was fitted.
    pub x: f64,
    /// See `x`.
    pub y: f64,
    /// Peak of the fitted model.
    pub amplitude: f64,
    /// Flux of the fitted model.
    pub flux: f64,
    /// `sqrt(FWHM_x FWHM_y)` of the fitted model in pixels.
    pub fwhm: f64,
    /// Treatment.
    pub class: StarClass,
    /// Model subtracted.
    pub model: StarModel,
    /// Weighted sum of squared residuals over the fitted pixels.
    pub chi2: f64,
    /// Fitted pixels.
    pub n_pixels: usize,
    /// Steps of the chosen fit.
    pub iterations: usize,
    /// Misfit beyond the noise as a fraction of the light in the fitted pixels.
    pub misfit: f64,
    /// Core pixels set to zero.
    pub n_core: usize,
    /// Radius out to which the model was subtracted, in pixels.
    pub radius: f64,
    /// See [`StarFlags`].
    pub flags: i64,
}

impl StarRecord {
    /// A row for a detection that has not been fitted.
    #[must_use]
    pub fn untouched(id: Option<usize>, x: f64, y: f64, class: StarClass, flags: i64) -> Self {
        Self {
            id,
            x,
            y,
            amplitude: f64::NAN,
            flux: f64::NAN,
            fwhm: f64::NAN,
            class,
            model: StarModel::None,
            chi2: f64::NAN,
            n_pixels: 0,
            iterations: 0,
            misfit: f64::NAN,
            n_core: 0,
            radius: 0.0,
            flags,
        }
    }
}
