//! TPV: polynomial distortion of intermediate world coordinates, followed by a TAN projection.
//!
//! FITS convention registry, "TPV World Coordinate System"; SCAMP writes the same terms under CTYPE TAN. The first
//! variable of each axis's polynomial is its own coordinate, the second that of the other axis, both in degrees.

use super::newton::{Value, invert, solve};
use super::sip::powers;

/// Number of terms per axis: order 7.
pub(crate) const N_TERMS: usize = 40;

/// Powers of the axis's own coordinate, of the other one, and of the radius, for each m of PVi_m.
const TERMS: [[u8; 3]; N_TERMS] = {
    let mut terms = [[0; 3]; N_TERMS];
    let (mut m, mut order) = (0, 0);
    while order <= 7 {
        let mut j = 0;
        while j <= order {
            terms[m] = [order - j, j, 0];
            m += 1;
            j += 1;
        }
        if order % 2 == 1 {
            terms[m] = [0, 0, order]; // odd orders end with a power of the radius
            m += 1;
        }
        order += 1;
    }
    terms
};

/// The coefficients PV1_m and PV2_m.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tpv {
    pub(crate) axes: [Vec<f64>; 2],
}

impl Tpv {
    /// Value of one axis's polynomial and its derivatives by the own and the other coordinate.
    fn value(coefficients: &[f64], own: f64, other: f64) -> [f64; 3] {
        let (pa, pb) = (powers::<8>(own), powers::<8>(other));
        let radius = libm::hypot(own, other);
        let pr = powers::<8>(radius);
        let mut sum = [0.0; 3];
        for (&c, &[i, j, k]) in coefficients.iter().zip(&TERMS) {
            if c == 0.0 {
                continue;
            }
            let (i, j, k) = (usize::from(i), usize::from(j), usize::from(k));
            if k > 0 {
                sum[0] += c * pr[k];
                if radius > 0.0 {
                    let by_radius = c * k as f64 * pr[k - 1] / radius;
                    sum[1] += by_radius * own;
                    sum[2] += by_radius * other;
                }
                continue;
            }
            sum[0] += c * pa[i] * pb[j];
            if i > 0 {
                sum[1] += c * i as f64 * pa[i - 1] * pb[j];
            }
            if j > 0 {
                sum[2] += c * j as f64 * pa[i] * pb[j - 1];
            }
        }
        sum
    }

    fn mapping(&self, [x, y]: [f64; 2]) -> Value {
        let first = Self::value(&self.axes[0], x, y);
        let second = Self::value(&self.axes[1], y, x);
        ([first[0], second[0]], [[first[1], first[2]], [second[2], second[1]]])
    }

    /// Projection plane coordinates of intermediate world coordinates.
    pub(crate) fn forward(&self, point: [f64; 2]) -> [f64; 2] {
        self.mapping(point).0
    }

    /// Intermediate world coordinates of projection plane coordinates.
    pub(crate) fn backward(&self, plane: [f64; 2]) -> Option<[f64; 2]> {
        let (value, jacobian) = self.mapping([0.0, 0.0]);
        let start = solve(&jacobian, [plane[0] - value[0], plane[1] - value[1]])?;
        // 1e-13 degrees: a millionth of a pixel of 1 milliarcsecond.
        invert(plane, start, [0.0, 0.0], 1e-13, |p| self.mapping(p))
    }
}
