//! Other starts for compound models whose parts are hard to tell apart.
//!
//! Where the Gaussian part is little brighter than its error chi2 has several minima, and a descent ends in one of them by chance. The
//! search takes the Moffat alone, asks which of some elongated Gaussians would improve it most, and descends from the best of them.

use std::f64::consts::PI;

use skyloom_data::PsfModel;

use super::step::{damped_block, expected_gain};
use super::{Bounds, Fit, FitOptions, FitStatus, descend};
use crate::psf::kernel::{FitPixels, Normal, Width, Workspace, normal_equations};
use crate::psf::model::{MAX_PARAMS, Params, n_params};
use crate::psf::solve::{cholesky, solve};

/// Steps from which on a descent is suspect: a good minimum is found sooner.
const MIN_STEPS: usize = 12;
/// Amplitude of the Gaussian over its error, below which the minimum is suspect.
const SURE: f64 = 7.0;
/// Widths of the Gaussians that are tried, over half the width of the Moffat at half its height.
const WIDTHS: [[f64; 2]; 3] = [[1.0, 0.4], [2.0, 0.4], [2.0, 0.8]];
/// Angles that are tried, evenly over half a turn.
const ANGLES: usize = 6;
/// Descents at most.
const DESCENTS: usize = 9;
/// The parameters of a compound model of which the Gaussian's shape is given.
const LINEAR: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

/// Whether a lower minimum may lie elsewhere.
pub(super) fn is_doubtful(fit: &Fit, normal: &Normal, bounds: &Bounds) -> bool {
    let is_free = |i: usize| bounds.lower[i] < bounds.upper[i];
    if fit.model != PsfModel::Compound
        || fit.iterations < MIN_STEPS
        || !matches!(fit.status, FitStatus::Converged | FitStatus::MaxIterations)
        || !(0..n_params(fit.model)).all(is_free)
    {
        return false;
    }
    let free: Vec<usize> = (0..n_params(fit.model)).filter(|&i| normal.matrix[i][i] > 0.0).collect();
    let Some(place) = free.iter().position(|&i| i == 7) else { return true };
    let Some(factor) = cholesky(&damped_block(&normal.matrix, normal, &free, 0.0), free.len()) else { return true };
    let mut column = [0.0; MAX_PARAMS];
    column[place] = 1.0;
    solve(&factor, &mut column, free.len());
    let is_sure = fit.params[7] * fit.params[7] > SURE * SURE * column[place];
    !is_sure
}

/// Replaces a fit and its normal equations by the best that is found from other starts, when that is better.
pub(super) fn improve(
    pixels: &FitPixels,
    start: &Params,
    bounds: &Bounds,
    options: &FitOptions,
    space: &mut Workspace,
    best: &mut Fit,
    normal: &mut Normal,
) {
    let mut alone = *start;
    alone[0] += start[7];
    alone[1..3].copy_from_slice(&best.params[1..3]);
    let mut other = Normal::default();
    let moffat = descend(PsfModel::Moffat, pixels, &alone, bounds, options, space, &mut other);
    for begin in starts(pixels, &moffat.params, bounds, space) {
        let found = descend(PsfModel::Compound, pixels, &begin, bounds, options, space, &mut other);
        // A minimum is not given away for a lower place that is none.
        let is_better = found.chi2 < best.chi2 && (found.is_converged() || !best.is_converged());
        if is_better {
            *best = Fit { iterations: best.iterations, ..found };
            std::mem::swap(normal, &mut other);
        }
    }
}

/// A Moffat with each of the Gaussians that promise more than those turned a little, most promising first.
fn starts(pixels: &FitPixels, moffat: &Params, bounds: &Bounds, space: &mut Workspace) -> Vec<Params> {
    let radius = (moffat[3] * moffat[4]).sqrt() * libm::expm1(std::f64::consts::LN_2 / moffat[6]).sqrt();
    let mut all: Vec<(f64, Params)> = Vec::new();
    for widths in WIDTHS {
        let ring: [(f64, Params); ANGLES] = std::array::from_fn(|k| {
            let mut p = *moffat;
            p[7] = bounds.clamp(7, 0.0);
            p[8] = bounds.clamp(8, widths[0] * radius);
            p[9] = bounds.clamp(9, widths[1] * radius);
            p[10] = bounds.clamp(10, moffat[5] + PI * k as f64 / ANGLES as f64);
            (promise(pixels, &mut p, bounds, space), p)
        });
        for k in 0..ANGLES {
            let (before, after) = (ring[(k + ANGLES - 1) % ANGLES].0, ring[(k + 1) % ANGLES].0);
            if ring[k].0 > before && ring[k].0 >= after {
                all.push(ring[k]);
            }
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.truncate(DESCENTS);
    all.into_iter().map(|(_, p)| p).collect()
}

/// By how much chi2 would fall with the Gaussian at its best amplitude and the Moffat giving way, and the amplitudes there; 0 for none.
fn promise(pixels: &FitPixels, p: &mut Params, bounds: &Bounds, space: &mut Workspace) -> f64 {
    let mut normal = Normal::default();
    normal_equations(Width::best(), PsfModel::Compound, pixels, p, &LINEAR, space, &mut normal);
    let Some(factor) = cholesky(&damped_block(&normal.matrix, &normal, &LINEAR, 1e-3), LINEAR.len()) else {
        return 0.0;
    };
    let mut delta = [0.0; MAX_PARAMS];
    for (slot, &i) in delta.iter_mut().zip(&LINEAR) {
        *slot = -normal.gradient[i];
    }
    solve(&factor, &mut delta, LINEAR.len());
    if delta[7] <= 0.0 {
        return 0.0;
    }
    for i in [0, 7] {
        p[i] = bounds.clamp(i, p[i] + delta[i]);
    }
    expected_gain(&delta, &normal, &LINEAR)
}
