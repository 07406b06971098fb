//! Galaxies: smooth, red, of Sersic profile.

use super::super::draws::{Domain, Draws};
use super::super::profile::{shape_point, sunflower};
use super::super::render::PointSource;
use super::population::place;
use super::stage_params::Field;
use super::truth::Galaxy;

/// Magnitudes in which galaxies are drawn: fainter ones are no brighter than the noise of an isophote.
const MAGS: (f64, f64) = (14.0, 18.5);

/// Draws the galaxies of a field.
pub(super) fn make_galaxies(field: &Field) -> Vec<Galaxy> {
    let n = Draws::new(field.seed, Domain::Counts, 2, 0).poisson(field.galaxies_per_mpx * field.mega_pixels());
    (0..n)
        .map(|i| {
            let mut draws = Draws::new(field.seed, Domain::Galaxy, 0, i as u64);
            let (x, y) = place(field, &mut draws);
            // Euclidean counts have a slope of 0.6; those in Ks are a little flatter at 18 mag.
            let mag = draws.magnitude(MAGS.0, MAGS.1, 0.5);
            // Sizes shrink with magnitude: 0.85 arcsec at 17 mag, 0.15 dex of scatter.
            let r_half = libm::exp10(2.17 - 0.131 * mag + 0.15 * draws.normal()).clamp(0.28, 5.0);
            let n = match draws.uniform() {
                u if u < 0.5 => 1.0,
                u if u < 0.75 => 2.5,
                _ => 4.0,
            };
            Galaxy {
                x,
                y,
                mag,
                colour: (1.3 + 0.22 * draws.normal()).clamp(0.6, 1.9),
                r_half_px: r_half / field.pixel_scale_arcsec,
                n,
                q: draws.between(0.3, 1.0),
                pa: draws.between(0.0, std::f64::consts::PI),
            }
        })
        .collect()
}

/// Radii (in half-light radii) that hold equal steps of the light of a Sersic profile out to 99 % of it.
#[derive(Debug, Clone)]
pub(super) struct SersicRadii(Vec<f64>);

/// Steps of the table; radii between them are interpolated.
const STEPS: usize = 512;
/// Part of the light that is drawn: the rest of an n = 4 profile reaches beyond 20 half-light radii.
const DRAWN: f64 = 0.99;

impl SersicRadii {
    pub(super) fn new(n: f64) -> Self {
        // Light within r: the incomplete gamma function of (2n, b (r/r_e)^(1/n)), here by the trapezoidal rule in ln r,
        // exact to 1e-6 with these 20,000 steps. b_n after Ciotti and Bertin (1999, A&A 352, 447).
        let b = 2.0 * n - 1.0 / 3.0 + 4.0 / (405.0 * n) + 46.0 / (25_515.0 * n * n);
        const CELLS: usize = 20_000;
        let (low, high) = (libm::log(1e-4), libm::log(1e3));
        let at = |k: usize| libm::exp(low + (high - low) * k as f64 / CELLS as f64);
        let density = |r: f64| r * r * libm::exp(-b * (libm::pow(r, 1.0 / n) - 1.0));
        let mut sums = Vec::with_capacity(CELLS + 1);
        let (mut sum, mut last) = (0.0, density(at(0)));
        sums.push(0.0);
        for k in 1..=CELLS {
            let next = density(at(k));
            sum += 0.5 * (last + next);
            last = next;
            sums.push(sum);
        }
        let mut k = 0;
        let radii = (0..=STEPS)
            .map(|step| {
                let target = sum * DRAWN * step as f64 / STEPS as f64;
                while k < CELLS && sums[k] < target {
                    k += 1;
                }
                at(k)
            })
            .collect();
        Self(radii)
    }

    /// Radius within which the fraction `u` of the drawn light lies.
    pub(super) fn radius(&self, u: f64) -> f64 {
        let place = u.clamp(0.0, 1.0) * STEPS as f64;
        let index = (place as usize).min(STEPS - 1);
        self.0[index] + (place - index as f64) * (self.0[index + 1] - self.0[index])
    }
}

/// A galaxy as points on a spiral, of a brightness that nobody can see alone: blurred by the PSF they are its image.
///
/// `counts` is the flux in the band, `sky_sigma` its noise: a point's peak is at most about a tenth of it.
pub(super) fn galaxy_points(galaxy: &Galaxy, radii: &SersicRadii, counts: f64, sky_sigma: f64) -> Vec<PointSource> {
    let n = (counts / sky_sigma.max(1e-9)).clamp(200.0, 20_000.0) as usize;
    (0..n)
        .map(|i| {
            let (u, phi) = sunflower(i, n);
            let (dx, dy) = shape_point(galaxy.r_half_px * radii.radius(u), phi, galaxy.q, galaxy.pa);
            PointSource { x: galaxy.x + dx, y: galaxy.y + dy, flux: DRAWN * counts / n as f64 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_sersic_profile_is_within_its_radius() {
        for n in [1.0, 2.5, 4.0] {
            let radii = SersicRadii::new(n);
            // 0.5 of all light is 0.5 / 0.99 of the drawn light. One step of the table is 0.2 % of the light.
            assert!((radii.radius(0.5 / DRAWN) - 1.0).abs() < 5e-3, "{n}: {}", radii.radius(0.5 / DRAWN));
        }
        // Exponential: light within r is 1 - (1 + b r) exp(-b r) with b = 1.678; at r = 2 it is 0.848.
        assert!((SersicRadii::new(1.0).radius(0.848 / DRAWN) - 2.0).abs() < 0.01);
    }
}
