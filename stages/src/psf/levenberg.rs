//! Bounded Levenberg-Marquardt with analytic derivatives on fixed-size arrays.
//!
//! Moré 1978 for the scaling of the damping by the diagonal of `J'J`, Nielsen 1999 for its changes. Bounds are kept by an active set: a parameter at a
//! bound whose gradient points outwards is left out of the step, and a step that crosses a bound ends on it.

use std::cell::RefCell;

use skyloom_data::PsfModel;

use super::kernel::{FitPixels, Normal, Width, Workspace, chi2, normal_equations};
use super::model::{MAX_PARAMS, Params, make_canonical, n_params};
use super::solve::{Matrix, cholesky, inverse, solve};

/// One pixel of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitPixel {
    /// Column.
    pub x: f64,
    /// Row.
    pub y: f64,
    /// Value.
    pub value: f64,
    /// Weight of the squared residual: `1/sigma^2`, or 1 for an unweighted fit.
    pub weight: f64,
}

/// Closed intervals for the parameters; equal ends fix a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Lower ends.
    pub lower: Params,
    /// Upper ends.
    pub upper: Params,
}

impl Bounds {
    /// No bounds, except that widths stay above 0.01 px and alpha between 0.5 and 100, where the models exist.
    #[must_use]
    pub fn natural(model: PsfModel) -> Self {
        let mut bounds = Self { lower: [f64::NEG_INFINITY; MAX_PARAMS], upper: [f64::INFINITY; MAX_PARAMS] };
        bounds.lower[3] = 0.01;
        bounds.lower[4] = 0.01;
        if model != PsfModel::Gaussian {
            bounds.limit(6, 0.5, 100.0);
        }
        if model == PsfModel::Compound {
            bounds.lower[8] = 0.01;
            bounds.lower[9] = 0.01;
        }
        bounds
    }

    /// Keeps parameter `i` between two values.
    pub fn limit(&mut self, i: usize, low: f64, high: f64) {
        self.lower[i] = low;
        self.upper[i] = high;
    }

    /// Keeps parameter `i` at a value.
    pub fn fix(&mut self, i: usize, value: f64) {
        self.limit(i, value, value);
    }

    fn clamp(&self, i: usize, value: f64) -> f64 {
        value.max(self.lower[i]).min(self.upper[i])
    }
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    /// Steps at most.
    pub max_iterations: usize,
    /// Converged when steps lower chi2 by less than this fraction.
    pub tolerance: f64,
    /// Whether to work out the errors of the parameters.
    pub has_errors: bool,
}

impl Default for FitOptions {
    /// 100 steps, 1e-9: chi2 is then good to far better than any parameter error.
    fn default() -> Self {
        Self { max_iterations: 100, tolerance: 1e-9, has_errors: true }
    }
}

/// How a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitStatus {
    /// At a minimum within the bounds.
    Converged,
    /// The allowed steps were used up.
    MaxIterations,
    /// No more pixels with weight than free parameters.
    TooFewPixels,
    /// Start values or pixels are not finite, or the model does not exist there.
    NotFinite,
}

/// The result of a fit, in canonical form (major axis first, angle in `(-pi/2, pi/2]`).
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// The model.
    pub model: PsfModel,
    /// Best parameters.
    pub params: Params,
    /// Standard errors, the roots of the diagonal of `(J'WJ)^-1`, not multiplied by chi2 per degree of freedom; NaN for parameters
    /// that are fixed, at a bound, or undetermined, and when nobody asked for them.
    pub errors: Params,
    /// Weighted sum of squared residuals.
    pub chi2: f64,
    /// Pixels with positive weight.
    pub n_pixels: usize,
    /// Free parameters at the end.
    pub n_free: usize,
    /// Steps taken.
    pub iterations: usize,
    /// How it ended.
    pub status: FitStatus,
}

impl Fit {
    /// Whether the fit found a minimum.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.status == FitStatus::Converged
    }

    /// Standard error of parameter `i`; NaN when it was fixed, at a bound, undetermined, or not asked for.
    #[must_use]
    pub fn error(&self, i: usize) -> f64 {
        self.errors[i]
    }

    /// chi2 per degree of freedom; NaN without any.
    #[must_use]
    pub fn reduced_chi2(&self) -> f64 {
        if self.n_pixels > self.n_free { self.chi2 / (self.n_pixels - self.n_free) as f64 } else { f64::NAN }
    }
}

