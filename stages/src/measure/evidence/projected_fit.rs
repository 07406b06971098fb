//! Least squares with a few nonlinear parameters; amplitudes follow from them by linear least squares (variable projection,
//! Golub & Pereyra 1973), steps by Levenberg and Marquardt with differences for derivatives.

use crate::psf::{Matrix, cholesky, solve};

/// How large residuals count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Loss {
    /// Squared, but never beyond this.
    Clipped(f64),
    /// Squared near 0, linear beyond this: `2 c^2 (sqrt(1 + (r/c)^2) - 1)`.
    Soft(f64),
}

impl Loss {
    fn cost(self, r: f64) -> f64 {
        match self {
            Self::Clipped(limit) => {
                let r = r.clamp(-limit, limit);
                r * r
            }
            Self::Soft(c) => 2.0 * c * c * ((1.0 + (r / c) * (r / c)).sqrt() - 1.0),
        }
    }

    /// Weight of the residual in the normal equations.
    fn weight(self, r: f64) -> f64 {
        match self {
            Self::Clipped(limit) => f64::from(u8::from(r.abs() < limit)),
            Self::Soft(c) => 1.0 / (1.0 + (r / c) * (r / c)).sqrt(),
        }
    }
}

/// What is fitted: values with their standard deviations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data<'a> {
    pub values: &'a [f64],
    pub sigmas: &'a [f64],
}

/// How it is fitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProjectedOptions<const N: usize> {
    pub start: [f64; N],
    pub low: [f64; N],
    pub high: [f64; N],
    /// Steps for the differences.
    pub steps: [f64; N],
    pub loss: Loss,
    /// Most evaluations of the cost, those for derivatives not counted.
    pub n_evaluations: usize,
}

/// A fit.
#[derive(Debug, Clone)]
pub(super) struct Projected<const N: usize, const M: usize> {
    pub params: [f64; N],
    pub amplitudes: [f64; M],
    /// Data minus model, in units of sigma.
    pub residuals: Vec<f64>,
}

/// The best fit of `sum_k amplitude_k basis_k(params)` to the data; `basis(params)` gives the values of all M functions at each datum.
///
/// `None` when there are not more data than parameters and amplitudes, or nothing is finite.
pub(super) fn fit<const N: usize, const M: usize>(
    data: Data<'_>,
    options: &ProjectedOptions<N>,
    basis: impl Fn(&[f64; N]) -> Vec<[f64; M]>,
) -> Option<Projected<N, M>> {
    if data.values.len() <= N + M {
        return None;
    }
    let clamp = |p: &[f64; N]| -> [f64; N] { std::array::from_fn(|k| p[k].clamp(options.low[k], options.high[k])) };
    let project = |p: &[f64; N]| project(data, &basis(p));
    let cost = |r: &[f64]| r.iter().fold(0.0, |sum, &r| sum + options.loss.cost(r));
    let mut params = clamp(&options.start);
    let (mut amplitudes, mut residuals) = project(&params)?;
    let mut best = cost(&residuals);
    let mut damping = 1e-3;
    let mut n_left = options.n_evaluations;
    'outer: while n_left > 0 {
        let mut columns: Vec<Vec<f64>> = Vec::with_capacity(N);
        for k in 0..N {
            let mut moved = params;
            // Away from the bound, where there is one.
            let step =
                if params[k] + options.steps[k] > options.high[k] { -options.steps[k] } else { options.steps[k] };
            moved[k] += step;
            let (_, there) = project(&moved)?;
            columns.push(there.iter().zip(&residuals).map(|(a, b)| (a - b) / step).collect());
        }
        let mut normal: Matrix = [[0.0; 11]; 11];
        let mut gradient = [0.0; 11];
        for (i, &r) in residuals.iter().enumerate() {
            let w = options.loss.weight(r);
            for a in 0..N {
                gradient[a] -= w * columns[a][i] * r;
                for b in 0..=a {
                    normal[a][b] += w * columns[a][i] * columns[b][i];
                }
            }
        }
        // A parameter that its bound holds back takes no part in this step.
        for k in 0..N {
            let is_held = (params[k] <= options.low[k] && gradient[k] < 0.0)
                || (params[k] >= options.high[k] && gradient[k] > 0.0);
            if is_held || normal[k][k] <= 0.0 {
                gradient[k] = 0.0;
                (0..N).for_each(|b| {
                    normal[k][b] = 0.0;
                    normal[b][k] = 0.0;
                });
                normal[k][k] = 1.0;
            }
        }
        loop {
            if n_left == 0 {
                break 'outer;
            }
            n_left -= 1;
            let mut damped = normal;
            (0..N).for_each(|k| damped[k][k] *= 1.0 + damping);
            let step = cholesky(&damped, N).map(|factor| {
                let mut step = gradient;
                solve(&factor, &mut step, N);
                step
            });
            let tried = step.map(|step| clamp(&std::array::from_fn(|k| params[k] + step[k])));
            if let Some(tried) = tried
                && let Some((new_amplitudes, new_residuals)) = project(&tried)
            {
                let new = cost(&new_residuals);
                if new < best {
                    let is_done = best - new <= 1e-8 * best;
                    (params, amplitudes, residuals, best) = (tried, new_amplitudes, new_residuals, new);
                    damping = (damping * 0.1).max(1e-9);
                    if is_done {
                        break 'outer;
                    }
                    continue 'outer;
                }
            }
            damping *= 10.0;
            if damping > 1e9 {
                break 'outer;
            }
        }
    }
    Some(Projected { params, amplitudes, residuals })
}

