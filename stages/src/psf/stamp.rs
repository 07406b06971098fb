//! Cut-outs around stars.

use ndarray::Array2;
use skyloom_data::{Image, MaskBits};

use super::levenberg::FitPixel;

/// Pixels that no fit of a star may use.
pub(super) const UNUSABLE: u16 =
    MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED | MaskBits::CORE | MaskBits::INTERPOLATED;

/// Pixels whose value is not that of the star: clipped by the detector, or interpolated afterwards.
pub(crate) const CAPPED: u16 = MaskBits::SATURATED | MaskBits::INTERPOLATED;

/// A square cut-out. Pixels outside the image, masked, without value or without noise are NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    /// Column of the image of the cut-out's first column.
    pub x0: i64,
    /// Row of the image of the cut-out's first row.
    pub y0: i64,
    /// Pixel values, `[y, x]`.
    pub values: Array2<f64>,
    /// Standard deviation per pixel; NaN where the value is.
    pub sigmas: Array2<f64>,
}

impl Stamp {
    /// The cut-out of `2 radius + 1` pixels a side around the pixel nearest to `(x, y)`; `None` when that is not in the image.
    ///
    /// `noise` has the shape of the image.
    #[must_use]
    pub fn cut(image: &Image, noise: &Image, x: f64, y: f64, radius: usize) -> Option<Self> {
        let inside = |v: f64, size: usize| v > -0.5 && v < size as f64 - 0.5;
        if !(inside(x, image.width()) && inside(y, image.height())) {
            return None;
        }
        let side = 2 * radius + 1;
        let (x0, y0) = (x.round() as i64 - radius as i64, y.round() as i64 - radius as i64);
        let mut stamp = Self {
            x0,
            y0,
            values: Array2::from_elem((side, side), f64::NAN),
            sigmas: Array2::from_elem((side, side), f64::NAN),
        };
        for row in 0..side {
            for column in 0..side {
                let (ix, iy) = (x0 + column as i64, y0 + row as i64);
                if ix < 0 || iy < 0 || ix >= image.width() as i64 || iy >= image.height() as i64 {
                    continue;
                }
                let (ix, iy) = (ix as usize, iy as usize);
                let sigma = noise.pixels[[iy, ix]];
                if image.is_good(ix, iy, UNUSABLE) && sigma > 0.0 && sigma.is_finite() {
                    stamp.values[[row, column]] = f64::from(image.pixels[[iy, ix]]);
                    stamp.sigmas[[row, column]] = f64::from(sigma);
                }
            }
        }
        Some(stamp)
    }

    /// Values over noise.
    #[must_use]
    pub fn signal_to_noise(&self) -> Array2<f64> {
        &self.values / &self.sigmas
    }

    /// The usable pixels for which `keep(row, column, value)` holds, in coordinates of the cut-out.
    #[must_use]
    pub fn pixels(&self, weighting: Weighting, keep: impl Fn(usize, usize, f64) -> bool) -> Vec<FitPixel> {
        self.values
            .indexed_iter()
            .filter(|&((row, column), &value)| value.is_finite() && keep(row, column, value))
            .map(|((row, column), &value)| {
                let sigma = self.sigmas[[row, column]];
                let weight = match weighting {
                    Weighting::Uniform => 1.0,
                    Weighting::Noise => 1.0 / (sigma * sigma),
                };
                FitPixel { x: column as f64, y: row as f64, value, weight }
            })
            .collect()
    }
}

/// How the pixels of a fit are weighted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// All pixels alike, as in the published method: the core decides.
    #[default]
    Uniform,
    /// By one over the variance of the noise map: chi2 is then in units of the noise.
    Noise,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_out_holds_nan_where_the_image_has_nothing_to_give() {
        let mut image = Image::from_pixels(Array2::from_shape_fn((4, 5), |(y, x)| (10 * y + x) as f32));
        let mut noise = Image::from_pixels(Array2::from_elem((4, 5), 2.0));
        noise.pixels[[1, 0]] = 0.0;
        image.pixels[[0, 1]] = f32::NAN;
        let stamp = Stamp::cut(&image, &noise, 0.4, 0.2, 1).expect("the star is inside");
        assert_eq!((stamp.x0, stamp.y0), (-1, -1));
        let found: Vec<f64> = stamp.values.iter().copied().filter(|v| v.is_finite()).collect();
        assert_eq!(found, [0.0, 11.0]);
        let pixels = stamp.pixels(Weighting::Noise, |_, _, _| true);
        assert_eq!(pixels.len(), 2);
        assert_eq!((pixels[1].x, pixels[1].y, pixels[1].weight), (2.0, 2.0, 0.25));
        for (x, y) in [(-0.6, 1.0), (1.0, 3.6), (f64::NAN, 1.0), (1e300, 1.0)] {
            assert_eq!(Stamp::cut(&image, &noise, x, y, 1), None);
        }
    }
}
