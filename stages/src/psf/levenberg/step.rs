//! One step of a fit: damping, bounds, and what slow fits get in addition.

use skyloom_data::PsfModel;

use super::Scene;
use super::curve::moved;
use super::secant::Secant;
use crate::psf::kernel::Normal;
use crate::psf::model::{MAX_PARAMS, Params};
use crate::psf::solve::{Matrix, cholesky, solve};

/// What a step comes to.
pub(super) enum Step {
    /// Parameters with a lower chi2.
    To(Params),
    /// No step lowers chi2 by more than the tolerance.
    Minimum,
}

/// What is kept from step to step.
pub(super) struct Descent {
    tolerance: f64,
    /// Damping that was good so far, and how much a bad step raises it (Nielsen 1999).
    damping: f64,
    raise: f64,
    /// Steps so far.
    n_steps: usize,
    secant: Secant,
    /// For every parameter the steps in a row that were stopped at one of its bounds.
    crossings: [u8; MAX_PARAMS],
}

/// What the first bad step multiplies the damping by; each further one doubles it.
const RAISE: f64 = 4.0;
/// The step from which on curvature is learnt: a fit that is not slow is over by then, and does not pay for it.
const LEARN_FROM: usize = 8;
/// The step from which on amplitudes are brought to their best after each step.
const SETTLE_FROM: usize = 15;
/// Steps towards a bound that go half of the way before one may end on it: far from the minimum a step often leads beyond a bound, and an
/// amplitude that is 0 takes the shape of its component out of the fit for good.
const APPROACHES: u8 = 3;

/// A step of given damping.
struct Proposal {
    /// Where it ends.
    trial: Params,
    /// How it begins: what the quadratic model is about.
    tangent: Params,
    /// Parameters that a bound stopped.
    is_stopped: [bool; MAX_PARAMS],
}

impl Descent {
    pub fn new(tolerance: f64) -> Self {
        Self {
            tolerance,
            damping: 1e-2,
            raise: RAISE,
            n_steps: 0,
            secant: Secant::default(),
            crossings: [0; MAX_PARAMS],
        }
    }

    /// The first damped step that lowers chi2, with the normal equations there in `next`; adapts the damping on the way.
    pub fn step(
        &mut self,
        scene: &mut Scene<'_>,
        p: &Params,
        normal: &Normal,
        free: &[usize],
        next: &mut Normal,
    ) -> Step {
        const MAX_DAMPING: f64 = 1e12;
        self.n_steps += 1;
        let does_settle = self.n_steps >= SETTLE_FROM;
        let mut is_first = true;
        while self.damping < MAX_DAMPING {
            if let Some(proposal) = self.propose(scene, p, normal, free) {
                let Proposal { mut trial, tangent, is_stopped } = proposal;
                let plain = expected_gain(&tangent, normal, free);
                let bend = if self.secant.is_used { self.secant.bend(&tangent, free) } else { 0.0 };
                let expected = plain - bend;
                // Hardly damped, and there is nothing to gain: evaluating the model there would only confirm it.
                if (0.0..=self.tolerance * normal.chi2).contains(&expected) && self.damping <= 0.1 {
                    return Step::Minimum;
                }
                // Most first steps are good, and need the derivatives next; after a bad one chi2 alone decides.
                let is_worth_it = is_first || does_settle || scene.chi2(&trial) < normal.chi2;
                if is_worth_it {
                    scene.normal(&trial, next);
                    if does_settle && let Some(better) = settled(scene, &trial, next, free, 0.1 * expected) {
                        trial = better;
                        scene.normal(&trial, next);
                    }
                }
                // False for NaN: a step to where the model does not exist is shortened like any bad step.
                if is_worth_it && next.chi2 < normal.chi2 {
                    let gain = normal.chi2 - next.chi2;
                    let turn = 2.0 * gain / expected - 1.0;
                    self.damping = (self.damping * (1.0 - turn * turn * turn).clamp(0.02, 2.0)).max(1e-12);
                    self.raise = RAISE;
                    if self.n_steps >= LEARN_FROM {
                        let bend = self.secant.bend(&tangent, free);
                        self.secant.is_used = (plain - bend - gain).abs() < (plain - gain).abs();
                        self.secant.learn(p, &trial, normal, next, scene.open);
                    }
                    for (count, is_stopped) in self.crossings.iter_mut().zip(is_stopped) {
                        *count = if is_stopped { count.saturating_add(1) } else { 0 };
                    }
                    return Step::To(trial);
                }
                is_first = false;
            }
            self.damping *= self.raise;
            self.raise *= 2.0;
        }
        // No step of any length lowers chi2 further: the minimum, to rounding.
        Step::Minimum
    }