/// Amplitudes by linear least squares, and the residuals in units of sigma. A function that the others make up gets 0.
fn project<const M: usize>(data: Data<'_>, basis: &[[f64; M]]) -> Option<([f64; M], Vec<f64>)> {
    let mut normal: Matrix = [[0.0; 11]; 11];
    let mut right = [0.0; 11];
    for ((values, &v), &s) in basis.iter().zip(data.values).zip(data.sigmas) {
        let w = 1.0 / (s * s);
        for a in 0..M {
            right[a] += w * values[a] * v;
            for b in 0..=a {
                normal[a][b] += w * values[a] * values[b];
            }
        }
    }
    for (k, row) in normal.iter_mut().enumerate().take(M) {
        // Keeps two functions that coincide apart; far below what the data can tell.
        row[k] = row[k] * (1.0 + 1e-10) + f64::MIN_POSITIVE;
    }
    let factor = cholesky(&normal, M)?;
    solve(&factor, &mut right, M);
    let amplitudes: [f64; M] = std::array::from_fn(|k| right[k]);
    let residuals: Vec<f64> = basis
        .iter()
        .zip(data.values)
        .zip(data.sigmas)
        .map(|((values, &v), &s)| (v - values.iter().zip(&amplitudes).fold(0.0, |sum, (b, a)| sum + a * b)) / s)
        .collect();
    residuals.iter().all(|r| r.is_finite()).then_some((amplitudes, residuals))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(start: [f64; 2], loss: Loss) -> ProjectedOptions<2> {
        ProjectedOptions { start, low: [-9.0, 0.3], high: [9.0, 5.0], steps: [1e-4; 2], loss, n_evaluations: 40 }
    }

    fn bump(p: &[f64; 2]) -> Vec<[f64; 2]> {
        (-20..=20).map(|i| [1.0, libm::exp(-0.5 * ((f64::from(i) * 0.4 - p[0]) / p[1]).powi(2))]).collect()
    }

    #[test]
    fn a_bump_on_a_level_is_found_with_and_without_outliers() {
        let mut values: Vec<f64> = bump(&[1.3, 0.9]).iter().map(|[c, b]| 2.0 * c + 30.0 * b).collect();
        let sigmas = vec![0.5; values.len()];
        let clean =
            fit(Data { values: &values, sigmas: &sigmas }, &options([0.5, 1.4], Loss::Clipped(1e3)), bump).unwrap();
        assert!((clean.params[0] - 1.3).abs() < 1e-4 && (clean.params[1] - 0.9).abs() < 1e-4, "{clean:?}");
        assert!((clean.amplitudes[0] - 2.0).abs() < 1e-3 && (clean.amplitudes[1] - 30.0).abs() < 1e-2);
        values[2] += 8.0;
        let soft = fit(Data { values: &values, sigmas: &sigmas }, &options([0.5, 1.4], Loss::Soft(3.0)), bump).unwrap();
        assert!((soft.params[0] - 1.3).abs() < 0.05, "{soft:?}");
    }

    #[test]
    fn parameters_stay_in_their_bounds_and_too_few_data_give_nothing() {
        let values: Vec<f64> = bump(&[1.0, 0.1]).iter().map(|[_, b]| 10.0 * b).collect();
        let sigmas = vec![0.1; values.len()];
        let found =
            fit(Data { values: &values, sigmas: &sigmas }, &options([0.8, 1.0], Loss::Clipped(1e3)), bump).unwrap();
        assert!(found.params[1] >= 0.3);
        let short = Data { values: &values[..4], sigmas: &sigmas[..4] };
        assert!(fit(short, &options([0.8, 1.0], Loss::Clipped(1e3)), |p| bump(p)[..4].to_vec()).is_none());
    }
}
