//! The PSF of a simulated field: an elliptical Moffat plus a Gaussian that change with place and brightness.

use skyloom_data::PsfModel;

use crate::psf::{MAX_PARAMS, Params};

use super::super::lattice::clouds;
use super::super::render::{PointSource, Spread};
use super::stage_params::Field;

/// The PSF of one band.
#[derive(Debug, Clone, Copy)]
pub struct FieldPsf {
    fwhm_min: f64,
    fwhm_max: f64,
    ellipticity: f64,
    moffat_fraction: f64,
    alpha: f64,
    brighter_fatter: f64,
    /// Peak at which half of the broadening is reached, in counts.
    half_peak: f64,
    factor: f64,
    /// Half width over `gamma` of the Moffat: `FWHM = 2 k width`.
    moffat_half: f64,
    size: (f64, f64),
    seed: u64,
    limit: f64,
}

/// Longest reach of a star's image; only naked-eye stars get there.
const MOST_PX: f64 = 600.0;
/// Half width over sigma of a Gaussian.
const GAUSS_HALF: f64 = 1.177_410_022_515_474_7;

impl FieldPsf {
    /// The PSF of a band with this FWHM factor and sky noise.
    #[must_use]
    pub fn new(field: &Field, fwhm_factor: f64, sky_sigma: f64) -> Self {
        Self {
            fwhm_min: field.fwhm_min_px,
            fwhm_max: field.fwhm_max_px.max(field.fwhm_min_px),
            ellipticity: field.ellipticity,
            moffat_fraction: field.moffat_fraction,
            alpha: field.moffat_alpha,
            brighter_fatter: field.brighter_fatter,
            half_peak: field.saturation / 4.0,
            factor: fwhm_factor,
            moffat_half: libm::expm1(std::f64::consts::LN_2 / field.moffat_alpha).sqrt(),
            size: (field.width_px.max(2) as f64 - 1.0, field.height_px.max(2) as f64 - 1.0),
            seed: field.seed,
            limit: field.wing_limit * sky_sigma,
        }
    }

    /// FWHM (geometric mean of the axes) of a faint star at a place, in pixels.
    ///
    /// A bowl, as the focus of a camera has it, about a centre that the seed moves: the smallest value is near it, the
    /// largest in the farthest corner.
    #[must_use]
    pub fn fwhm(&self, x: f64, y: f64) -> f64 {
        let (cx, cy) = (self.seeded(11), self.seeded(12));
        let (u, v) = (x / self.size.0, y / self.size.1);
        let far = cx.max(1.0 - cx).powi(2) + cy.max(1.0 - cy).powi(2);
        let part = (((u - cx).powi(2) + (v - cy).powi(2)) / far).clamp(0.0, 1.0);
        self.factor * (self.fwhm_min + (self.fwhm_max - self.fwhm_min) * (1.0 - (1.0 - part).powi(3)))
    }

    /// A number between 0.3 and 0.7 for this field.
    fn seeded(&self, which: u64) -> f64 {
        0.3 + 0.4 * super::super::lattice::hash_unit(self.seed, 0x0070_7366, which)
    }

    /// Ellipticity and direction of the major axis in radians at a place.
    #[must_use]
    pub fn shape(&self, x: f64, y: f64) -> (f64, f64) {
        // Half the field as scale: ellipticity turns slowly over it.
        let (u, v) = (2.0 * x / self.size.0, 2.0 * y / self.size.1);
        let size = clouds(self.seed ^ 0x0065_6c6c, u, v, 1.0, 1);
        let angle = clouds(self.seed ^ 0x616e_676c, u, v, 1.0, 1);
        (self.ellipticity * size, std::f64::consts::TAU * angle)
    }

    /// Peak of a round image of unit flux and this FWHM.
    #[must_use]
    pub fn peak(&self, fwhm: f64) -> f64 {
        let p = self.round(fwhm);
        p[0] + p[7]
    }

    /// Parameters of the compound model of a round source of unit flux at the origin.
    #[must_use]
    pub fn round(&self, fwhm: f64) -> Params {
        let (gamma, sigma) = self.widths(fwhm);
        let mut p = [0.0; MAX_PARAMS];
        p[0] = self.moffat_fraction * (self.alpha - 1.0) / (std::f64::consts::PI * gamma * gamma);
        (p[3], p[4], p[6]) = (gamma, gamma, self.alpha);
        p[7] = (1.0 - self.moffat_fraction) / (std::f64::consts::TAU * sigma * sigma);
        (p[8], p[9]) = (sigma, sigma);
        p
    }

    fn widths(&self, fwhm: f64) -> (f64, f64) {
        (0.5 * fwhm / self.moffat_half, 0.5 * fwhm / GAUSS_HALF)
    }

    /// Parameters of the compound model of a source.
    #[must_use]
    pub fn params(&self, source: &PointSource) -> Params {
        let faint = self.fwhm(source.x, source.y);
        let peak = source.flux * self.peak(faint);
        let fwhm = faint * (1.0 + self.brighter_fatter * peak / (peak + self.half_peak));
        let (gamma, sigma) = self.widths(fwhm);
        let (ellipticity, angle) = self.shape(source.x, source.y);
        let stretch = (1.0 - ellipticity).sqrt();
        let mut p = [0.0; MAX_PARAMS];
        p[0] = source.flux * self.moffat_fraction * (self.alpha - 1.0) / (std::f64::consts::PI * gamma * gamma);
        p[1] = source.x;
        p[2] = source.y;
        p[3] = gamma / stretch;
        p[4] = gamma * stretch;
        p[5] = angle;
        p[6] = self.alpha;
        p[7] = source.flux * (1.0 - self.moffat_fraction) / (std::f64::consts::TAU * sigma * sigma);
        p[8] = sigma / stretch;
        p[9] = sigma * stretch;
        p[10] = angle;
        p
    }

    /// The blurred image of a source.
    #[must_use]
    pub fn spread(&self, source: &PointSource) -> Spread {
        Spread::new(PsfModel::Compound, &self.params(source), self.limit, MOST_PX)
    }
}
