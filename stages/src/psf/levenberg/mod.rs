//! Bounded Levenberg-Marquardt with analytic derivatives on fixed-size arrays.
//!
//! Moré 1978 for the scaling of the damping by the diagonal of `J'J`, Nielsen 1999 for its changes. Bounds are kept by an active set: a
//! parameter at a bound whose gradient points outwards is left out of the step. Fits that are slow get more: curvature learnt from the
//! gradients, and amplitudes at their best after every step.

mod curve;
mod problem;
mod search;
mod secant;
mod step;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use skyloom_data::PsfModel;

use super::kernel::{FitPixels, Normal, Width, Workspace, chi2, normal_equations};
use super::model::{MAX_PARAMS, Params, make_canonical, n_params};
use super::solve::{cholesky, inverse};
use step::{Descent, Step};

pub use problem::{Bounds, Fit, FitOptions, FitPixel, FitStatus};

/// Collects into `list` the parameters that may move; returns how many.
///
/// A parameter without any effect is left out, or the system is singular: the angle at equal widths, the shape at amplitude 0.
fn free_parameters(n: usize, p: &Params, normal: &Normal, bounds: &Bounds, list: &mut [usize; MAX_PARAMS]) -> usize {
    let gradient = &normal.gradient;
    let mut count = 0;
    for i in 0..n {
        let is_fixed = bounds.lower[i] >= bounds.upper[i];
        let is_held = (p[i] <= bounds.lower[i] && gradient[i] > 0.0) || (p[i] >= bounds.upper[i] && gradient[i] < 0.0);
        if !is_fixed && !is_held && normal.matrix[i][i] > 0.0 {
            list[count] = i;
            count += 1;
        }
    }
    count
}

thread_local! {
    /// What a fit needs for its evaluations: a million small fits must not allocate.
    static WORKSPACE: RefCell<(FitPixels, Workspace)> = RefCell::default();
}

/// Fits a model to pixels by bounded least squares, from start values that are first moved inside the bounds.
///
/// Pixels need positive, finite weights: leave the others out. Never panics; the status says what happened.
#[must_use]
pub fn fit(model: PsfModel, pixels: &[FitPixel], start: &Params, bounds: &Bounds, options: &FitOptions) -> Fit {
    WORKSPACE.with_borrow_mut(|(list, space)| {
        list.replace(pixels);
        fit_with(model, list, start, bounds, options, space)
    })
}

/// As [`fit`], for pixels that are laid out already: several models of one star share them.
#[must_use]
pub fn fit_pixels(model: PsfModel, pixels: &FitPixels, start: &Params, bounds: &Bounds, options: &FitOptions) -> Fit {
    WORKSPACE.with_borrow_mut(|(_, space)| fit_with(model, pixels, start, bounds, options, space))
}

fn fit_with(
    model: PsfModel,
    pixels: &FitPixels,
    start: &Params,
    bounds: &Bounds,
    options: &FitOptions,
    space: &mut Workspace,
) -> Fit {
    let mut normal = Normal::default();
    let mut result = descend(model, pixels, start, bounds, options, space, &mut normal);
    if options.has_search && search::is_doubtful(&result, &normal, bounds) {
        search::improve(pixels, start, bounds, options, space, &mut result, &mut normal);
    }
    finish(&mut result, &normal, bounds, options.has_errors);
    result
}

