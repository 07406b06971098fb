//! Stars that a catalogue lacks because they stand beside a bright one.
//!
//! Catalogues are blind there, and what they miss stays in the residual as a ring of false objects around every bright star. The search is
//! that of any second pass (ALLSTAR, Stetson 1987), but only beside hosts, where a star is likely to be missed. A companion must stand out
//! as a point above the light around it, so that clusters stay.

use ndarray::Array2;
use rayon::prelude::*;

use super::params::SubtractJoint;
use super::scene::Scene;
use super::shape::Kernel;
use super::star::Source;
use crate::psf::{CatalogueStar, PositionGrid};

/// Where companions are looked for, in FWHM from the host.
const REACH_FWHM: (f64, f64) = (0.9, 3.0);
/// Radius of the fit of a companion.
const FIT_FWHM: f64 = 1.3;
/// Nothing listed may be closer to a companion.
const CLEAR_FWHM: f64 = 0.8;
/// Largest share of the host's flux: a brighter companion would be in the catalogue.
const MAX_SHARE: f64 = 0.2;
/// Least peak in units of the level around it: what stands on more light than its own is part of something extended.
const MIN_CONTRAST: f64 = 2.0;
/// Most companions of one host. Two lost stars beside one host are rare; two points beside one star are rather a group, which must
/// stay, or a host that no model fits.
const MAX_PER_HOST: usize = 1;
/// Pixels that a fit needs.
const MIN_PIXELS: usize = 12;
/// Error of a companion's first magnitude: no catalogue knows it.
const MAG_ERROR: f64 = 0.5;

/// A companion before it is fitted with all others.
#[derive(Debug, Clone, Copy)]
struct Found {
    x: usize,
    y: usize,
    flux: f64,
    significance: f64,
    host: usize,
}

/// What the search looks at.
pub(super) struct Search<'a> {
    pub scene: &'a Scene,
    pub residual: &'a Array2<f32>,
    pub weight: &'a Array2<f32>,
    pub alpha: f64,
    /// Positions of everything in the catalogue, stars or not.
    pub listed: &'a PositionGrid,
    pub params: &'a SubtractJoint,
    /// Magnitudes of the hosts, brighter end first.
    pub host_mag: (f64, f64),
}

