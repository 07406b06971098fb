//! A made star field and made star stamps, the same for a seed.

use ndarray::Array2;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use skyloom_data::PsfModel;
use skyloom_stages::psf::{FitPixel, Params, Profile, params_from_shape};

/// Stars per megapixel, as in the LMC's outer disc.
const STARS_PER_MPX: f64 = 5_500.0;
/// Noise of the sky.
const SIGMA: f64 = 5.0;
/// Side of a stamp.
pub const STAMP: usize = 17;

/// The sum of twelve uniform numbers less six: normal enough for a benchmark.
fn normal(draws: &mut impl Rng) -> f64 {
    (0..12).map(|_| draws.random::<f64>()).fold(-6.0, |sum, v| sum + v)
}

/// A square field of stars on a sloping sky.
#[must_use]
pub fn field(size: usize, seed: u64) -> Array2<f32> {
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    let mut image = Array2::from_shape_fn((size, size), |(y, x)| {
        (1000.0 + 0.001 * (x + y) as f64 + SIGMA * normal(&mut draws)) as f32
    });
    let n = (STARS_PER_MPX * (size * size) as f64 / 1e6) as usize;
    for _ in 0..n {
        let (cx, cy) = (draws.random::<f64>() * size as f64, draws.random::<f64>() * size as f64);
        // Ten times as many stars per 2.5 magnitudes, down to 10 sigma.
        let peak = 50.0 / libm::sqrt(draws.random::<f64>().max(1e-6));
        let star =
            Profile::new(PsfModel::Moffat, &params_from_shape(PsfModel::Moffat, &[2.0, 1.8, 0.3, 2.6], peak, cx, cy));
        let reach = 12_i64;
        for y in cy as i64 - reach..=cy as i64 + reach {
            for x in cx as i64 - reach..=cx as i64 + reach {
                if x >= 0 && y >= 0 && (x as usize) < size && (y as usize) < size {
                    image[[y as usize, x as usize]] += star.value(x as f64, y as f64) as f32;
                }
            }
        }
    }
    image
}

/// Stamps of single stars of the compound model with noise.
#[must_use]
pub fn stamps(n: usize, seed: u64) -> Vec<Vec<FitPixel>> {
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .map(|_| {
            let mut near = |value: f64, scatter: f64| value + scatter * normal(&mut draws);
            let p: Params = [
                near(300.0, 30.0),
                near(8.0, 0.3),
                near(8.0, 0.3),
                near(1.9, 0.1),
                near(1.7, 0.1),
                0.3,
                2.6,
                near(120.0, 10.0),
                1.3,
                1.2,
                0.3,
            ];
            let star = Profile::new(PsfModel::Compound, &p);
            (0..STAMP * STAMP)
                .map(|i| {
                    let (x, y) = ((i % STAMP) as f64, (i / STAMP) as f64);
                    FitPixel {
                        x,
                        y,
                        value: star.value(x, y) + SIGMA * normal(&mut draws),
                        weight: 1.0 / (SIGMA * SIGMA),
                    }
                })
                .collect()
        })
        .collect()
}
