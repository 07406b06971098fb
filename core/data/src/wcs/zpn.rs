//! The zenithal polynomial projection: `R = sum P_m z^m` of the zenith distance z (Calabretta & Greisen 2002, eq. 66).

use std::f64::consts::PI;

use super::error::WcsError;

/// Coefficients beyond this number are refused, as in the standard.
pub(crate) const MAX_TERMS: usize = 21;

/// The polynomial and the zenith distance up to which it can be inverted. Angles in radians.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zpn {
    /// P_0, P_1, ... without trailing zeros.
    pub(crate) coefficients: Vec<f64>,
    /// Zenith distance of the first maximum of R, or pi.
    limit: f64,
    /// R there.
    limit_radius: f64,
}

/// Relative rounding allowed at the polynomial's ends.
const BORDER: f64 = 1e-13;

impl Zpn {
    /// Checks the polynomial and finds where it stops growing.
    pub(crate) fn new(mut coefficients: Vec<f64>) -> Result<Self, WcsError> {
        while coefficients.last() == Some(&0.0) {
            coefficients.pop();
        }
        let growing = coefficients.iter().skip(1).find(|c| **c != 0.0).is_some_and(|c| *c > 0.0);
        if !growing {
            return Err(WcsError::invalid(format!(
                "ZPN: the radius does not grow with the zenith distance; PV of the latitude axis holds {coefficients:?}; at least one of PV_1.. must be there and the first of them positive: add PV2_1 (usually 1)"
            )));
        }
        let mut zpn = Self { coefficients, limit: PI, limit_radius: 0.0 };
        zpn.limit = zpn.first_maximum();
        zpn.limit_radius = zpn.value(zpn.limit);
        Ok(zpn)
    }

    fn value(&self, z: f64) -> f64 {
        self.coefficients.iter().rev().fold(0.0, |sum, c| sum * z + c)
    }

    fn slope(&self, z: f64) -> f64 {
        self.coefficients.iter().enumerate().skip(1).rev().fold(0.0, |sum, (i, c)| sum * z + c * i as f64)
    }

    /// First zero of the slope within pi. The scan's step of 0.1 degrees is far below the scale of any camera's
    /// polynomial; two zeros within one step would have to be missed for a wrong answer.
    fn first_maximum(&self) -> f64 {
        const STEPS: usize = 1800;
        let step = PI / STEPS as f64;
        for i in 1..=STEPS {
            let (mut low, mut high) = ((i - 1) as f64 * step, i as f64 * step);
            if self.slope(high) > 0.0 {
                continue;
            }
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if self.slope(middle) > 0.0 { low = middle } else { high = middle }
            }
            return low;
        }
        PI
    }

    /// Radius of a zenith distance; `None` beyond the first maximum, where two distances share a radius.
    pub(crate) fn radius(&self, z: f64) -> Option<f64> {
        // A negative radius (P_0 below zero) would land on the other side of the pole and could not be inverted.
        (z <= self.limit * (1.0 + BORDER)).then(|| self.value(z)).filter(|r| *r >= 0.0)
    }

    /// Zenith distance of a radius: Newton steps kept inside a shrinking bracket.
    pub(crate) fn zenith_distance(&self, radius: f64) -> Option<f64> {
        let start = self.value(0.0);
        let slack = BORDER * self.limit_radius.abs();
        if !(radius >= start - slack && radius <= self.limit_radius + slack) {
            return None;
        }
        let (mut low, mut high) = (0.0, self.limit);
        let mut z = (radius - start).clamp(low, high);
        // Each step at least halves the bracket or is a Newton step inside it, so this ends.
        for _ in 0..200 {
            let error = self.value(z) - radius;
            if error > 0.0 {
                high = z
            } else {
                low = z
            }
            let newton = z - error / self.slope(z);
            let next = if newton >= low && newton <= high { newton } else { 0.5 * (low + high) };
            let is_done = (next - z).abs() <= 1e-15 * z.abs() || error == 0.0 || high <= low;
            z = next;
            if is_done {
                break;
            }
        }
        Some(z)
    }
}
