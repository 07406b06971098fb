//! SIP: polynomial distortion of pixel offsets (Shupe et al. 2005, ASPC 347, 491).

use super::newton::{Value, invert};

/// The highest order that the convention knows.
pub(crate) const MAX_ORDER: usize = 9;

/// A polynomial of two pixel offsets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SipPolynomial {
    /// The order that the header declares.
    pub(crate) order: usize,
    /// Powers of u and v and the coefficient, non-zero ones only, ordered by the powers.
    pub(crate) terms: Vec<(usize, usize, f64)>,
}

impl SipPolynomial {
    /// Value and derivatives by u and v.
    fn value([u, v]: [f64; 2], terms: &[(usize, usize, f64)]) -> [f64; 3] {
        let (pu, pv) = (powers::<{ MAX_ORDER + 1 }>(u), powers::<{ MAX_ORDER + 1 }>(v));
        let mut sum = [0.0; 3];
        for &(i, j, c) in terms {
            sum[0] += c * pu[i] * pv[j];
            if i > 0 {
                sum[1] += c * i as f64 * pu[i - 1] * pv[j];
            }
            if j > 0 {
                sum[2] += c * j as f64 * pu[i] * pv[j - 1];
            }
        }
        sum
    }
}

/// `1, v, v^2, ...`.
pub(crate) fn powers<const N: usize>(v: f64) -> [f64; N] {
    let mut p = [1.0; N];
    for i in 1..N {
        p[i] = p[i - 1] * v;
    }
    p
}

/// The forward polynomials A and B, and the approximate inverse AP and BP where the header has them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sip {
    pub(crate) a: SipPolynomial,
    pub(crate) b: SipPolynomial,
    /// Carried on for other programs; never used here, because it is only a fit to the true inverse.
    pub(crate) inverse: Option<(SipPolynomial, SipPolynomial)>,
}

impl Sip {
    fn mapping(&self, [u, v]: [f64; 2]) -> Value {
        let a = SipPolynomial::value([u, v], &self.a.terms);
        let b = SipPolynomial::value([u, v], &self.b.terms);
        ([u + a[0], v + b[0]], [[1.0 + a[1], a[2]], [b[1], 1.0 + b[2]]])
    }

    /// Corrected pixel offset of a raw one.
    pub(crate) fn forward(&self, offset: [f64; 2]) -> [f64; 2] {
        self.mapping(offset).0
    }

    /// Raw pixel offset of a corrected one; `None` when no raw offset on the unfolded branch has it.
    pub(crate) fn backward(&self, corrected: [f64; 2]) -> Option<[f64; 2]> {
        invert(corrected, corrected, [0.0, 0.0], 1e-10, |p| self.mapping(p))
    }
}
