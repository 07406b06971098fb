//! Sky gradient and nebulosity as functions of the place.

use super::super::lattice::{clouds, filaments, hash_unit};

/// Light of the sky beyond its mean, in counts of the first band.
#[derive(Debug, Clone)]
pub struct Nebula {
    seed: u64,
    amplitude: f64,
    slope: (f64, f64),
    centre: (f64, f64),
    /// Places and radii of bright knots of gas: complexes.
    knots: Vec<(f64, f64, f64)>,
}

/// Clouds are this large, filaments in them start at a fifth of it: about 4 arcmin and 1 arcmin.
const CLOUD_PX: f64 = 600.0;
const FILAMENT_PX: f64 = 120.0;

impl Nebula {
    /// Nebulosity of a field of `width` x `height` pixels with gas around `knots` (x, y, radius).
    #[must_use]
    pub fn new(
        seed: u64,
        width: usize,
        height: usize,
        gradient: f64,
        amplitude: f64,
        knots: Vec<(f64, f64, f64)>,
    ) -> Self {
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * hash_unit(seed, 0x0073_6b79, 1));
        let (w, h) = (width.max(2) as f64, height.max(2) as f64);
        // From one corner to the opposite one the plane changes by `gradient` at most.
        let slope = (gradient * cos / w / std::f64::consts::SQRT_2, gradient * sin / h / std::f64::consts::SQRT_2);
        Self { seed, amplitude, slope, centre: (0.5 * w, 0.5 * h), knots }
    }

    /// Adds a row `y`, times `factor`, to `out`.
    pub fn add_row(&self, y: usize, factor: f64, out: &mut [f64]) {
        let y = y as f64;
        for (x, value) in out.iter_mut().enumerate() {
            let x = x as f64;
            *value += factor * (self.plane(x, y) + self.amplitude * self.gas(x, y));
        }
        for &(kx, ky, radius) in &self.knots {
            let reach = 3.5 * radius;
            if (y - ky).abs() > reach {
                continue;
            }
            let (from, to) = ((kx - reach).max(0.0) as usize, (kx + reach + 1.0).max(0.0) as usize);
            let end = to.min(out.len());
            for (x, value) in out.iter_mut().enumerate().take(end).skip(from) {
                let x = x as f64;
                let fall = libm::exp(-0.5 * ((x - kx).powi(2) + (y - ky).powi(2)) / (radius * radius));
                let texture = 0.3 + 1.4 * filaments(self.seed ^ 0x6b6e_6f74, x, y, radius, 3);
                *value += factor * 0.4 * self.amplitude * fall * texture;
            }
        }
    }

    fn plane(&self, x: f64, y: f64) -> f64 {
        self.slope.0 * (x - self.centre.0) + self.slope.1 * (y - self.centre.1)
    }

    /// Clouds that cover about a third of the sky, textured with filaments; from 0 to about 1.
    fn gas(&self, x: f64, y: f64) -> f64 {
        let cover = clouds(self.seed ^ 0x0063_6c64, x, y, CLOUD_PX, 4);
        let depth = ((cover - 0.5) / 0.2).clamp(0.0, 1.0);
        if depth == 0.0 {
            return 0.0;
        }
        let lumps = clouds(self.seed ^ 0x006c_756d, x, y, FILAMENT_PX, 5);
        depth * (0.5 * lumps + 0.5 * filaments(self.seed ^ 0x0066_696c, x, y, FILAMENT_PX, 4))
    }
}
