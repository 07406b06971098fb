//! The ellipse that fits points best: direct least squares.

use super::median::Ellipse;

/// Least spread of the points across their line, as a share of the spread along it, squared: below, rounding decides.
const COLLINEAR: f64 = 1e-13;

/// Fits an ellipse to points `[x, y]`: the conic with least sum of squared algebraic distances among the ellipses
/// (Halir & Flusser 1998, after Fitzgibbon et al. 1996).
///
/// The result has `a >= b` and `pa_deg` in [0, 180), from +x towards +y. `None` for fewer than five points, points that are not finite,
/// that lie on a line, or that no single ellipse fits best (fewer than five of them differ).
///
/// With the conic `a x^2 + b xy + c y^2 + d x + e y + f = 0` split into `q = (a, b, c)` and `l = (d, e, f)`, the sum of squares is
/// least for `l = T q`, and becomes `q' R q`; it is minimised under `q' C q = 4ac - b^2 = 1`.
///
/// ```
/// use skyloom_stages::measure::fit_ellipse;
///
/// let points = [[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0], [1.8, 0.8]];
/// let ellipse = fit_ellipse(&points).unwrap();
/// assert!((ellipse.a - 3.0).abs() < 1e-9 && (ellipse.b - 1.0).abs() < 1e-9);
/// ```
#[must_use]
pub fn fit_ellipse(points: &[[f64; 2]]) -> Option<Ellipse> {
    let n = points.len() as f64;
    if points.len() < 5 || points.iter().flatten().any(|v| !v.is_finite()) {
        return None;
    }
    // Fourth powers of pixel coordinates would leave few digits: shift to the mean, scale to a spread of one.
    let mean = [0, 1].map(|i| points.iter().map(|p| p[i]).fold(0.0, |a, b| a + b) / n);
    let centred = || points.iter().map(|p| [p[0] - mean[0], p[1] - mean[1]]);
    let scale = (centred().map(|[x, y]| x * x + y * y).fold(0.0, |a, b| a + b) / n).sqrt();
    if !(scale > 0.0 && scale.is_finite()) {
        return None;
    }
    let (mut s1, mut s2, mut s3) = ([[0.0; 3]; 3], [[0.0; 3]; 3], [[0.0; 3]; 3]);
    for [x, y] in centred().map(|p| p.map(|v| v / scale)) {
        let (q, l) = ([x * x, x * y, y * y], [x, y, 1.0]);
        for i in 0..3 {
            for j in 0..3 {
                s1[i][j] += q[i] * q[j];
                s2[i][j] += q[i] * l[j];
                s3[i][j] += l[i] * l[j];
            }
        }
    }
    let spread = s3[0][0] * s3[1][1] - s3[0][1] * s3[1][0];
    if spread <= COLLINEAR * (s3[0][0] + s3[1][1]).powi(2) {
        return None;
    }
    let t = product(&inverse(&s3)?, &transpose(&s2)).map(|row| row.map(|v| -v));
    let explained = product(&s2, &t);
    let mut r = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            // Symmetric but for rounding.
            r[i][j] = (s1[i][j] + s1[j][i] + explained[i][j] + explained[j][i]) / 2.0;
        }
    }
    // R q = lambda C q has one solution with 4ac - b^2 > 0. R may be singular (points exactly on an ellipse) but is not
    // indefinite: in its own axes and scales the problem is a symmetric one for 1 / lambda, and the solution its
    // greatest.
    let (values, axes) = eigen_symmetric(r);
    let greatest = values.iter().copied().fold(0.0, f64::max);
    let n_flat = values.iter().filter(|&&v| v <= 1e-14 * greatest).count();
    if greatest.is_nan() || greatest <= 0.0 || n_flat > 1 {
        return None;
    }
    // Rows: the axes, scaled.
    let mut w = axes;
    for (row, value) in w.iter_mut().zip(values) {
        let root = value.max(1e-18 * greatest).sqrt();
        row.iter_mut().for_each(|v| *v /= root);
    }
    const C: [[f64; 3]; 3] = [[0.0, 0.0, 2.0], [0.0, -1.0, 0.0], [2.0, 0.0, 0.0]];
    let (values, vectors) = eigen_symmetric(product(&product(&w, &C), &transpose(&w)));
    let best = (0..3).max_by(|&i, &j| values[i].total_cmp(&values[j]))?;
    let q = [0, 1, 2].map(|j| (0..3).map(|i| vectors[best][i] * w[i][j]).fold(0.0, |a, b| a + b));
    let l = t.map(|row| row[0] * q[0] + row[1] * q[1] + row[2] * q[2]);
    let ellipse = ellipse_of_conic(q, l)?;
    Some(Ellipse {
        centre: [0, 1].map(|i| mean[i] + scale * ellipse.centre[i]),
        a: scale * ellipse.a,
        b: scale * ellipse.b,
        pa_deg: ellipse.pa_deg,
    })
}

