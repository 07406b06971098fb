//! What Gauss-Newton leaves out of the curvature of chi2, learnt from the gradients along the way.
//!
//! Half the Hessian of chi2 is `J'WJ + S` with `S = sum w r d2f`. Where the noise determines a direction badly, `S` is as large as `J'WJ`, and
//! steps without it creep: each takes the same fraction of the way that is left. As in NL2SOL (Dennis, Gay & Welsch 1981) `S` is
//! estimated from the gradients of successive steps, and used while it foretells their gain better than nothing does. The update is
//! the symmetric one of rank one: it needs no positive curvature.

use crate::psf::kernel::Normal;
use crate::psf::model::{MAX_PARAMS, Params};
use crate::psf::solve::Matrix;

/// An estimate of `S`.
#[derive(Debug, Clone, Default)]
pub(super) struct Secant {
    matrix: Matrix,
    /// Whether steps make use of it.
    pub is_used: bool,
}

impl Secant {
    /// The sum of a matrix and the estimate.
    pub fn added_to(&self, matrix: &Matrix) -> Matrix {
        std::array::from_fn(|i| std::array::from_fn(|j| matrix[i][j] + self.matrix[i][j]))
    }

    /// `s'S s` of a step.
    pub fn bend(&self, step: &Params, free: &[usize]) -> f64 {
        free.iter().map(|&i| step[i] * free.iter().map(|&j| self.matrix[i][j] * step[j]).sum::<f64>()).sum()
    }

    /// Learns from a step between two places.
    pub fn learn(&mut self, start: &Params, end: &Params, from: &Normal, to: &Normal, open: &[usize]) {
        let step: Params = std::array::from_fn(|i| end[i] - start[i]);
        // What `S s` should be: the change of the gradient that `J'WJ` does not explain.
        let mut miss = [0.0; MAX_PARAMS];
        let mut seen = 0.0;
        for &i in open {
            let explained: f64 = open.iter().map(|&j| to.matrix[i][j] * step[j]).sum();
            miss[i] = to.gradient[i] - from.gradient[i] - explained;
            seen += miss[i] * step[i];
        }
        // An estimate from farther out must not outweigh what this step saw.
        let bend = self.bend(&step, open).abs();
        let size = if seen.abs() < bend { seen.abs() / bend } else { 1.0 };
        let (mut length, mut off, mut along) = (0.0, 0.0, 0.0);
        for &i in open {
            for &j in open {
                self.matrix[i][j] *= size;
                miss[i] -= self.matrix[i][j] * step[j];
            }
            let unit = to.matrix[i][i];
            length += step[i] * step[i] * unit;
            off += if unit > 0.0 { miss[i] * miss[i] / unit } else { 0.0 };
            along += miss[i] * step[i];
        }
        // At right angles to the step the update has no size.
        if along.is_finite() && along * along > 1e-12 * length * off {
            for &i in open {
                for &j in open {
                    self.matrix[i][j] += miss[i] * miss[j] / along;
                }
            }
        }
    }
}
