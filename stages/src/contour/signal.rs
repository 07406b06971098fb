//! Signal-to-noise of an image, row by row.

use skyloom_data::{Image, MaskBits};

/// Writes the signal-to-noise of the pixels of row `y` from column `x0` on; NaN where there is no value (not finite; bad,
/// without data or saturated; noise not above zero). Without a noise map, the pixels themselves.
pub(super) fn fill_signal_to_noise(image: &Image, noise: Option<&Image>, y: usize, x0: usize, row: &mut [f64]) {
    for (out, &value) in row.iter_mut().zip(image.pixels.row(y).iter().skip(x0)) {
        *out = f64::from(value);
    }
    if let Some(noise) = noise {
        for (out, &sigma) in row.iter_mut().zip(noise.pixels.row(y).iter().skip(x0)) {
            *out = if sigma > 0.0 { *out / f64::from(sigma) } else { f64::NAN };
        }
    }
    if let Some(mask) = &image.mask {
        let bits = MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED;
        for (out, _) in row.iter_mut().zip(mask.row(y).iter().skip(x0)).filter(|&(_, &m)| m & bits != 0) {
            *out = f64::NAN;
        }
    }
}
