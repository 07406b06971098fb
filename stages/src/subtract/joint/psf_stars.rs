//! The stars that the PSF is measured on, each alone on what all other stars left.

use std::collections::BTreeMap;

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::field::{ShapeSample, SmoothPsf};
use super::shape::Shape;
use super::simplex::minimise;
use super::star::{Place, Prior, Quality, State};
use super::sweep::{StepOptions, Window, change, step};

/// Model error of a PSF star's own fit.
const MODEL_ERROR: f64 = 0.0015;
/// Scatter of a free shape about its start: wide, only to keep the system regular.
const FREE_SD: f64 = 0.3;
/// Steps of one star.
const STEPS: usize = 5;
/// Stars that the shared profile is fitted to.
const MAX_PROFILE_STARS: usize = 200;
/// Evaluations of that fit.
const PROFILE_EVALUATIONS: usize = 35;

/// The pixels around one star with its own light in them.
struct Patch {
    place: Place,
    start: State,
    mag: f64,
    origin: (usize, usize),
    /// The image without all stars but this one.
    light: Array2<f32>,
    weight: Array2<f32>,
}

/// PSF stars cut out of the residual.
pub(super) struct PsfStars {
    patches: Vec<Patch>,
}

/// The result of one star's fit.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    pub state: State,
    pub quality: Quality,
}

impl PsfStars {
    /// Cuts stars (place, state, magnitude) out of a residual, putting their own light back.
    pub fn cut(stars: &[(Place, State, f64)], residual: &Array2<f32>, weight: &Array2<f32>, alpha: f64) -> Self {
        let (height, width) = residual.dim();
        let patches = stars
            .par_iter()
            .map(|&(place, start, mag)| {
                // As much as the fit reads; the wings outside it are nobody's concern here.
                let place = Place { fit: place.fit.max(10), write: place.fit.max(10) + 1, ..place };
                let half = place.write + 2;
                let (x0, y0) = (place.cx.saturating_sub(half), place.cy.saturating_sub(half));
                let (x1, y1) = ((place.cx + half + 1).min(width), (place.cy + half + 1).min(height));
                let mut light = residual.slice(s![y0..y1, x0..x1]).to_owned();
                change(light.dim(), (x0, y0), &place, Some(&start), None, alpha).apply(&mut light, (x0, y0));
                let weight = weight.slice(s![y0..y1, x0..x1]).to_owned();
                Patch { place, start, mag, origin: (x0, y0), light, weight }
            })
            .collect();
        Self { patches }
    }

    /// Fits one star from a shape, with the shape parameters `free`.
    fn fit(patch: &Patch, shape: &Shape, free: [bool; 5], alpha: f64, steps: usize) -> Option<Measured> {
        let options = StepOptions { alpha, model_error: MODEL_ERROR };
        let mut state = State { shape: *shape, ..patch.start };
        let prior = Prior {
            x: state.x,
            y: state.y,
            position_sd: 1.0,
            flux: state.flux,
            flux_sd: 1e9 * state.flux.max(1.0),
            max_flux: f64::INFINITY,
            level_sd: f64::INFINITY,
            shape: *shape,
            shape_sd: free.map(|f| if f { FREE_SD } else { 0.0 }),
        };
        let mut residual = patch.light.clone();
        let apply = |residual: &mut Array2<f32>, old: Option<&State>, new: &State| {
            change(residual.dim(), patch.origin, &patch.place, old, Some(new), alpha).apply(residual, patch.origin);
        };
        apply(&mut residual, None, &state);
        let mut quality = None;
        for _ in 0..steps {
            let window = Window { residual: residual.view(), weight: patch.weight.view(), origin: patch.origin };
            let (next, found) = step(window, &patch.place, &state, &prior, &options)?;
            apply(&mut residual, Some(&state), &next);
            state = next;
            quality = Some(found);
        }
        quality.map(|quality| Measured { state, quality })
    }