/// Centre, axes and direction of a conic; `None` when it is no ellipse.
fn ellipse_of_conic([a, b, c]: [f64; 3], [d, e, f]: [f64; 3]) -> Option<Ellipse> {
    let sign = if a + c < 0.0 { -1.0 } else { 1.0 };
    let [a, b, c, d, e, f] = [a, b, c, d, e, f].map(|v| sign * v);
    let discriminant = 4.0 * a * c - b * b;
    if discriminant.is_nan() || discriminant <= 0.0 {
        return None;
    }
    let centre = [(b * e - 2.0 * c * d) / discriminant, (b * d - 2.0 * a * e) / discriminant];
    // Value at the centre: negative inside an ellipse that has points.
    let inside = f + (d * centre[0] + e * centre[1]) / 2.0;
    let half = libm::hypot(a - c, b) / 2.0;
    let steep = (a + c) / 2.0 + half;
    // The product of both curvatures loses no digits where their difference would.
    let flat = discriminant / 4.0 / steep;
    let (major, minor) = ((-inside / flat).sqrt(), (-inside / steep).sqrt());
    if !(major.is_finite() && minor > 0.0 && centre.iter().all(|v| v.is_finite())) {
        return None;
    }
    // The minor axis points where the conic is steepest. A circle has no direction.
    let is_round = half <= 1e-14 * steep;
    let turn = 0.5 * libm::atan2(b, a - c).to_degrees() + 90.0;
    let pa_deg = if is_round || turn >= 180.0 { 0.0 } else { turn };
    Some(Ellipse { centre, a: major, b: minor, pa_deg })
}

type Matrix = [[f64; 3]; 3];

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    a.map(|row| [0, 1, 2].map(|j| row[0] * b[0][j] + row[1] * b[1][j] + row[2] * b[2][j]))
}

fn transpose(a: &Matrix) -> Matrix {
    [0, 1, 2].map(|j| [a[0][j], a[1][j], a[2][j]])
}