/// From a start to the minimum below it, with the normal equations there; neither errors nor canonical form yet.
fn descend(
    model: PsfModel,
    pixels: &FitPixels,
    start: &Params,
    bounds: &Bounds,
    options: &FitOptions,
    space: &mut Workspace,
    normal: &mut Normal,
) -> Fit {
    let n = n_params(model);
    let mut p = *start;
    for (i, value) in p.iter_mut().enumerate().take(n) {
        *value = bounds.clamp(i, *value);
    }
    let mut open = [0; MAX_PARAMS];
    let mut n_open = 0;
    for i in 0..n {
        if bounds.lower[i] < bounds.upper[i] {
            open[n_open] = i;
            n_open += 1;
        }
    }
    let mut result = Fit {
        model,
        params: p,
        errors: [f64::NAN; MAX_PARAMS],
        chi2: f64::NAN,
        n_pixels: pixels.len(),
        n_free: n_open,
        iterations: 0,
        status: FitStatus::TooFewPixels,
    };
    if pixels.len() <= n_open {
        return result;
    }
    let mut scene = Scene { width: Width::best(), model, pixels, open: &open[..n_open], bounds, space };
    scene.normal(&p, normal);
    if !normal.chi2.is_finite() || p[..n].iter().any(|v| !v.is_finite()) {
        result.status = FitStatus::NotFinite;
        return result;
    }
    result.status = FitStatus::MaxIterations;
    let mut spare = Normal::default();
    let mut free = [0; MAX_PARAMS];
    let mut descent = Descent::new(options.tolerance);
    let mut small_gains = 0;
    while result.iterations < options.max_iterations {
        let m = free_parameters(n, &p, normal, bounds, &mut free);
        // The cosine between residual and each free column: zero at a minimum, whatever the units.
        let steepest = free[..m].iter().fold(0.0_f64, |worst, &i| {
            let square = normal.matrix[i][i] * normal.chi2;
            if square > 0.0 { worst.max(normal.gradient[i] * normal.gradient[i] / square) } else { worst }
        });
        if steepest < 1e-20 {
            result.status = FitStatus::Converged;
            break;
        }
        result.iterations += 1;
        match descent.step(&mut scene, &p, normal, &free[..m], &mut spare) {
            Step::To(trial) => {
                let gain = normal.chi2 - spare.chi2;
                p = trial;
                std::mem::swap(normal, &mut spare);
                // Twice in a row: a single small gain may be the end of a step that the damping shortened.
                small_gains = if gain <= options.tolerance * normal.chi2 { small_gains + 1 } else { 0 };
                if small_gains >= 2 {
                    result.status = FitStatus::Converged;
                    break;
                }
            }
            Step::Minimum => {
                result.status = FitStatus::Converged;
                break;
            }
        }
    }
    result.params = p;
    result.chi2 = normal.chi2;
    result
}

/// What a fit looks at.
struct Scene<'a> {
    width: Width,
    model: PsfModel,
    pixels: &'a FitPixels,
    /// Parameters that are not fixed.
    open: &'a [usize],
    bounds: &'a Bounds,
    space: &'a mut Workspace,
}

impl Scene<'_> {
    fn normal(&mut self, p: &Params, normal: &mut Normal) {
        normal_equations(self.width, self.model, self.pixels, p, self.open, self.space, normal);
    }

    fn chi2(&self, p: &Params) -> f64 {
        chi2(self.width, self.model, self.pixels, p)
    }
}

/// Errors of the free parameters where wanted, then canonical form.
fn finish(result: &mut Fit, normal: &Normal, bounds: &Bounds, has_errors: bool) {
    if !matches!(result.status, FitStatus::Converged | FitStatus::MaxIterations) {
        return;
    }
    let n = n_params(result.model);
    let mut free = [0; MAX_PARAMS];
    let mut m = 0;
    for i in 0..n {
        // A parameter on its bound has no error: the fit did not choose its value.
        let is_inside = result.params[i] > bounds.lower[i] && result.params[i] < bounds.upper[i];
        if is_inside && normal.matrix[i][i] > 0.0 {
            free[m] = i;
            m += 1;
        }
    }
    result.n_free = m;
    if has_errors && let Some(factor) = cholesky(&step::damped_block(&normal.matrix, normal, &free[..m], 0.0), m) {
        let inverse = inverse(&factor, m);
        for (a, &i) in free[..m].iter().enumerate() {
            result.errors[i] = if inverse[a][a] > 0.0 { inverse[a][a].sqrt() } else { f64::NAN };
        }
    }
    let errors = &mut result.errors;
    make_canonical(result.model, &mut result.params, |a, b| errors.swap(a, b));
}
