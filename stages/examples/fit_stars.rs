//! Fits random stars and writes what went in and what came out, for comparison with another fitter.
//!
//! `cargo run --release -p skyloom-stages --example fit_stars -- OUT [STARS] [TOLERANCE]`; `benchmarks/peers/fits.py` reads the file:
//! little-endian f64, per star the model (7 or 11 parameters), then start, lower and upper ends, found parameters and errors (11
//! numbers each), chi2, whether it converged, steps, microseconds, and the 17 x 17 pixels, all of noise 1.

use std::io::{BufWriter, Write};
use std::time::Instant;

use skyloom_data::PsfModel;
use skyloom_stages::psf::{Bounds, FitOptions, FitPixel, MAX_PARAMS, Params, Profile, fit, n_params};

/// Side of a cut-out.
const SIDE: u32 = 17;

/// A small generator (Knuth's MMIX constants): the stars are the same everywhere.
struct Random(u64);

impl Random {
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * ((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// A normal deviate, as a sum of twelve uniform ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform(-0.5, 0.5)).sum()
    }
}

fn star(random: &mut Random, model: PsfModel) -> (Params, Params, Vec<FitPixel>) {
    let middle = f64::from(SIDE / 2);
    let peak = libm::exp(random.uniform(3.4, 8.0));
    let mut truth = [0.0; MAX_PARAMS];
    truth[..7].copy_from_slice(&[
        peak,
        middle + random.uniform(-0.7, 0.7),
        middle + random.uniform(-0.7, 0.7),
        random.uniform(2.0, 2.8),
        random.uniform(1.5, 1.9),
        random.uniform(-1.2, 1.2),
        random.uniform(2.0, 4.0),
    ]);
    if model == PsfModel::Compound {
        let gauss = [peak * random.uniform(0.3, 0.8), random.uniform(1.2, 1.5), random.uniform(0.8, 1.0)];
        truth[7..10].copy_from_slice(&gauss);
        truth[10] = random.uniform(-1.2, 1.2);
    }
    let mut start = truth;
    for (i, value) in start.iter_mut().enumerate().take(n_params(model)) {
        *value = match i {
            1 | 2 => *value + random.uniform(-0.3, 0.3),
            5 | 10 => *value + random.uniform(-0.2, 0.2),
            _ => *value * random.uniform(0.9, 1.1),
        };
    }
    let profile = Profile::new(model, &truth);
    let pixels = (0..SIDE * SIDE).map(|i| (f64::from(i % SIDE), f64::from(i / SIDE)));
    let pixels =
        pixels.map(|(x, y)| FitPixel { x, y, value: profile.value(x, y) + random.normal(), weight: 1.0 }).collect();
    (truth, start, pixels)
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().map_or("fits.f64", String::as_str);
    let n = arguments.get(1).and_then(|a| a.parse().ok()).unwrap_or(10_000_usize);
    let tolerance = arguments.get(2).and_then(|a| a.parse().ok()).unwrap_or(FitOptions::default().tolerance);
    let options = FitOptions { tolerance, ..FitOptions::default() };
    let mut random = Random(7);
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    for k in 0..n {
        let model = if k % 2 == 0 { PsfModel::Moffat } else { PsfModel::Compound };
        let (_, start, pixels) = star(&mut random, model);
        let mut bounds = Bounds::natural(model);
        bounds.lower[0] = 0.0;
        if model == PsfModel::Compound {
            bounds.lower[7] = 0.0;
        }
        let began = Instant::now();
        let found = fit(model, &pixels, &start, &bounds, &options);
        let micros = began.elapsed().as_secs_f64() * 1e6;
        let mut record = vec![n_params(model) as f64];
        for list in [&start, &bounds.lower, &bounds.upper, &found.params, &found.errors] {
            record.extend(list);
        }
        record.extend([found.chi2, f64::from(u8::from(found.is_converged())), found.iterations as f64, micros]);
        record.extend(pixels.iter().map(|p| p.value));
        for value in record {
            file.write_all(&value.to_le_bytes())?;
        }
    }
    file.flush()
}
