//! Solves the small symmetric systems of the fitter, without allocation.

use super::model::MAX_PARAMS;

/// A symmetric matrix of up to [`MAX_PARAMS`] rows.
pub(crate) type Matrix = [[f64; MAX_PARAMS]; MAX_PARAMS];

/// Cholesky factor (lower triangle) of the leading `n` x `n` block; `None` when it is not positive definite.
pub(crate) fn cholesky(a: &Matrix, n: usize) -> Option<Matrix> {
    let mut l = [[0.0; MAX_PARAMS]; MAX_PARAMS];
    for i in 0..n {
        for j in 0..=i {
            let sum = l[i][..j].iter().zip(&l[j][..j]).fold(a[i][j], |sum, (p, q)| sum - p * q);
            if i == j {
                // Also catches NaN.
                if !(sum > 0.0 && sum.is_finite()) {
                    return None;
                }
                l[i][i] = sum.sqrt();
            } else {
                l[i][j] = sum / l[j][j];
            }
        }
    }
    Some(l)
}

/// Solves `L L^T x = b` in place.
pub(crate) fn solve(l: &Matrix, b: &mut [f64; MAX_PARAMS], n: usize) {
    for i in 0..n {
        let mut sum = b[i];
        for k in 0..i {
            sum -= l[i][k] * b[k];
        }
        b[i] = sum / l[i][i];
    }
    for i in (0..n).rev() {
        let mut sum = b[i];
        for k in i + 1..n {
            sum -= l[k][i] * b[k];
        }
        b[i] = sum / l[i][i];
    }
}

/// Inverse of the leading `n` x `n` block from its Cholesky factor.
pub(super) fn inverse(l: &Matrix, n: usize) -> Matrix {
    let mut result = [[0.0; MAX_PARAMS]; MAX_PARAMS];
    for column in 0..n {
        let mut unit = [0.0; MAX_PARAMS];
        unit[column] = 1.0;
        solve(l, &mut unit, n);
        for row in 0..n {
            result[row][column] = unit[row];
        }
    }
    result
}
