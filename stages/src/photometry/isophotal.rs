//! The light inside one contour.

use ndarray::ArrayView2;
use skyloom_data::MaskBits;

use crate::measure::polygon;

/// Sums over the pixels whose centres are inside a contour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContourLight {
    /// Sum of the pixel values; NaN when no pixel inside has a value.
    pub flux: f64,
    /// Root of the sum of squared noise of the same pixels; NaN without noise map, or where it is not above zero.
    pub flux_error: f64,
    /// Value of the brightest pixel; NaN when no pixel inside has a value.
    pub peak: f64,
    /// Pixels inside that have no value (not finite, bad, without data or saturated): they are missing in the sums.
    pub n_missing: usize,
}

/// Adds up the pixels of `image` (`[y, x]`) inside a closed polygon, by the even-odd rule on pixel centres.
pub fn light_inside(
    vertices: &[[f64; 2]],
    image: ArrayView2<'_, f32>,
    mask: Option<ArrayView2<'_, u16>>,
    noise: Option<ArrayView2<'_, f32>>,
) -> ContourLight {
    let (height, width) = image.dim();
    let missing = MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED;
    let (mut n, mut flux, mut variance) = (0_usize, 0.0, 0.0);
    let mut light = ContourLight { flux: f64::NAN, flux_error: f64::NAN, peak: f64::NAN, n_missing: 0 };
    for (x, y) in polygon::pixels(&polygon::spans(vertices, width, height)) {
        let value = f64::from(image[[y, x]]);
        if !value.is_finite() || mask.is_some_and(|m| m[[y, x]] & missing != 0) {
            light.n_missing += 1;
            continue;
        }
        n += 1;
        flux += value;
        light.peak = light.peak.max(value);
        let sigma = noise.map_or(f64::NAN, |noise| f64::from(noise[[y, x]]));
        variance += if sigma > 0.0 { sigma * sigma } else { f64::NAN };
    }
    if n > 0 {
        light.flux = flux;
        light.flux_error = variance.sqrt();
    }
    light
}
