//! Powers and exponentials of the PSF: half of the joint fit's time was spent on them.
//!
//! Plain arithmetic on the bits of a double: the same on every machine, exact to some billionths, and several times as fast as functions
//! that are exact to the last bit. A residual has 24 bits. The fits of the PSF have their own (`psf::smooth`), exact to two units: their
//! derivatives are compared to 12 digits, and series of that length would cost the joint fit what these save.

use std::f64::consts::{LN_2, LOG2_E};

/// Offset of the exponent of a double.
const BIAS: i64 = 1023;
/// Bits of its mantissa.
const MANTISSA: u32 = 52;
/// Bits of 1 less those of the square root of 1/2.
const ONE_OVER_SQRT_HALF: u64 = 0x3ff0_0000_0000_0000 - 0x3fe6_a09e_667f_3bcd;
/// Added and taken away again, it rounds to a whole number.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Logarithm to the base 2 of a normal positive number.
fn log2(v: f64) -> f64 {
    let bits = v.to_bits();
    let exponent = (bits.wrapping_add(ONE_OVER_SQRT_HALF) >> MANTISSA) as i64 - BIAS;
    // From the square root of 1/2 to that of 2.
    let m = f64::from_bits(bits.wrapping_sub((exponent as u64) << MANTISSA));
    // ln m = 2 artanh s, |s| < 0.172: the first term left out is 2 s^11 / 11 < 1e-9. Odd and even terms apart are less of a chain.
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let s4 = s2 * s2;
    let sum = (1.0 + s4 * (1.0 / 5.0 + s4 * (1.0 / 9.0))) + s2 * (1.0 / 3.0 + s4 * (1.0 / 7.0));
    exponent as f64 + 2.0 * LOG2_E * s * sum
}

/// Power of 2; below 2^-1000 it is 0. `v` is at most 1000.
fn exp2(v: f64) -> f64 {
    if v < -1000.0 {
        return 0.0;
    }
    let whole = (v + ROUND) - ROUND;
    let t = (v - whole) * LN_2;
    // |t| < 0.347: the first term left out is t^9 / 9! < 1e-9.
    let t2 = t * t;
    let even = 1.0 + t2 * (0.5 + t2 * (1.0 / 24.0 + t2 * (1.0 / 720.0 + t2 * (1.0 / 40_320.0))));
    let odd = 1.0 + t2 * (1.0 / 6.0 + t2 * (1.0 / 120.0 + t2 * (1.0 / 5_040.0)));
    (even + t * odd) * f64::from_bits(((whole as i64 + BIAS) as u64) << MANTISSA)
}

/// `(1 + q)^-alpha` for `q >= 0`.
#[inline]
pub(super) fn power_law(q: f64, alpha: f64) -> f64 {
    exp2(-alpha * log2(1.0 + q))
}

/// `exp(-v)` for `v >= 0`.
#[inline]
pub(super) fn exp_minus(v: f64) -> f64 {
    exp2(-LOG2_E * v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_and_exponentials_are_those_of_the_exact_functions() {
        for i in 0..4000 {
            let q = libm::exp(f64::from(i) * 0.01 - 20.0);
            for alpha in [1.2, 2.8, 7.9] {
                let exact = libm::exp(-alpha * libm::log1p(q));
                assert!((power_law(q, alpha) / exact - 1.0).abs() < 1e-8, "{q} {alpha}");
            }
            let v = f64::from(i) * 0.01;
            assert!((exp_minus(v) / libm::exp(-v) - 1.0).abs() < 1e-9, "{v}");
        }
        assert!(power_law(0.0, 2.8) == 1.0 && exp_minus(0.0) == 1.0 && exp_minus(1e6) == 0.0);
        assert!(power_law(f64::INFINITY, 2.8) < 1e-300 && exp_minus(f64::INFINITY) == 0.0);
    }
}
