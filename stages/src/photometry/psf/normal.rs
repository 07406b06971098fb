//! Three linear equations.

/// Solves three equations (the fourth column is the right side) by Gaussian elimination; `None` when they are singular.
pub(super) fn solve3(mut m: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for i in 0..3 {
        let pivot = (i..3).max_by(|&a, &b| m[a][i].abs().total_cmp(&m[b][i].abs()))?;
        m.swap(i, pivot);
        let row = m[i];
        // Also for NaN.
        let is_regular = row[i].abs() > 1e-300;
        if !is_regular {
            return None;
        }
        for below in &mut m[i + 1..] {
            let f = below[i] / row[i];
            for (v, r) in below.iter_mut().zip(row).skip(i) {
                *v -= f * r;
            }
        }
    }
    let z = m[2][3] / m[2][2];
    let y = (m[1][3] - m[1][2] * z) / m[1][1];
    let x = (m[0][3] - m[0][1] * y - m[0][2] * z) / m[0][0];
    (x.is_finite() && y.is_finite() && z.is_finite()).then_some([x, y, z])
}

#[cfg(test)]
mod tests {
    use super::solve3;

    #[test]
    fn equations_are_solved_and_singular_ones_are_not() {
        let found = solve3([[0.0, 2.0, 1.0, 7.0], [1.0, 1.0, 0.0, 3.0], [2.0, 0.0, 3.0, 11.0]]).unwrap();
        for (value, expected) in found.into_iter().zip([1.0, 2.0, 3.0]) {
            assert!((value - expected).abs() < 1e-12);
        }
        assert_eq!(solve3([[1.0, 2.0, 3.0, 1.0], [2.0, 4.0, 6.0, 2.0], [0.0, 0.0, 1.0, 1.0]]), None);
        assert_eq!(solve3([[f64::NAN; 4]; 3]), None);
    }
}
