//! Words for images without a good pixel.

use skyloom_data::{Image, MaskBits};

/// What to do about such an image.
pub(super) const NO_GOOD_PIXEL_HELP: &str = "check the confidence map and the HDU that the reader was given";

/// How many pixels are bad for which reason: `600 not finite, 12 masked`.
pub(super) fn describe_bad(image: &Image) -> String {
    let n_nan = image.pixels.iter().filter(|v| !v.is_finite()).count();
    let bits = MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED;
    let n_masked = image.mask.as_ref().map_or(0, |m| m.iter().filter(|&&b| b & bits != 0).count());
    format!("{n_nan} not finite, {n_masked} masked")
}