/// The rows and columns of `free` from a matrix, with the diagonal raised by `damping` times itself.
fn damped_block(matrix: &Matrix, free: &[usize], damping: f64) -> Matrix {
    let mut block = [[0.0; MAX_PARAMS]; MAX_PARAMS];
    for (a, &i) in free.iter().enumerate() {
        for (b, &j) in free.iter().enumerate() {
            block[a][b] = matrix[i][j];
        }
        block[a][a] *= 1.0 + damping;
    }
    block
}

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
        list.clear();
        list.extend(pixels.iter().copied());
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
    let mut scene = Scene { width: Width::best(), model, pixels, open: &open[..n_open], space };
    let (mut normal, mut spare) = (Normal::default(), Normal::default());
    scene.normal(&p, &mut normal);
    if !normal.chi2.is_finite() || p[..n].iter().any(|v| !v.is_finite()) {
        result.status = FitStatus::NotFinite;
        return result;
    }
    result.status = FitStatus::MaxIterations;
    let mut free = [0; MAX_PARAMS];
    let mut damping = Damping { value: 1e-3, raise: RAISE };
    let mut small_gains = 0;
    while result.iterations < options.max_iterations {
        let m = free_parameters(n, &p, &normal, bounds, &mut free);
        // The cosine between residual and each free column: zero at a minimum, whatever the units.
        let steepest = free[..m].iter().fold(0.0_f64, |worst, &i| {
            let norm = (normal.matrix[i][i] * normal.chi2).sqrt();
            if norm > 0.0 { worst.max(normal.gradient[i].abs() / norm) } else { worst }
        });
        if steepest < 1e-10 {
            result.status = FitStatus::Converged;
            break;
        }
        result.iterations += 1;
        match step(&mut scene, &p, &normal, &free[..m], bounds, options.tolerance, &mut damping, &mut spare) {
            Step::To(trial) => {
                let gain = normal.chi2 - spare.chi2;
                p = trial;
                std::mem::swap(&mut normal, &mut spare);
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
    finish(&mut result, &normal, bounds, options.has_errors);
    result
}

/// What a fit looks at.
struct Scene<'a> {
    width: Width,
    model: PsfModel,
    pixels: &'a FitPixels,
    /// Parameters that are not fixed.
    open: &'a [usize],
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

/// What a step comes to.
enum Step {
    /// Parameters with a lower chi2.
    To(Params),
    /// No step lowers chi2 by more than the tolerance.
    Minimum,
}

/// Damping of steps that were good so far, and how much a bad one raises it (Nielsen 1999).
struct Damping {
    value: f64,
    raise: f64,
}

/// What the first bad step multiplies the damping by; each further one doubles it.
const RAISE: f64 = 4.0;

/// The first damped step that lowers chi2, with the normal equations there in `next`; adapts the damping on the way.
fn step(
    scene: &mut Scene<'_>,
    p: &Params,
    normal: &Normal,
    free: &[usize],
    bounds: &Bounds,
    tolerance: f64,
    damping: &mut Damping,
    next: &mut Normal,
) -> Step {
    const MAX_DAMPING: f64 = 1e12;
    let mut is_first = true;
    while damping.value < MAX_DAMPING {
        if let Some(trial) = bounded_step(p, normal, free, bounds, damping.value) {
            let expected = expected_gain(p, &trial, normal, free);
            // Hardly damped, and there is nothing to gain: evaluating the model there would only confirm it.
            if (0.0..=tolerance * normal.chi2).contains(&expected) && damping.value <= 0.1 {
                return Step::Minimum;
            }
            // Most first steps are good, and need the derivatives next; after a bad one chi2 alone decides.
            let is_worth_it = is_first || scene.chi2(&trial) < normal.chi2;
            if is_worth_it {
                scene.normal(&trial, next);
            }
            // False for NaN: a step to where the model does not exist is shortened like any bad step.
            if is_worth_it && next.chi2 < normal.chi2 {
                let ratio = (normal.chi2 - next.chi2) / expected;
                let bend = 2.0 * ratio - 1.0;
                damping.value = (damping.value * (1.0 - bend * bend * bend).clamp(0.02, 1.0)).max(1e-12);
                damping.raise = RAISE;
                return Step::To(trial);
            }
            is_first = false;
        }
        damping.value *= damping.raise;
        damping.raise *= 2.0;
    }
    // No step of any length lowers chi2 further: the minimum, to rounding.
    Step::Minimum
}

/// How far the quadratic model lets chi2 fall from `p` to `trial`.
fn expected_gain(p: &Params, trial: &Params, normal: &Normal, free: &[usize]) -> f64 {
    let mut gain = 0.0;
    for (a, &i) in free.iter().enumerate() {
        let di = trial[i] - p[i];
        let mut pull = 2.0 * normal.gradient[i] + normal.matrix[i][i] * di;
        for &j in &free[..a] {
            pull += 2.0 * normal.matrix[i][j] * (trial[j] - p[j]);
        }
        gain -= di * pull;
    }
    gain
}

/// The minimum of the damped quadratic model within the bounds, by an active set: parameters that would leave their
/// interval stop at its end, and the others are solved again with those in place. `None` when the system is singular.
fn bounded_step(p: &Params, normal: &Normal, free: &[usize], bounds: &Bounds, damping: f64) -> Option<Params> {
    let mut trial = *p;
    let mut moving = [0; MAX_PARAMS];
    moving[..free.len()].copy_from_slice(free);
    let mut m = free.len();
    let mut gradient = normal.gradient;
    while m > 0 {
        let factor = cholesky(&damped_block(&normal.matrix, &moving[..m], damping), m)?;
        let mut delta = [0.0; MAX_PARAMS];
        for (slot, &i) in delta.iter_mut().zip(&moving[..m]) {
            *slot = -gradient[i];
        }
        solve(&factor, &mut delta, m);
        let mut kept = 0;
        for k in 0..m {
            let i = moving[k];
            let target = p[i] + delta[k];
            trial[i] = bounds.clamp(i, target);
            if trial[i] == target {
                moving[kept] = i;
                kept += 1;
            } else {
                // What the stopped parameter moved changes the slope seen by the others.
                for (j, slope) in gradient.iter_mut().enumerate() {
                    *slope += normal.matrix[j][i] * (trial[i] - p[i]);
                }
            }
        }
        if kept == m {
            break;
        }
        m = kept;
    }
    Some(trial)
}

/// Errors of the free parameters where wanted, then canonical form.
fn finish(result: &mut Fit, normal: &Normal, bounds: &Bounds, has_errors: bool) {
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
    if has_errors && let Some(factor) = cholesky(&damped_block(&normal.matrix, &free[..m], 0.0), m) {
        let inverse = inverse(&factor, m);
        for (a, &i) in free[..m].iter().enumerate() {
            result.errors[i] = if inverse[a][a] > 0.0 { inverse[a][a].sqrt() } else { f64::NAN };
        }
    }
    let errors = &mut result.errors;
    make_canonical(result.model, &mut result.params, |a, b| errors.swap(a, b));
}
