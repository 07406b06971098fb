//! The image without its stars, kept up to date while stars move.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::shape::Kernel;
use super::star::{Place, Prior, Quality, State};
use super::sweep::{StepOptions, Window, change, step};
use crate::subtract::levels::{Reach, by_level, levels};

/// Stars, their places and the levels in which they may move at the same time.
pub(super) struct Scene {
    pub width: usize,
    pub height: usize,
    /// Brightest first.
    pub places: Vec<Place>,
    pub states: Vec<State>,
    groups: Vec<Vec<usize>>,
}

/// Stars whose changes are held in memory at once.
const CHUNK: usize = 512;
/// Rows that one thread renders at a time.
const BAND_ROWS: usize = 64;

impl Scene {
    pub fn new(width: usize, height: usize, places: Vec<Place>, states: Vec<State>) -> Self {
        let mut scene = Self { width, height, places: Vec::new(), states, groups: Vec::new() };
        scene.set_places(places);
        scene
    }

    /// Adds stars, after all others in the order.
    pub fn extend(&mut self, places: &[Place], states: &[State]) {
        self.states.extend_from_slice(states);
        let mut all = std::mem::take(&mut self.places);
        all.extend_from_slice(places);
        self.set_places(all);
    }

    /// Takes other radii, and finds the levels again.
    pub fn set_places(&mut self, places: Vec<Place>) {
        let reaches: Vec<Reach> = places
            .iter()
            // A centre may drift by two pixels.
            .map(|p| Reach { x: p.cx, y: p.cy, read: p.fit, write: p.write + 2 })
            .collect();
        self.groups = by_level(&levels(self.width, self.height, &reaches));
        self.places = places;
    }

    pub fn n_levels(&self) -> usize {
        self.groups.len()
    }

    /// Subtracts the stars that `is_wanted` from an image.
    ///
    /// Per pixel the stars are taken in their order, whatever the threads.
    pub fn subtract_from(&self, image: &mut Array2<f32>, alpha: f64, is_wanted: impl Fn(usize) -> bool + Sync) {
        let kernels: Vec<Kernel> = self.states.iter().map(|s| Kernel::new(&s.shape, alpha)).collect();
        let bands = self.height.div_ceil(BAND_ROWS);
        let mut of_band: Vec<Vec<u32>> = vec![Vec::new(); bands];
        for (i, p) in self.places.iter().enumerate() {
            if is_wanted(i) && self.states[i].flux > 0.0 {
                let last = ((p.cy + p.write + 2) / BAND_ROWS).min(bands - 1);
                for band in &mut of_band[p.cy.saturating_sub(p.write + 2) / BAND_ROWS..=last] {
                    band.push(i as u32);
                }
            }
        }
        let width = self.width;
        image.axis_chunks_iter_mut(Axis(0), BAND_ROWS).into_par_iter().zip(of_band).enumerate().for_each(
            |(b, (mut rows, stars))| {
                let y0 = b * BAND_ROWS;
                let y1 = y0 + rows.nrows();
                for i in stars {
                    let i = i as usize;
                    let (p, s, kernel) = (&self.places[i], &self.states[i], &kernels[i]);
                    let radius2 = (p.write * p.write) as f64;
                    let half = p.write + 2;
                    for y in p.cy.saturating_sub(half).max(y0)..(p.cy + half + 1).min(y1) {
                        let dy = y as f64 - s.y;
                        for x in p.cx.saturating_sub(half)..(p.cx + half + 1).min(width) {
                            let dx = x as f64 - s.x;
                            if dx * dx + dy * dy <= radius2 {
                                rows[[y - y0, x]] -= (s.flux * kernel.value(dx, dy)) as f32;
                            }
                        }
                    }
                }
            },
        );
    }

    /// Lets every star take one step, in order; the residual follows. `tick` false stops.
    pub fn sweep(
        &mut self,
        residual: &mut Array2<f32>,
        weight: &Array2<f32>,
        priors: &[Prior],
        options: &StepOptions,
        quality: &mut [Quality],
        tick: &(dyn Fn() -> bool + Sync),
    ) -> bool {
        for group in &self.groups {
            for chunk in group.chunks(CHUNK) {
                if !tick() {
                    return false;
                }
                let moves: Vec<_> = chunk
                    .par_iter()
                    .map(|&i| {
                        let window = Window { residual: residual.view(), weight: weight.view(), origin: (0, 0) };
                        let (place, old) = (&self.places[i], &self.states[i]);
                        step(window, place, old, &priors[i], options).map(|(new, quality)| {
                            let delta = change(residual.dim(), (0, 0), place, Some(old), Some(&new), options.alpha);
                            (new, quality, delta)
                        })
                    })
                    .collect();
                for (moved, &i) in moves.into_iter().zip(chunk) {
                    if let Some((state, found, delta)) = moved {
                        delta.apply(residual, (0, 0));
                        self.states[i] = state;
                        quality[i] = found;
                    }
                }
            }
        }
        true
    }
}
