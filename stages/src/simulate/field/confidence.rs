//! The confidence map of a simulated tile: exposure in percent of the full one.

use super::super::draws::{Domain, Draws};
use super::super::lattice::hash_unit;

/// Confidence as a function of the pixel.
#[derive(Debug, Clone)]
pub struct Confidence {
    seed: u64,
    width: usize,
    height: usize,
    /// Column, first row, end row.
    bad_columns: Vec<(usize, usize, usize)>,
}

/// Rows with half the exposure at the lower and upper edge, as a part of the height: the outer strips of a tile.
const STRIP: f64 = 0.035;
/// The exposure rises to full over so many pixels from the border.
const EDGE_PX: usize = 6;
/// Part of the pixels that are dead, and as many again that saw half the exposures.
const DEAD: f64 = 5e-5;

impl Confidence {
    /// The map of a field.
    #[must_use]
    pub fn new(seed: u64, width: usize, height: usize) -> Self {
        let mut draws = Draws::new(seed, Domain::BadColumns, 0, 0);
        // Half a column per million pixels.
        let n = draws.poisson(0.5e-6 * width as f64 * height as f64);
        let bad_columns = (0..n)
            .map(|_| {
                let x = (draws.uniform() * width as f64) as usize;
                let first = (draws.uniform() * height as f64) as usize;
                let length = draws.between(50.0, 250.0) as usize;
                (x, first, (first + length).min(height))
            })
            .collect();
        Self { seed, width, height, bad_columns }
    }

    /// Writes row `y`: percent of the full exposure, 0 for dead pixels and the outermost rim.
    pub fn row(&self, y: usize, out: &mut [f32]) {
        let strip = (STRIP * self.height as f64) as usize;
        // Small images have no room for an edge of their own.
        let edge = EDGE_PX.min(self.width.min(self.height) / 8);
        for (x, value) in out.iter_mut().enumerate() {
            let mut percent = if y < strip || y + strip >= self.height { 52.0 } else { self.chip(x) };
            let border = x.min(y).min(self.width - 1 - x).min(self.height - 1 - y);
            if border < edge {
                percent *= border as f64 / edge as f64;
            }
            let u = hash_unit(self.seed ^ 0x6465_6164, x as u64, y as u64);
            if u < DEAD {
                percent = 0.0;
            } else if u < 2.0 * DEAD {
                percent *= 0.5;
            }
            *value = percent.round() as f32;
        }
        for &(x, first, end) in &self.bad_columns {
            if (first..end).contains(&y) {
                out[x] = (out[x] * 0.5).round();
            }
        }
    }

    /// Detectors differ by a few percent.
    fn chip(&self, x: usize) -> f64 {
        match x as f64 / self.width as f64 {
            u if u < 0.37 => 100.0,
            u if u < 0.51 => 99.0,
            u if u < 0.96 => 100.0,
            _ => 97.0,
        }
    }
}
