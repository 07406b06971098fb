//! Medians and robust scatters of small samples.

use super::model::fold_angle;

/// Axis directions repeat after 180 degrees (radians).
pub const AXIAL_PERIOD: f64 = std::f64::consts::PI;

/// 1.4826: the standard deviation of a normal distribution over its median absolute deviation.
const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// Median; the mean of the two middle values for an even count, NaN for none. Values must not be NaN.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]),
    }
}

/// Robust standard deviation about a centre: 1.4826 times the median absolute deviation.
#[must_use]
pub fn mad_sigma(values: &[f64], centre: f64) -> f64 {
    let deviations: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
    MAD_TO_SIGMA * median(&deviations)
}

/// Median of axis directions in `(-pi/2, pi/2]` and their robust standard deviation, both in radians.
///
/// Directions of 89 and -89 degrees are 2 degrees apart: all are unwrapped about the mean of the doubled angles before
/// the median is taken, and once more about that median.
#[must_use]
pub fn axial_median(angles: &[f64]) -> (f64, f64) {
    if angles.is_empty() {
        return (f64::NAN, f64::NAN);
    }
    let (sin, cos) = angles.iter().fold((0.0, 0.0), |(s, c), a| (s + libm::sin(2.0 * a), c + libm::cos(2.0 * a)));
    let mut centre = 0.5 * libm::atan2(sin, cos);
    for _ in 0..2 {
        let unwrapped: Vec<f64> = angles.iter().map(|a| centre + fold_angle(a - centre)).collect();
        centre = median(&unwrapped);
    }
    let deviations: Vec<f64> = angles.iter().map(|a| fold_angle(a - centre)).collect();
    (fold_angle(centre), mad_sigma(&deviations, 0.0))
}
