//! One step of one star: a linearised least-squares update on what all other stars left.

use ndarray::{ArrayView2, s};

use super::shape::Kernel;
use super::star::{Place, Prior, Quality, State};
use crate::psf::{Matrix, cholesky, solve};

/// A window of the residual and its weights; `origin` is the image position (x, y) of its first pixel.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub residual: ArrayView2<'a, f32>,
    /// `1/sigma^2`; 0 where a pixel has no value.
    pub weight: ArrayView2<'a, f32>,
    pub origin: (usize, usize),
}

/// What all steps share.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepOptions {
    pub alpha: f64,
    /// Error of the model as a fraction of the star's light in a pixel.
    pub model_error: f64,
}

/// Farthest that a centre moves in one step, px.
const MAX_MOVE: f64 = 0.3;
/// Farthest that a centre may be from the catalogue, px: its pixels are fixed.
pub(super) const MAX_DRIFT: f64 = 1.9;
/// Farthest that a shape parameter moves in one step.
const MAX_SHAPE_MOVE: f64 = 0.1;
/// Pixels that a step needs.
const MIN_PIXELS: usize = 8;

/// The range of a square of half side `half` about a pixel, clipped to a window.
pub(super) fn span(centre: usize, half: usize, origin: usize, size: usize) -> std::ops::Range<usize> {
    let start = centre.saturating_sub(half).max(origin);
    start..(centre + half + 1).min(origin + size).max(start)
}

/// The next state of a star whose light is subtracted from the window; `None` with too few pixels.
pub(super) fn step(
    window: Window<'_>,
    place: &Place,
    state: &State,
    prior: &Prior,
    options: &StepOptions,
) -> Option<(State, Quality)> {
    let kernel = Kernel::new(&state.shape, options.alpha);
    let tangents = Kernel::tangents(&state.shape);
    // Parameters: flux, x, y, level, and the free ones of the shape.
    let free: [bool; 5] = prior.shape_sd.map(|sd| sd > 0.0);
    let mut index = [0_usize; 5];
    let mut n = 4;
    for (slot, is_free) in index.iter_mut().zip(free) {
        if is_free {
            *slot = n;
            n += 1;
        }
    }
    let mut matrix: Matrix = [[0.0; 11]; 11];
    let mut vector = [0.0; 11];
    let (mut chi2, mut count) = (0.0, 0_usize);
    // A star that lost its light must still be able to move and find it.
    let lever = state.flux.max(1e-3 * prior.flux);
    let radius2 = (place.fit * place.fit) as f64;
    let (height, width) = window.residual.dim();
    let (ox, oy) = window.origin;
    let (mut by_centre, mut by_shape, mut row) = ([0.0; 2], [0.0; 5], [0.0; 11]);
    for y in span(place.cy, place.fit, oy, height) {
        let dy = y as f64 - state.y;
        for x in span(place.cx, place.fit, ox, width) {
            let dx = x as f64 - state.x;
            let w = f64::from(window.weight[[y - oy, x - ox]]);
            if w == 0.0 || dx * dx + dy * dy > radius2 {
                continue;
            }
            let unit = kernel.value_and_gradient(dx, dy, &tangents, &mut by_centre, &mut by_shape);
            let model_sd = options.model_error * state.flux * unit;
            let weight = 1.0 / (1.0 / w + model_sd * model_sd);
            row[..4].copy_from_slice(&[unit, lever * by_centre[0], lever * by_centre[1], 1.0]);
            for k in 0..5 {
                if free[k] {
                    row[index[k]] = lever * by_shape[k];
                }
            }
            let residual = f64::from(window.residual[[y - oy, x - ox]]);
            chi2 += weight * residual * residual;
            count += 1;
            for a in 0..n {
                let weighted = weight * row[a];
                vector[a] += weighted * residual;
                for (entry, other) in matrix[a][..=a].iter_mut().zip(&row) {
                    *entry += weighted * other;
                }
            }
        }
    }
    if count < MIN_PIXELS {
        return None;
    }
    let error = |v: f64| if v > 0.0 { 1.0 / v.sqrt() } else { f64::INFINITY };
    let mut quality =
        Quality { chi2: chi2 / count as f64, flux_error: error(matrix[0][0]), width_error: f64::INFINITY };
    if free[0] {
        quality.width_error = error(matrix[index[0]][index[0]]);
    }
    let mut pull = |i: usize, from: f64, to: f64, sd: f64| {
        matrix[i][i] += 1.0 / (sd * sd);
        vector[i] += (to - from) / (sd * sd);
    };
    pull(0, state.flux, prior.flux, prior.flux_sd);
    pull(1, state.x, prior.x, prior.position_sd);
    pull(2, state.y, prior.y, prior.position_sd);
    if prior.level_sd == 0.0 {
        pull(3, 0.0, 0.0, 1e-9);
    } else if prior.level_sd.is_finite() {
        pull(3, 0.0, 0.0, prior.level_sd);
    }
    for k in 0..5 {
        if free[k] {
            pull(index[k], state.shape[k], prior.shape[k], prior.shape_sd[k]);
        }
    }
    let factor = cholesky(&matrix, n)?;
    solve(&factor, &mut vector, n);
    let mut next = *state;
    next.flux = (state.flux + vector[0]).max(0.0).min(prior.max_flux);
    let drift = |from: f64, by: f64, home: f64| {
        (from + by.clamp(-MAX_MOVE, MAX_MOVE)).clamp(home - MAX_DRIFT, home + MAX_DRIFT)
    };
    next.x = drift(state.x, vector[1], prior.x);
    next.y = drift(state.y, vector[2], prior.y);
    for k in 0..5 {
        if free[k] {
            next.shape[k] += vector[index[k]].clamp(-MAX_SHAPE_MOVE, MAX_SHAPE_MOVE);
        }
    }
    next.shape[3] = next.shape[3].clamp(0.0, 0.8);
    Some((next, quality))
}