fn inverse(m: &Matrix) -> Option<Matrix> {
    let cofactor = |i: usize, j: usize| {
        let (r, s, u, v) = ((i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3);
        m[r][u] * m[s][v] - m[r][v] * m[s][u]
    };
    let determinant = m[0][0] * cofactor(0, 0) + m[0][1] * cofactor(0, 1) + m[0][2] * cofactor(0, 2);
    let inverse = [0, 1, 2].map(|j| [0, 1, 2].map(|i| cofactor(i, j) / determinant));
    inverse.iter().flatten().all(|v| v.is_finite()).then_some(inverse)
}

/// Eigenvalues of a symmetric matrix and its eigenvectors as rows, by Jacobi rotations.
fn eigen_symmetric(mut m: Matrix) -> ([f64; 3], Matrix) {
    let mut vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    // Convergence is quadratic: six sweeps reach the last digit, the rest is for pathological scales.
    for _ in 0..30 {
        let off = m[0][1].abs() + m[0][2].abs() + m[1][2].abs();
        if off == 0.0 || !off.is_finite() {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if m[p][q] == 0.0 {
                continue;
            }
            let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
            let t = theta.signum() / (theta.abs() + libm::hypot(theta, 1.0));
            let cos = 1.0 / libm::hypot(t, 1.0);
            let sin = t * cos;
            for row in &mut m {
                (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
            }
            for k in 0..3 {
                (m[p][k], m[q][k]) = (cos * m[p][k] - sin * m[q][k], sin * m[p][k] + cos * m[q][k]);
                (vectors[p][k], vectors[q][k]) =
                    (cos * vectors[p][k] - sin * vectors[q][k], sin * vectors[p][k] + cos * vectors[q][k]);
            }
            (m[p][q], m[q][p]) = (0.0, 0.0);
        }
    }
    ([m[0][0], m[1][1], m[2][2]], vectors)
}

#[cfg(test)]
mod tests {
    use skyloom_testkit::{floats, vector_json};

    use super::*;

    fn on(centre: [f64; 2], a: f64, b: f64, pa_deg: f64, n: usize) -> Vec<[f64; 2]> {
        let (sin, cos) = (libm::sin(pa_deg.to_radians()), libm::cos(pa_deg.to_radians()));
        (0..n)
            .map(|k| {
                let t = k as f64 * 2.4;
                let (u, v) = (a * libm::cos(t), b * libm::sin(t));
                [centre[0] + u * cos - v * sin, centre[1] + u * sin + v * cos]
            })
            .collect()
    }

    #[test]
    fn fits_equal_the_reference_vectors() {
        for (i, case) in vector_json("ellipse_fit.json")["cases"].as_array().unwrap().iter().enumerate() {
            let points: Vec<[f64; 2]> =
                case["points"].as_array().unwrap().iter().map(|p| floats(p).try_into().unwrap()).collect();
            let found = fit_ellipse(&points).unwrap();
            let compare = |expected: Vec<f64>, tolerance: f64| {
                let lengths = [found.centre[0], found.centre[1], found.a, found.b];
                for (value, expected) in lengths.into_iter().zip(&expected) {
                    let error = (value - expected).abs() / expected.abs().max(1.0);
                    assert!(error < tolerance, "case {i}: {found:?} is not {expected:?}");
                }
                let turn = (found.pa_deg.to_radians() - expected[4]).rem_euclid(std::f64::consts::PI);
                assert!(turn.min(std::f64::consts::PI - turn) < tolerance, "case {i}: {found:?}");
            };
            compare(floats(&case["params_xc_yc_a_b_theta"]), 1e-5);
            if i == 0 {
                // The points were rounded to four digits.
                compare(floats(&case["truth"]), 2e-3);
            }
        }
    }

    #[test]
    fn points_on_an_ellipse_give_it_back_also_far_from_the_origin() {
        for (a, b, pa_deg) in
            [(5.0, 2.0, 0.0), (5.0, 2.0, 90.0), (9.0, 8.9, 133.0), (300.0, 3.0, 45.0), (2.0, 1.0, 179.5)]
        {
            let found = fit_ellipse(&on([59_000.25, 12_345.5], a, b, pa_deg, 40)).unwrap();
            assert!((found.centre[0] - 59_000.25).abs() < 1e-5 * a && (found.centre[1] - 12_345.5).abs() < 1e-5 * a);
            assert!((found.a / a - 1.0).abs() < 1e-5 && (found.b / b - 1.0).abs() < 1e-5, "{found:?}");
            let turn = (found.pa_deg - pa_deg).rem_euclid(180.0);
            assert!(turn.min(180.0 - turn) < 1e-3, "{found:?}");
            assert!(found.a >= found.b && (0.0..180.0).contains(&found.pa_deg));
        }
    }

    #[test]
    fn a_circle_and_five_points_are_enough() {
        let found = fit_ellipse(&on([3.0, 4.0], 2.0, 2.0, 0.0, 5)).unwrap();
        assert!((found.a - 2.0).abs() < 1e-7 && (found.b - 2.0).abs() < 1e-7, "{found:?}");
    }

    #[test]
    fn what_has_no_single_ellipse_has_no_fit() {
        let ellipse = on([3.0, 4.0], 5.0, 2.0, 30.0, 9);
        assert_eq!(fit_ellipse(&[]), None);
        assert_eq!(fit_ellipse(&ellipse[..4]), None, "four points");
        assert_eq!(fit_ellipse(&[[1.0, 2.0]; 8]), None, "one point");
        let line: Vec<[f64; 2]> = (0..20).map(|i| [f64::from(i), 0.3 * f64::from(i) - 7.0]).collect();
        assert_eq!(fit_ellipse(&line), None, "a line");
        let repeated: Vec<[f64; 2]> = ellipse[..4].iter().cycle().take(12).copied().collect();
        assert_eq!(fit_ellipse(&repeated), None, "four points, three times");
        let mut with_nan = ellipse.clone();
        with_nan[3][1] = f64::NAN;
        assert_eq!(fit_ellipse(&with_nan), None);
        let huge: Vec<[f64; 2]> = ellipse.iter().map(|p| p.map(|v| v * 1e300)).collect();
        assert_eq!(fit_ellipse(&huge), None, "beyond the range of f64");
    }
}