impl Search<'_> {
    /// New stars beside the hosts, with the host of each; brightest host first. `mag_of` is for fluxes.
    pub fn run(&self, mag_of: impl Fn(f64) -> f64 + Sync) -> Vec<(Source, usize)> {
        let found: Vec<Vec<Found>> = (0..self.scene.states.len())
            .into_par_iter()
            .map(|k| {
                let mag = mag_of(self.scene.states[k].flux);
                // Brighter stars than those of the PSF leave more of their own light than a companion has.
                let is_host = mag > self.host_mag.0 && mag < self.host_mag.1;
                if is_host { self.beside(k) } else { Vec::new() }
            })
            .collect();
        let mut found: Vec<Found> = found.into_iter().flatten().collect();
        // Two hosts may find the same star: the clearest view of it counts.
        found.sort_by(|a, b| {
            b.significance.total_cmp(&a.significance).then((a.y, a.x, a.host).cmp(&(b.y, b.x, b.host)))
        });
        let grid = PositionGrid::new(found.iter().map(|f| (f.x as f64, f.y as f64)), 16.0);
        let mut is_kept = vec![false; found.len()];
        for (i, f) in found.iter().enumerate() {
            let clear = CLEAR_FWHM * self.params.fwhm_px;
            is_kept[i] = !grid.any_within(f.x as f64, f.y as f64, clear, |j| j < i && is_kept[j]);
        }
        found
            .iter()
            .zip(is_kept)
            .filter(|(_, kept)| *kept)
            .map(|(f, _)| {
                let star = CatalogueStar::new(-1, f.x as f64, f.y as f64, mag_of(f.flux));
                (Source { star, error: MAG_ERROR, row: None }, f.host)
            })
            .collect()
    }

    /// Companions of one host: peaks of the significance map around it.
    fn beside(&self, host: usize) -> Vec<Found> {
        let (height, width) = self.residual.dim();
        let state = &self.scene.states[host];
        let kernel = Kernel::new(&state.shape, self.alpha);
        let fwhm = self.params.fwhm_px;
        let (inner, outer) = (REACH_FWHM.0 * fwhm, REACH_FWHM.1 * fwhm);
        let half = outer.ceil() as usize;
        let (cx, cy) = (state.x.round().max(0.0) as usize, state.y.round().max(0.0) as usize);
        if cx < half || cy < half || cx + half >= width || cy + half >= height {
            return Vec::new();
        }
        let side = 2 * half + 1;
        let mut map = vec![(0.0, 0.0); side * side];
        for (i, slot) in map.iter_mut().enumerate() {
            let (x, y) = (cx - half + i % side, cy - half + i / side);
            let r = libm::hypot(x as f64 - state.x, y as f64 - state.y);
            if r >= inner - 1.0 && r <= outer + 1.0 {
                *slot = self.point_at(x, y, state.x, state.y, state.flux, &kernel).unwrap_or_default();
            }
        }
        let mut peaks: Vec<Found> = Vec::new();
        for j in 1..side - 1 {
            for i in 1..side - 1 {
                let (flux, significance) = map[j * side + i];
                let (x, y) = (cx - half + i, cy - half + j);
                let r = libm::hypot(x as f64 - state.x, y as f64 - state.y);
                let is_wanted = significance >= self.params.companion_sigma
                    && flux <= MAX_SHARE * state.flux
                    && (inner..=outer).contains(&r);
                if !is_wanted {
                    continue;
                }
                let is_peak = (0..9).all(|n| {
                    let other = (j + n / 3 - 1) * side + i + n % 3 - 1;
                    // Of equal neighbours the first is the peak.
                    map[other].1 < significance || (map[other].1 == significance && other >= j * side + i)
                });
                let is_clear = || !self.listed.any_within(x as f64, y as f64, CLEAR_FWHM * fwhm, |_| true);
                if is_peak && is_clear() {
                    peaks.push(Found { x, y, flux, significance, host });
                }
            }
        }
        if peaks.len() > MAX_PER_HOST { Vec::new() } else { peaks }
    }

    /// Flux of a point at a pixel above a level of its own, and its significance; `None` where it stands on more light than it has.
    fn point_at(
        &self,
        x: usize,
        y: usize,
        host_x: f64,
        host_y: f64,
        host_flux: f64,
        kernel: &Kernel,
    ) -> Option<(f64, f64)> {
        let (height, width) = self.residual.dim();
        let radius = FIT_FWHM * self.params.fwhm_px;
        let half = radius.floor() as usize;
        let (mut pp, mut p1, mut w1, mut pv, mut v1, mut n) = (0.0, 0.0, 0.0, 0.0, 0.0, 0_usize);
        for v in y.saturating_sub(half)..(y + half + 1).min(height) {
            for u in x.saturating_sub(half)..(x + half + 1).min(width) {
                let (dx, dy) = (u as f64 - x as f64, v as f64 - y as f64);
                let w = f64::from(self.weight[[v, u]]);
                if w == 0.0 || dx * dx + dy * dy > radius * radius {
                    continue;
                }
                // What the host's model may be wrong by is no companion.
                let host = self.params.model_error * host_flux * kernel.value(u as f64 - host_x, v as f64 - host_y);
                let w = 1.0 / (1.0 / w + host * host);
                let p = kernel.value(dx, dy);
                let value = f64::from(self.residual[[v, u]]);
                pp += w * p * p;
                p1 += w * p;
                w1 += w;
                pv += w * p * value;
                v1 += w * value;
                n += 1;
            }
        }
        let det = pp * w1 - p1 * p1;
        if n < MIN_PIXELS || det <= 1e-9 * pp * w1 {
            return None;
        }
        let flux = (pv * w1 - v1 * p1) / det;
        let level = (pp * v1 - p1 * pv) / det;
        let error = (w1 / det).sqrt();
        (flux > 0.0 && flux * kernel.value(0.0, 0.0) > MIN_CONTRAST * level).then_some((flux, flux / error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtract::joint::star::{Place, State};

    const SHAPE: [f64; 5] = [0.95, 0.0, 0.0, 0.35, -0.9];

    fn search(residual: &Array2<f32>, listed: &[(f64, f64)]) -> Vec<(Source, usize)> {
        let params = SubtractJoint::default();
        let state = State { x: 30.2, y: 29.9, flux: 20_000.0, shape: SHAPE };
        let scene = Scene::new(60, 60, vec![Place { cx: 30, cy: 30, fit: 6, write: 12 }], vec![state]);
        let weight = Array2::from_elem((60, 60), 1.0);
        let listed = PositionGrid::new(listed.iter().copied(), 16.0);
        let search = Search {
            scene: &scene,
            residual,
            weight: &weight,
            alpha: 2.8,
            listed: &listed,
            params: &params,
            host_mag: (-13.0, -9.0),
        };
        search.run(|flux| -2.5 * libm::log10(flux))
    }

    fn points(list: &[(f64, f64, f64)]) -> Array2<f32> {
        let kernel = Kernel::new(&SHAPE, 2.8);
        Array2::from_shape_fn((60, 60), |(y, x)| {
            list.iter().fold(0.0, |sum, p| sum + p.2 * kernel.value(x as f64 - p.0, y as f64 - p.1)) as f32
        })
    }

    #[test]
    fn a_point_beside_a_bright_star_is_found_once_and_others_are_left() {
        let found = search(&points(&[(34.1, 31.2, 200.0), (50.0, 50.0, 900.0)]), &[(30.2, 29.9)]);
        assert_eq!(found.len(), 1);
        let star = &found[0].0.star;
        assert!((star.x - 34.1).abs() < 1.0 && (star.y - 31.2).abs() < 1.0 && found[0].1 == 0, "{star:?}");
        assert!((libm::pow(10.0, -0.4 * star.mag) / 200.0 - 1.0).abs() < 0.15, "{star:?}");
        // What is listed, as a star or not, is the catalogue's business.
        assert!(search(&points(&[(34.1, 31.2, 200.0)]), &[(30.2, 29.9), (34.0, 31.0)]).is_empty());
    }

    #[test]
    fn a_smooth_glow_and_noise_below_the_limit_are_no_companions() {
        let glow = Array2::from_shape_fn((60, 60), |(y, x)| {
            let r2 = (x as f32 - 33.0).powi(2) + (y as f32 - 32.0).powi(2);
            60.0 / (1.0 + r2 / 20.0).powi(2)
        });
        assert!(search(&glow, &[]).is_empty());
        assert!(search(&points(&[(34.1, 31.2, 15.0)]), &[]).is_empty());
        assert!(search(&Array2::zeros((60, 60)), &[]).is_empty());
    }
}