    /// The minimum of the damped quadratic model within the bounds, by an active set: parameters that would leave their interval stop
    /// on the way or at its end, and the others are solved again with those in place. `None` when the system is not positive definite.
    fn propose(&self, scene: &Scene<'_>, p: &Params, normal: &Normal, free: &[usize]) -> Option<Proposal> {
        let with_secant;
        let curvature = if self.secant.is_used {
            with_secant = self.secant.added_to(&normal.matrix);
            &with_secant
        } else {
            &normal.matrix
        };
        let mut moving = [0; MAX_PARAMS];
        moving[..free.len()].copy_from_slice(free);
        let mut m = free.len();
        let mut gradient = normal.gradient;
        let mut tangent = [0.0; MAX_PARAMS];
        let mut stops = [0.0; MAX_PARAMS];
        let mut is_stopped = [false; MAX_PARAMS];
        loop {
            if m > 0 {
                let factor = cholesky(&damped_block(curvature, normal, &moving[..m], self.damping), m)?;
                let mut delta = [0.0; MAX_PARAMS];
                for (slot, &i) in delta.iter_mut().zip(&moving[..m]) {
                    *slot = -gradient[i];
                }
                solve(&factor, &mut delta, m);
                for (&i, d) in moving[..m].iter().zip(delta) {
                    tangent[i] = d;
                }
            }
            let mut trial = moved(scene.model, p, &tangent, &moving[..m]);
            for i in 0..MAX_PARAMS {
                if is_stopped[i] {
                    trial[i] = stops[i];
                }
            }
            let mut kept = 0;
            for k in 0..m {
                let i = moving[k];
                let end = scene.bounds.clamp(i, trial[i]);
                if end == trial[i] {
                    moving[kept] = i;
                    kept += 1;
                } else {
                    stops[i] = if self.crossings[i] < APPROACHES { 0.5 * (p[i] + end) } else { end };
                    is_stopped[i] = true;
                    tangent[i] = stops[i] - p[i];
                    // What the stopped parameter moved changes the slope seen by the others.
                    for (slope, row) in gradient.iter_mut().zip(curvature) {
                        *slope += row[i] * tangent[i];
                    }
                }
            }
            if kept == m {
                return Some(Proposal { trial, tangent, is_stopped });
            }
            m = kept;
        }
    }
}

/// The rows and columns of `free` from a matrix, with the diagonal raised by `damping` times that of the normal equations.
pub(super) fn damped_block(matrix: &Matrix, normal: &Normal, free: &[usize], damping: f64) -> Matrix {
    let mut block = [[0.0; MAX_PARAMS]; MAX_PARAMS];
    for (a, &i) in free.iter().enumerate() {
        // The lower triangle: no more is read.
        for (b, &j) in free[..=a].iter().enumerate() {
            block[a][b] = matrix[i][j];
        }
        block[a][a] += damping * normal.matrix[i][i];
    }
    block
}

/// How far the quadratic model of the normal equations lets chi2 fall along a step.
pub(super) fn expected_gain(step: &Params, normal: &Normal, free: &[usize]) -> f64 {
    let mut gain = 0.0;
    for (a, &i) in free.iter().enumerate() {
        let mut pull = 2.0 * normal.gradient[i] + normal.matrix[i][i] * step[i];
        for &j in &free[..a] {
            pull += 2.0 * normal.matrix[i][j] * step[j];
        }
        gain -= step[i] * pull;
    }
    gain
}

/// Parameters with the amplitudes at which chi2 is least for the shapes they have, when that gains more than `least`.
///
/// chi2 is a parabola in the amplitudes, so the normal equations know its minimum. A narrow component that grows narrower needs an amplitude
/// that grows without limit: a step along the tangent goes a small part of that way only.
fn settled(scene: &Scene<'_>, p: &Params, normal: &Normal, free: &[usize], least: f64) -> Option<Params> {
    let amplitudes: &[usize] = if scene.model == PsfModel::Compound { &[0, 7] } else { &[0] };
    if !amplitudes.iter().all(|i| free.contains(i)) {
        return None;
    }
    let n = amplitudes.len();
    let factor = cholesky(&damped_block(&normal.matrix, normal, amplitudes, 0.0), n)?;
    let mut delta = [0.0; MAX_PARAMS];
    for (slot, &i) in delta.iter_mut().zip(amplitudes) {
        *slot = -normal.gradient[i];
    }
    solve(&factor, &mut delta, n);
    let mut better = *p;
    let mut gain = 0.0;
    for (d, &i) in delta.iter().zip(amplitudes) {
        better[i] += d;
        gain -= d * normal.gradient[i];
    }
    let is_inside = amplitudes.iter().all(|&i| better[i] == scene.bounds.clamp(i, better[i]));
    (is_inside && gain > least).then_some(better)
}
