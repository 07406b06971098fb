//! Chance blends of stars.

use std::f64::consts::PI;

/// What the printed recipe calls the area within which two stars blend.
///
/// Section 8.1.2 of Miller et al. 2024 prints the numbers of the circle and the result of the square: with 62,242 stars on
/// 1.77 square degrees and 0.34 arcsec, 9.0 and 2.9 percent of 682 candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// `pi s^2`: a second star within the separation `s`.
    Circle,
    /// `s^2`.
    Square,
}

impl Reading {
    /// The area for a separation, in the square of its unit.
    #[must_use]
    pub fn area(self, separation: f64) -> f64 {
        match self {
            Self::Circle => PI * separation * separation,
            Self::Square => separation * separation,
        }
    }
}

/// Stars that have another one within the blending area by chance: `n (1 - exp(-n A / area))`.
///
/// `area_arcsec2` is the area on which the `n_stars` lie, `separation_arcsec` the blending scale.
#[must_use]
pub fn expected_blends(n_stars: usize, area_arcsec2: f64, separation_arcsec: f64, reading: Reading) -> f64 {
    if n_stars == 0 {
        return 0.0;
    }
    let n = n_stars as f64;
    -n * libm::expm1(-n / area_arcsec2 * reading.area(separation_arcsec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_readings_of_the_printed_recipe_give_the_printed_numbers() {
        let area = 1.77 * 3600.0 * 3600.0;
        let percent = |reading| 100.0 * expected_blends(62_242, area, 0.34, reading) / 682.0;
        // Printed with two digits.
        assert!((percent(Reading::Circle) - 9.0).abs() < 0.05, "{}", percent(Reading::Circle));
        assert!((percent(Reading::Square) - 2.9).abs() < 0.05, "{}", percent(Reading::Square));
        assert_eq!(expected_blends(0, area, 0.34, Reading::Circle), 0.0);
    }
}
