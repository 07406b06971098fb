//! Inverse of a smooth mapping of the plane.

/// A mapping's value at a point and its derivatives `[[dX/dx, dX/dy], [dY/dx, dY/dy]]`.
pub(crate) type Value = ([f64; 2], [[f64; 2]; 2]);

/// Steps until the search gives up: distortions of real cameras need three to six.
const MAX_STEPS: usize = 60;
/// Halvings of one step before it counts as stuck.
const MAX_HALVINGS: usize = 40;

/// The point that `mapping` takes to `target`, by damped Newton steps from `start`.
///
/// `tolerance` is the step length, in the units of the point, below which the next step would be lost in rounding.
/// `None` when the search does not converge, or when it ends on a branch folded over against the one at `origin`:
/// a polynomial takes the value there too, but the camera does not.
pub(crate) fn invert(
    target: [f64; 2],
    start: [f64; 2],
    origin: [f64; 2],
    tolerance: f64,
    mapping: impl Fn([f64; 2]) -> Value,
) -> Option<[f64; 2]> {
    let distance = |value: [f64; 2]| libm::hypot(target[0] - value[0], target[1] - value[1]);
    let mut point = start;
    let (mut value, mut jacobian) = mapping(point);
    for _ in 0..MAX_STEPS {
        let step = solve(&jacobian, [target[0] - value[0], target[1] - value[1]])?;
        let length = libm::hypot(step[0], step[1]);
        // Far from the origin the coordinates themselves carry more rounding than the tolerance.
        let floor = tolerance + 1e-15 * (point[0].abs() + point[1].abs());
        if !length.is_finite() {
            return None;
        }
        let far = [point[0] + step[0], point[1] + step[1]];
        if length <= floor {
            let same_side = determinant(&mapping(far).1) * determinant(&mapping(origin).1) > 0.0;
            return same_side.then_some(far);
        }
        let before = distance(value);
        let mut fraction = 1.0;
        let mut halvings = 0;
        loop {
            let trial = [point[0] + fraction * step[0], point[1] + fraction * step[1]];
            let (trial_value, trial_jacobian) = mapping(trial);
            if distance(trial_value) < before {
                (point, value, jacobian) = (trial, trial_value, trial_jacobian);
                break;
            }
            // Rounding hides the gain of a step that is already small enough.
            if halvings == 0 && length <= 1e3 * floor {
                (point, value, jacobian) = (trial, trial_value, trial_jacobian);
                break;
            }
            halvings += 1;
            if halvings > MAX_HALVINGS {
                return None;
            }
            fraction *= 0.5;
        }
    }
    None
}

/// Determinant of a 2x2 matrix.
pub(crate) fn determinant(m: &[[f64; 2]; 2]) -> f64 {
    m[0][0] * m[1][1] - m[0][1] * m[1][0]
}

/// Solution of `m s = v`; `None` for a singular matrix.
pub(crate) fn solve(m: &[[f64; 2]; 2], v: [f64; 2]) -> Option<[f64; 2]> {
    let det = determinant(m);
    let s = [(m[1][1] * v[0] - m[0][1] * v[1]) / det, (m[0][0] * v[1] - m[1][0] * v[0]) / det];
    (det != 0.0 && s[0].is_finite() && s[1].is_finite()).then_some(s)
}