/// Adds to `sum`, over the square of the write radius, the light of the old state minus that of the new one: the change of the
/// residual. Returns the ranges of rows and columns; values in raster order.
pub(super) fn change(
    shape: (usize, usize),
    origin: (usize, usize),
    place: &Place,
    old: Option<&State>,
    new: Option<&State>,
    alpha: f64,
) -> Change {
    let rows = span(place.cy, place.write + 2, origin.1, shape.0);
    let columns = span(place.cx, place.write + 2, origin.0, shape.1);
    let mut values = vec![0.0_f32; rows.len() * columns.len()];
    let radius2 = (place.write * place.write) as f64;
    for (state, sign) in [(old, 1.0), (new, -1.0)] {
        let Some(state) = state.filter(|s| s.flux > 0.0) else { continue };
        let kernel = Kernel::new(&state.shape, alpha);
        let mut slots = values.iter_mut();
        for y in rows.clone() {
            let dy = y as f64 - state.y;
            for x in columns.clone() {
                let dx = x as f64 - state.x;
                if let Some(slot) = slots.next()
                    && dx * dx + dy * dy <= radius2
                {
                    *slot += (sign * state.flux * kernel.value(dx, dy)) as f32;
                }
            }
        }
    }
    Change { rows, columns, values }
}

/// New light minus old light of one star.
pub(super) struct Change {
    pub rows: std::ops::Range<usize>,
    pub columns: std::ops::Range<usize>,
    pub values: Vec<f32>,
}

impl Change {
    /// Adds the change to an image with this origin.
    pub fn apply(&self, image: &mut ndarray::Array2<f32>, origin: (usize, usize)) {
        let width = self.columns.len();
        if width == 0 {
            return;
        }
        let columns = self.columns.start - origin.0..self.columns.end - origin.0;
        for (y, line) in self.rows.clone().zip(self.values.chunks_exact(width)) {
            let mut row = image.slice_mut(s![y - origin.1, columns.clone()]);
            row.iter_mut().zip(line).for_each(|(pixel, v)| *pixel += v);
        }
    }
}
