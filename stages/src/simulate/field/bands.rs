//! The bands of a simulated field: photometric facts, noise, colours.

use serde::{Deserialize, Serialize};

/// One band.
///
/// Every star has a magnitude in the first band and one colour, `c` = J - Ks for the default bands. Its magnitude here is
/// `m_first + colour_slope c + colour_offset`, with a scatter of `colour_scatter`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Name, the suffix of columns.
    pub name: String,
    /// Magnitude of 1 count per second.
    pub zero_point: f64,
    /// Exposure of one detector integration in seconds: the unit of the pixels is counts per integration.
    pub dit_s: f64,
    /// Total integration of the tile in seconds; a pixel sees `coverage` of it.
    pub total_s: f64,
    /// Sky brightness in mag/arcsec^2.
    pub sky_mag: f64,
    /// Electrons per count.
    pub gain: f64,
    /// FWHM relative to the first band.
    pub fwhm_factor: f64,
    /// Magnitudes per magnitude of colour; 0 in the first band.
    pub colour_slope: f64,
    /// Magnitude of an object of the first band's magnitude and no colour, less the first band's.
    pub colour_offset: f64,
    /// Scatter of single stars about that relation in mag.
    pub colour_scatter: f64,
}

/// Ks, J, Y of VIRCAM with VMC's deep-tile integrations (9315, 2400, 2400 s).
pub(super) fn vmc_bands() -> Vec<Band> {
    let band = |name: &str, numbers: [f64; 9]| {
        let [zero_point, dit_s, total_s, sky_mag, gain, fwhm_factor, colour_slope, colour_offset, colour_scatter] =
            numbers;
        Band {
            name: name.to_owned(),
            zero_point,
            dit_s,
            total_s,
            sky_mag,
            gain,
            fwhm_factor,
            colour_slope,
            colour_offset,
            colour_scatter,
        }
    };
    vec![
        band("Ks", [23.0, 5.0, 9315.0, 13.0, 4.2, 1.0, 0.0, 0.0, 0.0]),
        band("J", [23.7, 10.0, 2400.0, 15.8, 4.2, 1.05, 1.0, 0.0, 0.0]),
        // Y - J = 0.05 + 0.45 (J - Ks) follows giants and the main sequence alike.
        band("Y", [23.5, 20.0, 2400.0, 17.2, 4.2, 1.09, 1.45, 0.05, 0.03]),
    ]
}

/// Noise of a pixel as a function of its counts: `sigma^2 = (counts / gain_total + read_noise2) 100 / confidence`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandNoise {
    /// Sky in counts.
    pub sky: f64,
    /// Electrons per count of the averaged image.
    pub gain_total: f64,
    /// Variance of the read noise in counts^2.
    pub read_noise2: f64,
}

impl BandNoise {
    /// Noise of a band: `n = coverage total / dit` integrations are averaged.
    #[must_use]
    pub fn new(band: &Band, pixel_scale_arcsec: f64, read_noise_e: f64, coverage: f64) -> Self {
        let n = coverage * band.total_s / band.dit_s;
        let sky = band.dit_s * libm::exp10(0.4 * (band.zero_point - band.sky_mag)) * pixel_scale_arcsec.powi(2);
        Self { sky, gain_total: band.gain * n, read_noise2: (read_noise_e / band.gain).powi(2) / n }
    }

    /// Standard deviation of a pixel of so many counts, sky included.
    #[must_use]
    pub fn sigma(&self, counts: f64, confidence: f64) -> f64 {
        // As the scorer has it: light below the sky does not lower the noise, confidence below 3 counts as 3.
        let variance = counts.max(self.sky) / self.gain_total + self.read_noise2;
        (variance * 100.0 / confidence.max(3.0)).sqrt()
    }
}

impl Band {
    /// Counts of a magnitude in one integration.
    #[must_use]
    pub fn counts(&self, mag: f64) -> f64 {
        self.dit_s * libm::exp10(0.4 * (self.zero_point - mag))
    }
}
