//! Exponential and logarithm without branches, so that loops over pixels become vector code.
//!
//! Only additions, multiplications, one division and bit operations in a fixed order: every width of vectors, and none, gives the
//! same bits. Contracted multiply-adds would not, so there are none.

/// 1.5 * 2^52: adding it leaves the nearest integer in the low bits of the sum.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; multiples of the first up to 2^11 are exact (Cody and Waite 1980).
const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `e^x` to 2 units in the last place; 0 below -708, infinity above 709. NaN stays.
#[inline(always)]
#[must_use]
pub fn exp(x: f64) -> f64 {
    // Comparisons that are false for NaN keep it.
    let clamped = if x < -708.0 { -708.0 } else { x };
    let clamped = if clamped > 709.0 { 709.0 } else { clamped };
    let shifted = clamped * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    // Taylor: |r| < 0.3466, the first term left out is 4e-18. In pairs (Estrin): the processor works on several at once.
    let (r2, r4) = (r * r, (r * r) * (r * r));
    let p0 = 0.5 + r * (1.0 / 6.0);
    let p1 = 1.0 / 24.0 + r * (1.0 / 120.0);
    let p2 = 1.0 / 720.0 + r * (1.0 / 5_040.0);
    let p3 = 1.0 / 40_320.0 + r * (1.0 / 362_880.0);
    let p4 = 1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0);
    let p5 = 1.0 / 479_001_600.0 + r * (1.0 / 6_227_020_800.0);
    let p = ((p0 + r2 * p1) + r4 * (p2 + r2 * p3)) + (r4 * r4) * (p4 + r2 * p5);
    let value = 1.0 + (r + r2 * p);
    // The low bits of `shifted` are n; added to the exponent they multiply by 2^n.
    let power = f64::from_bits(((shifted.to_bits() << 52) as i64).wrapping_add(0x3ff0_0000_0000_0000) as u64);
    let value = value * power;
    let value = if x < -708.0 { 0.0 } else { value };
    if x > 709.0 { f64::INFINITY } else { value }
}

/// `ln(w)` for finite `w >= 1` to 2 units in the last place; NaN for infinity and NaN.
#[inline(always)]
#[must_use]
pub fn ln_above_one(w: f64) -> f64 {
    // The mantissa in [sqrt(1/2), sqrt(2)) and its exponent.
    let bits = w.to_bits().wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e_667f_3bcd));
    // The exponent as a number: through the bits of 2^52 + k, since wide conversions are rare.
    let k = f64::from_bits((bits >> 52) | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0;
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let z = s * s;
    // 2 atanh(s): z < 0.0295, the first term left out is 1e-18 of the sum. In pairs, as above.
    let (z2, z4) = (z * z, (z * z) * (z * z));
    let p0 = 2.0 / 3.0 + z * (2.0 / 5.0);
    let p1 = 2.0 / 7.0 + z * (2.0 / 9.0);
    let p2 = 2.0 / 11.0 + z * (2.0 / 13.0);
    let p3 = 2.0 / 15.0 + z * (2.0 / 17.0);
    let p4 = 2.0 / 19.0 + z * (2.0 / 21.0);
    let p = ((p0 + z2 * p1) + z4 * (p2 + z2 * p3)) + (z4 * z4) * p4;
    let value = k * LN2_LOW + (2.0 * s + s * z * p);
    // 0 for every number; NaN is not lost in the bits above.
    k * LN2_HIGH + value + 0.0 * w
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(found: f64, expected: f64) -> f64 {
        (found - expected).abs() / (f64::EPSILON * expected.abs())
    }

    #[test]
    fn the_exponential_is_good_to_two_units() {
        let worst = (0..400_000).map(|i| -700.0 + 0.0035 * f64::from(i)).map(|x| units(exp(x), libm::exp(x)));
        assert!(worst.fold(0.0, f64::max) <= 2.0);
        assert_eq!((exp(0.0), exp(-1e3), exp(1e3)), (1.0, 0.0, f64::INFINITY));
        assert_eq!((exp(f64::NEG_INFINITY), exp(f64::INFINITY)), (0.0, f64::INFINITY));
        assert!(exp(f64::NAN).is_nan());
    }

    #[test]
    fn the_logarithm_is_good_to_two_units() {
        let numbers = (0..400_000).map(|i| 1.0 + 1e-9 * libm::exp(0.0002 * f64::from(i)));
        let worst = numbers.filter(|w| *w > 1.0).map(|w| units(ln_above_one(w), libm::log(w)));
        assert!(worst.fold(0.0, f64::max) <= 2.0);
        assert_eq!(ln_above_one(1.0), 0.0);
        assert!(ln_above_one(f64::NAN).is_nan() && ln_above_one(f64::INFINITY).is_nan());
    }
}
