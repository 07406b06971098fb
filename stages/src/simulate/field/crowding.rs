//! How much light of other stars falls on a star: what makes a catalogue incomplete.

use rayon::prelude::*;
use skyloom_data::PsfModel;

use crate::psf::{PositionGrid, model_values_into};

use super::super::recognition::Crowd;
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
    /// Those that merge with it, broaden it and keep it company.
    pub crowd: Crowd,
}

/// Stars beyond this distance count when they are bright.
const NEAR_PX: f64 = 12.0;
const FAR_PX: f64 = 40.0;
/// A star this bright lights up pixels beyond [`NEAR_PX`].
const BRIGHT_MAG: f64 = 14.0;

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
        .map_init(Around::default, |around, i| {
            let star = &stars[i];
            let fwhm = psf.fwhm(star.x, star.y);
            let mut c = Crowding { peak: counts[i] * psf.peak(fwhm), ..Crowding::default() };
            near.visit_within(star.x, star.y, NEAR_PX, |j, r| {
                if j != i {
                    around.push(r, counts[j]);
                    let (ratio, d2) = (counts[j] / counts[i], (r / fwhm).powi(2));
                    c.crowd.add(ratio, d2);
                }
                true
            });
            far.visit_within(star.x, star.y, FAR_PX, |k, r| {
                if r > NEAR_PX {
                    around.push(r, counts[bright[k]]);
                }
                true
            });
            c.others = around.light(psf, fwhm);
            c.crowd = c.crowd.finish();
            c
        })
        .collect()
}

/// The stars around one star. Their light is added up for all of them at once: in vector code.
#[derive(Default)]
struct Around {
    distances: Vec<f64>,
    counts: Vec<f64>,
    values: Vec<f64>,
}

impl Around {
    fn push(&mut self, distance: f64, counts: f64) {
        self.distances.push(distance);
        self.counts.push(counts);
    }

    /// Their light at the star, after which there are none.
    fn light(&mut self, psf: &FieldPsf, fwhm: f64) -> f64 {
        let places = self.distances.drain(..).map(|r| (r, 0.0));
        model_values_into(PsfModel::Compound, &psf.round(fwhm), places, &mut self.values);
        self.values.iter().zip(self.counts.drain(..)).map(|(value, counts)| counts * value).fold(0.0, |a, b| a + b)
    }
}
