//! From pixel values to brightness.

use skyloom_data::{Image, MaskBits};

/// An asinh stretch: linear within `SOFTENING` sigma of the sky, logarithmic far above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Value of the sky.
    pub sky: f64,
    /// Noise of one pixel.
    pub sigma: f64,
    /// White, in sigma above the sky.
    pub white_sigma: f64,
}

/// Black, in sigma above the sky.
pub(super) const BLACK_SIGMA: f64 = -2.0;
/// Where the stretch turns from linear to logarithmic: noise is visible, and so are the cores of bright clusters.
const SOFTENING: f64 = 2.0;
/// White lies between these: a field without bright sources must not blow its noise up, a star must not darken the rest.
const WHITE_RANGE: [f64; 2] = [20.0, 1000.0];
/// Part of the shown values that may be darker than white.
const WHITE_FRACTION: f64 = 0.998;

impl Stretch {
    /// The brightness of a value, 0 (black) to 1 (white) and beyond; NaN for what is not finite.
    #[must_use]
    pub fn brightness(&self, value: f64) -> f64 {
        if value.is_finite() { self.brightness_of_sigma((value - self.sky) / self.sigma) } else { f64::NAN }
    }

    /// The brightness of a value given in sigma above the sky.
    pub(super) fn brightness_of_sigma(&self, sigmas: f64) -> f64 {
        let scale = |sigmas: f64| libm::asinh(sigmas / SOFTENING);
        let (black, white) = (scale(BLACK_SIGMA), scale(self.white_sigma));
        (scale(sigmas) - black) / (white - black)
    }
}

/// White for the shown values of an image, in sigma above the sky.
pub(super) fn white_sigma(shown: &[f32], sky: f64, sigma: f64) -> f64 {
    let mut values: Vec<f32> = shown.iter().copied().filter(|v| v.is_finite()).collect();
    let index = (values.len() as f64 * WHITE_FRACTION) as usize;
    match select(&mut values, index) {
        Some(value) => ((value - sky) / sigma).clamp(WHITE_RANGE[0], WHITE_RANGE[1]),
        None => WHITE_RANGE[0],
    }
}

/// Median and robust standard deviation (1.4826 MAD) of an image's good pixels, from at most about a million of them on
/// a regular grid; `None` without good pixels.
pub(super) fn median_and_scatter(image: &Image) -> Option<(f64, f64)> {
    const MOST: usize = 1 << 20;
    let (width, height) = (image.width(), image.height());
    let mut step = 1;
    while width.div_ceil(step) * height.div_ceil(step) > MOST {
        step += 1;
    }
    let bits = MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED | MaskBits::CORE;
    let mut values = Vec::new();
    for y in (0..height).step_by(step) {
        for x in (0..width).step_by(step) {
            if image.is_good(x, y, bits) {
                values.push(image.pixels[[y, x]]);
            }
        }
    }
    let middle = values.len() / 2;
    let median = select(&mut values, middle)?;
    let mut distances: Vec<f32> = values.iter().map(|v| (f64::from(*v) - median).abs() as f32).collect();
    let mad = select(&mut distances, middle)?;
    // 1.4826: MAD to standard deviation for a normal distribution.
    Some((median, 1.4826 * mad))
}

/// The value at `index` in sorted order, or the largest.
fn select(values: &mut [f32], index: usize) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let (_, value, _) = values.select_nth_unstable_by(index.min(last), f32::total_cmp);
    Some(f64::from(*value))
}