    /// Fits all stars; those brighter than `tail_mag` also free their `w` and `ln r`.
    pub fn measure(&self, psf: &SmoothPsf, tail_mag: Option<f64>) -> Vec<Option<Measured>> {
        self.patches
            .par_iter()
            .map(|patch| {
                let tail = tail_mag.is_some_and(|limit| patch.mag < limit);
                let shape = psf.at(patch.start.x, patch.start.y, patch.mag);
                Self::fit(patch, &shape, [true, true, true, tail, tail], psf.alpha, STEPS)
            })
            .collect()
    }

    /// Samples for the map from the fits that went well, with the patch each comes from.
    pub fn samples(&self, measured: &[Option<Measured>]) -> (Vec<usize>, Vec<ShapeSample>) {
        // Bright stars show every fault of the model: each half magnitude has a limit of its own.
        let bin_of = |mag: f64| (mag / 0.5).floor() as i64;
        let mut by_bin: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for (patch, m) in self.patches.iter().zip(measured) {
            if let Some(m) = m {
                by_bin.entry(bin_of(patch.mag)).or_default().push(m.quality.chi2);
            }
        }
        // Bad ones are blends and stars on clusters; the better quarter is never in doubt.
        let limits: BTreeMap<i64, f64> = by_bin
            .into_iter()
            .map(|(bin, mut chi2)| {
                chi2.sort_unstable_by(f64::total_cmp);
                (bin, (1.7 * chi2[chi2.len() / 4]).max(1.6))
            })
            .collect();
        self.patches
            .iter()
            .zip(measured)
            .enumerate()
            .filter_map(|(i, (patch, m))| {
                let limit = limits.get(&bin_of(patch.mag)).copied().unwrap_or(1.6);
                let m = m.filter(|m| m.quality.chi2 < limit && m.state.flux > 0.0)?;
                let State { x, y, shape, .. } = m.state;
                Some((i, ShapeSample { x, y, mag: patch.mag, shape, error: m.quality.width_error }))
            })
            .unzip()
    }

    /// Fits `alpha`, `w` and `ln r`, which all stars share, to stars without a trend among `list`.
    pub fn fit_profile(&self, psf: &mut SmoothPsf, list: &[usize], scale: f64) -> Option<f64> {
        let used: Vec<&Patch> =
            list.iter().map(|&i| &self.patches[i]).filter(|p| psf.t(p.mag) == 0.0).take(MAX_PROFILE_STARS).collect();
        if used.len() < 6 {
            return None;
        }
        let shapes: Vec<Shape> = used.iter().map(|p| psf.at(p.start.x, p.start.y, p.mag)).collect();
        let cost = |p: &[f64; 3]| {
            let [alpha, w, lr] = *p;
            if !(1.2..8.0).contains(&alpha) || !(0.0..0.8).contains(&w) || !(-3.0..1.0).contains(&lr) {
                return f64::INFINITY;
            }
            let mut chi2: Vec<f64> = used
                .par_iter()
                .zip(&shapes)
                .map(|(patch, shape)| {
                    let shape = [shape[0], shape[1], shape[2], w, lr];
                    Self::fit(patch, &shape, [true, true, true, false, false], alpha, STEPS - 1)
                        .map_or(f64::INFINITY, |m| m.quality.chi2)
                })
                .collect();
            chi2.sort_unstable_by(f64::total_cmp);
            // A few blends among them must not bend the profile of all.
            let limit = 2.5 * chi2[chi2.len() / 2];
            chi2.iter().fold(0.0, |sum, c| sum + c.min(limit)) / chi2.len() as f64
        };
        let start = [psf.alpha, psf.tail[0], psf.tail[1]];
        let steps = [0.15, 0.04, 0.06].map(|v| v * scale);
        let (best, value) = minimise(start, steps, PROFILE_EVALUATIONS, cost);
        if value.is_finite() {
            psf.alpha = best[0];
            psf.tail = [best[1], best[2]];
        }
        Some(value)
    }
}
