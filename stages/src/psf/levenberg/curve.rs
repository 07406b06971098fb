//! The curves along which steps go: straight lines in coordinates in which the models are closer to linear.
//!
//! Of an ellipse these are the three elements of its matrix `R diag(1/w_x^2, 1/w_y^2) R'`: the angle of a round star turns fast and means
//! nothing, its matrix changes little. Of the wing slope it is `1/alpha`: a Moffat becomes a Gaussian at 0, which is far away in alpha.
//! Both together make the valley between wide steep Moffats and narrow flat ones straight.

use skyloom_data::PsfModel;

use crate::psf::model::{Params, components, n_params};

/// Where a step ends that begins at `p` in the direction `tangent`; `moving` are the parameters that are solved for.
pub(super) fn moved(model: PsfModel, p: &Params, tangent: &Params, moving: &[usize]) -> Params {
    let mut end = *p;
    for (i, value) in end.iter_mut().enumerate().take(n_params(model)) {
        *value += tangent[i];
    }
    if model != PsfModel::Gaussian {
        // At 1 and beyond the step passes the Gaussian: as near to it as the bounds allow.
        end[6] = p[6] / (1.0 - tangent[6] / p[6]).max(0.01);
    }
    for &ellipse in components(model) {
        // A parameter that does not move must not be turned by those that do.
        if ellipse.iter().all(|i| moving.contains(i)) {
            turn(ellipse, p, tangent, &mut end);
        }
    }
    end
}

/// The step of one ellipse.
fn turn([wx, wy, theta]: [usize; 3], p: &Params, tangent: &Params, end: &mut Params) {
    let (x, y) = (1.0 / (p[wx] * p[wx]), 1.0 / (p[wy] * p[wy]));
    // The matrix in the frame of the old axes.
    let a = x * (1.0 - 2.0 * tangent[wx] / p[wx]);
    let b = y * (1.0 - 2.0 * tangent[wy] / p[wy]);
    let c = (x - y) * tangent[theta];
    let (middle, half) = (0.5 * (a + b), 0.5 * (a - b));
    let radius = (half * half + c * c).sqrt().copysign(half);
    // No axis becomes more than 20 times as long; a matrix that is not positive definite ends here too.
    let least = 0.0025 * x.min(y);
    end[wx] = 1.0 / (middle + radius).max(least).sqrt();
    end[wy] = 1.0 / (middle - radius).max(least).sqrt();
    // Half the angle of (half, c), folded so that each axis stays the nearer one.
    end[theta] = p[theta] + 0.5 * libm::atan2(c * half.signum(), half.abs());
}
