//! A small sky for tests that run the whole quicklook graph: 300 x 260 px, 40 stars, one cluster.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use skyloom_data::{Image, fits};

/// Rows and columns of the frame.
pub const SHAPE: (usize, usize) = (260, 300);

/// Noise of 0.02 around 0.2, without stars.
#[must_use]
pub fn noise(seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn(SHAPE, || {
        // Twelve uniform numbers have the variance 1; their sum is normal enough for a sky.
        let sum: f64 = (0..12).map(|_| rng.random::<f64>()).sum();
        (0.2 + 0.02 * (sum - 6.0)) as f32
    })
}

/// The noise with 40 Gaussian stars (sigma 1.2 px) on a shaken grid and a Plummer sphere (half-light radius 8 px) in the middle.
#[must_use]
pub fn frame(seed: u64) -> Array2<f32> {
    let mut pixels = noise(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed + 1);
    for row in 0..5 {
        for column in 0..8 {
            let x0 = 20.0 + 37.0 * f64::from(column) + rng.random_range(-4.0..4.0);
            let y0 = 20.0 + 54.0 * f64::from(row) + rng.random_range(-4.0..4.0);
            let peak = libm::exp(rng.random_range(-1.0..2.0));
            add(&mut pixels, x0, y0, |r2| peak * libm::exp(-r2 / 2.88));
        }
    }
    let norm = 100.0 * 64.0 / std::f64::consts::PI;
    add(&mut pixels, 150.0, 130.0, |r2| norm / ((64.0 + r2) * (64.0 + r2)));
    pixels
}

fn add(pixels: &mut Array2<f32>, x0: f64, y0: f64, profile: impl Fn(f64) -> f64) {
    for ((y, x), value) in pixels.indexed_iter_mut() {
        let (dx, dy) = (x as f64 - x0, y as f64 - y0);
        *value += profile(dx * dx + dy * dy) as f32;
    }
}

/// Writes pixels as a FITS file.
///
/// # Panics
/// When it cannot be written.
pub fn write(path: &Path, pixels: Array2<f32>) -> PathBuf {
    fits::write_product(&Image::from_pixels(pixels), path).expect("the frame can be written");
    path.to_path_buf()
}
