//! Which stars serve for the PSF, follow its trend or have a shape of their own: by magnitude, or by what the frame can tell.

use super::params::SubtractJoint;

/// Flux in units of the sky noise at which stars saturate in most surveys; brighter ones are measured, but not for the PSF.
const BRIGHT_SIGMA: f64 = 55_000.0;
/// From here on the PSF changes with brightness.
const TREND_SIGMA: f64 = 5_000.0;
/// From here on a star alone has a shape.
const SHAPE_SIGMA: f64 = 1_000.0;
/// The faintest that help where there are few bright ones.
const FAINT_SIGMA: f64 = 150.0;
/// Step by which the range grows, mag.
const STEP_MAG: f64 = 0.25;

/// Magnitudes that sort the stars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Brightness {
    /// Stars for the PSF.
    pub psf_mag: (f64, f64),
    /// See `SubtractJoint::trend_mag`.
    pub trend_mag: f64,
    /// See `SubtractJoint::shape_mag`.
    pub shape_mag: f64,
    /// Faintest end that `psf_mag` may grow to; its own where it was given.
    faintest: f64,
}

impl Brightness {
    /// What the parameters say; what they leave open follows from the sky noise `sigma`.
    pub fn new(params: &SubtractJoint, mag_of: impl Fn(f64) -> f64, sigma: f64) -> Self {
        let at = |n: f64| mag_of(n * sigma);
        let psf_mag = params.psf_mag.unwrap_or_else(|| (at(BRIGHT_SIGMA), at(SHAPE_SIGMA)));
        Self {
            psf_mag,
            trend_mag: params.trend_mag.unwrap_or_else(|| at(TREND_SIGMA)),
            shape_mag: params.shape_mag.unwrap_or_else(|| at(SHAPE_SIGMA)),
            faintest: if params.psf_mag.is_some() { psf_mag.1 } else { at(FAINT_SIGMA) },
        }
    }

    /// Lets fainter stars serve for the PSF; false when there is nothing to gain.
    pub fn widen(&mut self) -> bool {
        let wider = (self.psf_mag.1 + STEP_MAG).min(self.faintest);
        let grows = wider > self.psf_mag.1;
        self.psf_mag.1 = wider.max(self.psf_mag.1);
        grows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mag_of(flux: f64) -> f64 {
        25.0 - 2.5 * libm::log10(flux)
    }

    #[test]
    fn given_magnitudes_stay_and_others_follow_the_noise() {
        let open = SubtractJoint::default();
        let mut auto = Brightness::new(&open, mag_of, 10.0);
        assert!((auto.shape_mag - 15.0).abs() < 1e-9 && (auto.trend_mag - 13.252_574_989).abs() < 1e-6, "{auto:?}");
        let mut n = 0;
        while auto.widen() {
            n += 1;
        }
        assert!(n == 9 && (auto.psf_mag.1 - mag_of(1500.0)).abs() < 1e-9, "{n} {auto:?}");
        let given = SubtractJoint { psf_mag: Some((12.0, 16.0)), trend_mag: Some(14.0), ..open };
        let mut given = Brightness::new(&given, mag_of, 10.0);
        assert!(!given.widen());
        assert_eq!((given.psf_mag, given.trend_mag), ((12.0, 16.0), 14.0));
    }
}
