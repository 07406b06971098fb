//! A small made-up frame, so that a new graph has something to run on.

use ndarray::Array2;
use skyloom_data::{Image, fits};

use crate::failure::CommandFailure;

/// Rows and columns.
const SHAPE: (usize, usize) = (64, 96);

/// Column, row and peak of the stars; their standard deviation is 1.3 px.
const STARS: [(f64, f64, f64); 3] = [(24.0, 20.0, 40.0), (50.0, 12.0, 60.0), (70.0, 43.0, 25.0)];

/// The frame as a FITS file: a sky of 10 with noise of 0.5, and three stars. The same bytes each time.
pub fn frame_fits() -> Result<Vec<u8>, CommandFailure> {
    let mut noise = Noise(20_241_022);
    let pixels = Array2::from_shape_simple_fn(SHAPE, || 10.0 + 0.5 * noise.draw());
    let mut pixels = pixels.mapv(|v| v as f32);
    for ((y, x), value) in pixels.indexed_iter_mut() {
        for (x0, y0, peak) in STARS {
            let (dx, dy) = (x as f64 - x0, y as f64 - y0);
            *value += (peak * libm::exp(-(dx * dx + dy * dy) / (2.0 * 1.3 * 1.3))) as f32;
        }
    }
    fits::image_to_fits_bytes(&Image::from_pixels(pixels), false)
        .map_err(|e| CommandFailure::io(format!("frame.fits: {e}")))
}

/// Random numbers of mean 0 and variance 1.
struct Noise(u64);

impl Noise {
    /// Twelve uniform numbers have the variance 1; their sum is normal enough for a sky.
    fn draw(&mut self) -> f64 {
        (0..12).fold(-6.0, |sum, _| sum + self.uniform())
    }

    /// Knuth's linear congruential generator; its upper bits are good.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as f64 / 4_294_967_296.0
    }
}
