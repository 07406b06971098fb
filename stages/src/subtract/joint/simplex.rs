//! Downhill simplex (Nelder & Mead 1965) for a handful of parameters that all stars share.

/// The lowest point that `n_evaluations` find from a start and one further corner per parameter.
///
/// Costs that are NaN count as infinite. Deterministic: ties keep the older corner.
pub(super) fn minimise<const N: usize>(
    start: [f64; N],
    steps: [f64; N],
    n_evaluations: usize,
    mut cost: impl FnMut(&[f64; N]) -> f64,
) -> ([f64; N], f64) {
    let mut left = n_evaluations;
    let mut evaluate = |p: &[f64; N]| {
        left = left.saturating_sub(1);
        let value = cost(p);
        (if value.is_nan() { f64::INFINITY } else { value }, left > 0)
    };
    let mut corners: Vec<([f64; N], f64)> = Vec::with_capacity(N + 1);
    corners.push((start, evaluate(&start).0));
    for k in 0..N {
        let mut corner = start;
        corner[k] += steps[k];
        corners.push((corner, evaluate(&corner).0));
    }
    loop {
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        let worst = corners[N];
        let mut centre = [0.0; N];
        for (corner, _) in &corners[..N] {
            for (c, v) in centre.iter_mut().zip(corner) {
                *c += v / N as f64;
            }
        }
        let along = |t: f64| std::array::from_fn(|k| centre[k] + t * (centre[k] - worst.0[k]));
        let reflected: [f64; N] = along(1.0);
        let (value, more) = evaluate(&reflected);
        if !more {
            break;
        }
        if value < corners[0].1 {
            let expanded: [f64; N] = along(2.0);
            let (further, _) = evaluate(&expanded);
            corners[N] = if further < value { (expanded, further) } else { (reflected, value) };
        } else if value < corners[N - 1].1 {
            corners[N] = (reflected, value);
        } else {
            let contracted: [f64; N] = along(if value < worst.1 { 0.5 } else { -0.5 });
            let (closer, more) = evaluate(&contracted);
            if closer < worst.1.min(value) {
                corners[N] = (contracted, closer);
            } else if more {
                let best = corners[0].0;
                for corner in &mut corners[1..] {
                    for (v, b) in corner.0.iter_mut().zip(&best) {
                        *v = b + 0.5 * (*v - b);
                    }
                    corner.1 = evaluate(&corner.0).0;
                }
            }
            if !more {
                break;
            }
        }
    }
    corners.sort_by(|a, b| a.1.total_cmp(&b.1));
    corners[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_minimum_of_a_tilted_bowl() {
        let bowl = |p: &[f64; 3]| {
            (p[0] - 1.0).powi(2) + 4.0 * (p[1] + 0.5 * p[0]).powi(2) + (p[2] - 2.0).powi(2) * (1.0 + p[0] * p[0])
        };
        let (p, value) = minimise([0.0, 0.0, 0.0], [0.3, 0.3, 0.3], 200, bowl);
        assert!(value < 1e-5, "{p:?}: {value}");
        let (_, short) = minimise([0.0, 0.0, 0.0], [0.3, 0.3, 0.3], 12, bowl);
        assert!(short < bowl(&[0.0; 3]));
    }

    #[test]
    fn costs_without_a_value_are_avoided() {
        let half = |p: &[f64; 1]| if p[0] < 0.0 { f64::NAN } else { (p[0] - 0.2).powi(2) };
        let (p, _) = minimise([1.0], [0.5], 60, half);
        assert!((p[0] - 0.2).abs() < 1e-2, "{p:?}");
    }
}
