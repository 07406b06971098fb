//! How much light of other stars falls on a star: what makes a catalogue incomplete.

use rayon::prelude::*;

use crate::psf::PositionGrid;

use super::psf::FieldPsf;
use super::stage_params::Field;
use super::truth::Star;

/// The light around one star, in the first band.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Crowding {
    /// Peak of the star itself in counts.
    pub peak: f64,
    /// Light of all other stars at its place in counts.
    pub others: f64,
    /// Light of stars that a fit of this star takes for it, relative to its own.
    pub merged: f64,
    /// By how much those stars broaden its image, in units of sharpness.
    pub broadening: f64,
    /// Stars nearby, each counted up to 1 by its flux over that of the star: PSF photometry is less sure of being right about one
    /// star the more of its like surround it, which lowers the catalogue's probabilities in clusters.
    pub company: f64,
}

/// Stars beyond this distance count when they are bright.
const NEAR_PX: f64 = 12.0;
const FAR_PX: f64 = 40.0;
/// A star this bright lights up pixels beyond [`NEAR_PX`].
const BRIGHT_MAG: f64 = 14.0;
/// Width, in FWHM, of the Gaussian with which a fit takes neighbours for the star: in an even crowd it then swallows 0.42 of the
/// light at the star's place, and a star 1 FWHM away hardly counts. Both as in PSF photometry of crowded VISTA fields.
const MERGE_FWHM: f64 = 0.3;
/// Sharpness per unit of the second moment (in FWHM^2) that those neighbours add: 0.4 for an equal star at half an FWHM.
const BROADEN: f64 = 9.0;

/// Width, in FWHM, of the Gaussian within which neighbours count as company.
const COMPANY_FWHM: f64 = 2.0;

/// The light around every star, in their order.
#[must_use]
pub fn measure_crowding(field: &Field, stars: &[Star], psf: &FieldPsf) -> Vec<Crowding> {
    let Some(band) = field.bands.first() else { return vec![Crowding::default(); stars.len()] };
    let counts: Vec<f64> = stars.par_iter().map(|s| band.counts(s.mag)).collect();
    let near = PositionGrid::new(stars.iter().map(|s| (s.x, s.y)), NEAR_PX);
    let bright: Vec<usize> = (0..stars.len()).filter(|i| stars[*i].mag < BRIGHT_MAG).collect();
    let far = PositionGrid::new(bright.iter().map(|&i| (stars[i].x, stars[i].y)), FAR_PX);
    (0..stars.len())
        .into_par_iter()
        .map(|i| {
            let star = &stars[i];
            let fwhm = psf.fwhm(star.x, star.y);
            let mut c = Crowding { peak: counts[i] * psf.peak(fwhm), ..Crowding::default() };
            near.visit_within(star.x, star.y, NEAR_PX, |j, r| {
                if j != i {
                    c.others += counts[j] * psf.round(r, fwhm);
                    let (ratio, d2) = (counts[j] / counts[i], (r / fwhm).powi(2));
                    let taken = ratio * libm::exp(-0.5 * d2 / (MERGE_FWHM * MERGE_FWHM));
                    c.merged += taken;
                    c.broadening += taken * d2;
                    c.company += ratio.min(1.0) * libm::exp(-0.5 * d2 / (COMPANY_FWHM * COMPANY_FWHM));
                }
                true
            });
            far.visit_within(star.x, star.y, FAR_PX, |k, r| {
                if r > NEAR_PX {
                    c.others += counts[bright[k]] * psf.round(r, fwhm);
                }
                true
            });
            c.broadening = BROADEN * c.broadening / (1.0 + c.merged + c.broadening);
            c
        })
        .collect()
}
