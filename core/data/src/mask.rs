//! The mask plane: named bits per pixel.

use ndarray::Array2;

/// Bits of the mask plane. Zero means good. Masked means masked here; a NaN pixel is a value error, not a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaskBits;

impl MaskBits {
    /// Bad in the survey's own map (confidence 0, dead pixel).
    pub const BAD: u16 = 1;
    /// No value in the file (NaN, BLANK).
    pub const NO_DATA: u16 = 1 << 1;
    /// Saturated.
    pub const SATURATED: u16 = 1 << 2;
    /// Core of a bright star, set to zero by the subtraction.
    pub const CORE: u16 = 1 << 3;
    /// Clipped while the background was estimated.
    pub const CLIPPED: u16 = 1 << 4;
    /// The survey interpolated over the pixel, or clipped it, as over saturated cores: the value is no measurement of a star, and right
    /// enough for everything else.
    ///
    /// Filters, meshes, contours and sums of light use the value as if the bit were not there: a pixel that is masked for them opens
    /// every contour that meets it. To whatever fits stars it is the same as [`MaskBits::SATURATED`].
    pub const INTERPOLATED: u16 = 1 << 5;

    /// Names and values, in bit order: the words of the `MP_` header cards.
    pub const NAMES: [(&'static str, u16); 6] = [
        ("BAD", Self::BAD),
        ("NODATA", Self::NO_DATA),
        ("SATUR", Self::SATURATED),
        ("CORE", Self::CORE),
        ("CLIPPED", Self::CLIPPED),
        ("INTRP", Self::INTERPOLATED),
    ];
}

/// One `u16` of [`MaskBits`] per pixel, `[y, x]`.
pub type Mask = Array2<u16>;
