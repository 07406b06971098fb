//! World coordinates.

use crate::header::{Card, Header};

/// A world coordinate system.
#[derive(Debug, Clone, PartialEq)]
pub struct Wcs {
    cards: Vec<Card>,
}

/// A header describes world coordinates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WcsError {
    /// The projection or solution is not supported; pixel-only work goes on.
    #[error("{0}")]
    Unsupported(String),
    /// The cards contradict each other.
    #[error("{0}")]
    Invalid(String),
}

impl Wcs {
    /// Reads the WCS of a header; `None` when it has none.
    ///
    /// # Errors
    /// See [`WcsError`].
    pub fn from_header(header: &Header) -> Result<Option<Self>, WcsError> {
        let _ = header;
        Ok(None)
    }

    /// The cards that describe this WCS, in a fixed order, for a FITS header (one-based CRPIX).
    #[must_use]
    pub fn cards(&self) -> Vec<Card> {
        self.cards.clone()
    }

    /// ICRS right ascension and declination in degrees of a zero-based pixel position; `None` off the projection.
    #[must_use]
    pub fn pixel_to_icrs(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let _ = (x, y);
        None
    }

    /// Zero-based pixel position of ICRS coordinates in degrees; `None` off the projection.
    #[must_use]
    pub fn icrs_to_pixel(&self, ra: f64, dec: f64) -> Option<(f64, f64)> {
        let _ = (ra, dec);
        None
    }

    /// Area of the pixel at a position, in square arcseconds.
    #[must_use]
    pub fn pixel_area_arcsec2(&self, x: f64, y: f64) -> f64 {
        let _ = (x, y);
        f64::NAN
    }
}
