//! What a catalogue of PSF photometry makes of a star among others: found or not, its errors, sharpness and probability.
//!
//! `simulate.field` and `simulate.inject` share it, so that planted members are listed as the field's own are.

use crate::psf::smooth::exp;

/// Width, in FWHM, of the Gaussian with which a fit takes neighbours for the star: in an even crowd it then swallows 0.42 of the
/// light at the star's place, and a star 1 FWHM away hardly counts. Both as in PSF photometry of crowded VISTA fields.
const MERGE_FWHM: f64 = 0.3;
/// Sharpness per unit of the second moment (in FWHM^2) that those neighbours add: 0.4 for an equal star at half an FWHM.
const BROADEN: f64 = 9.0;
/// Width, in FWHM, of the Gaussian within which neighbours count as company.
const COMPANY_FWHM: f64 = 2.0;
/// Error floor of PSF photometry in mag.
pub const FLOOR: f64 = 0.009;
/// Company over error at which the probability begins to fall, and by how much its logit falls at most.
///
/// Company that the noise hides does not show in the fit: a star of 19 mag in a cluster keeps 0.93 where one of 16 mag has 0.2.
/// Both numbers describe the catalogues of VMC-like fields: stars of the field stay above 0.9 at any brightness.
const SUSPICION: (f64, f64) = (300.0, 5.2);

/// The light of others around one star, relative to the star where nothing else is said.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Crowd {
    /// Light of stars that a fit of this star takes for it.
    pub merged: f64,
    /// By how much those stars broaden its image, in units of sharpness.
    pub broadening: f64,
    /// Stars nearby, each counted up to 1 by its flux over that of the star.
    pub company: f64,
}

impl Crowd {
    /// Counts a neighbour by its flux over that of the star and its squared distance in FWHM.
    pub fn add(&mut self, ratio: f64, d2: f64) {
        // Beyond 8 widths nothing merges.
        if d2 < 64.0 * MERGE_FWHM * MERGE_FWHM {
            let taken = ratio * exp(-0.5 * d2 / (MERGE_FWHM * MERGE_FWHM));
            self.merged += taken;
            self.broadening += taken * d2;
        }
        self.company += ratio.min(1.0) * exp(-0.5 * d2 / (COMPANY_FWHM * COMPANY_FWHM));
    }

    /// The sums, when all neighbours are counted.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.broadening = BROADEN * self.broadening / (1.0 + self.merged + self.broadening);
        self
    }
}

/// Error of the magnitude of a star that has this error alone and this light of others on its peak, relative to the peak.
#[must_use]
pub fn crowded_error(alone: f64, others: f64) -> f64 {
    libm::hypot(alone, 0.03 * others.min(2.0))
}

/// Chance that a star with this light of others on its peak is in the catalogue.
#[must_use]
pub fn chance_of_entry(others: f64, limit: f64) -> f64 {
    1.0 / (1.0 + (others / limit).powi(6))
}

/// By how much a star's magnitude changes because neighbours merge with it; negative: brighter.
#[must_use]
pub fn merging_shift(crowd: &Crowd) -> f64 {
    -2.5 * libm::log10(1.0 + crowd.merged)
}

/// Scatter of a measured position per axis in pixels, for the error of the magnitude.
#[must_use]
pub fn position_scatter(error: f64, crowd: &Crowd) -> f64 {
    libm::hypot(0.02, 0.9 * error) + 0.1 * crowd.merged.min(1.0)
}

/// Sharpness; `normal` is a standard normal number.
#[must_use]
pub fn sharpness(error: f64, crowd: &Crowd, normal: f64) -> f64 {
    libm::hypot(0.065, 1.1 * error) * normal + crowd.broadening
}

/// Probability of being a star: a logistic of signal, company and chance (`normal`), 0.965 for a bright single star, 0.83 at an
/// error of 0.2 mag. `alone` is the error without others.
#[must_use]
pub fn probability(alone: f64, error: f64, crowd: &Crowd, normal: f64) -> f64 {
    let company = crowd.company / (alone.max(FLOOR) * SUSPICION.0);
    let z = 3.3 - 3.9 * error.sqrt().min(1.2) * (1.0 - FLOOR / error.max(FLOOR))
        + SUSPICION.1 * libm::expm1(-company * company)
        + (0.95 + 2.2 * error.min(0.6)) * normal;
    logistic(z)
}

/// `1 / (1 + e^-z)`.
#[must_use]
pub fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-z))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bright_stars_in_company_are_doubted_faint_ones_and_single_ones_are_not() {
        let crowd = |n: usize| {
            let mut crowd = Crowd::default();
            (0..n).for_each(|_| crowd.add(1.0, 2.0));
            crowd.finish()
        };
        assert!((probability(FLOOR, FLOOR, &crowd(0), 0.0) - 0.965).abs() < 0.002);
        assert!(probability(FLOOR, FLOOR, &crowd(6), 0.0) < 0.2);
        assert!(probability(0.06, 0.06, &crowd(6), 0.0) > 0.85);
        assert!(probability(FLOOR, FLOOR, &crowd(1), 0.0) > 0.9);
    }

    #[test]
    fn an_equal_star_at_half_the_width_broadens_one_far_off_does_not() {
        let with = |d2: f64| {
            let mut crowd = Crowd::default();
            crowd.add(1.0, d2);
            crowd.finish().broadening
        };
        assert!((with(0.25) - 0.4).abs() < 0.1, "{}", with(0.25));
        assert!(with(4.0) < 1e-6);
    }
}
