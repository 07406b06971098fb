//! Image and confidence of one band, in blocks of rows.

use ndarray::Array2;
use rayon::prelude::*;

use super::super::draws::{Domain, Draws};
use super::super::render::{PointSource, RowIndex, add_rows};
use super::bands::BandNoise;
use super::confidence::Confidence;
use super::galaxies::{SersicRadii, galaxy_points};
use super::psf::FieldPsf;
use super::sky::Nebula;
use super::stage_params::Field;
use super::truth::Truth;

/// Colour of nebulosity (J - Ks): gas and scattered light are bluer than the stars.
const GAS_COLOUR: f64 = 0.24;
/// Gas around a complex reaches this many times its scale.
const KNOT: f64 = 1.0;

/// Stars and galaxies as points with their counts in band number `band`.
#[must_use]
pub fn sources_of(field: &Field, truth: &Truth, band: usize) -> Vec<PointSource> {
    let facts = &field.bands[band];
    let sigma = {
        let noise = field.noise(facts);
        noise.sigma(noise.sky, 100.0)
    };
    let mut sources: Vec<PointSource> = truth
        .stars
        .par_iter()
        .enumerate()
        .map(|(i, s)| PointSource { x: s.x, y: s.y, flux: facts.counts(truth.star_mag(field, i, band)) })
        .collect();
    let radii = [1.0, 2.5, 4.0].map(|n| (n, SersicRadii::new(n)));
    for galaxy in &truth.galaxies {
        let mag = galaxy.mag + facts.colour_slope * galaxy.colour + facts.colour_offset;
        if let Some((_, radii)) = radii.iter().find(|(n, _)| *n == galaxy.n) {
            sources.extend(galaxy_points(galaxy, radii, facts.counts(mag), sigma));
        }
    }
    sources
}

/// Image and confidence map of band number `band`, and the number of saturated pixels.
///
/// `block_rows` rows are made at a time per thread: stars, then gas, noise, saturation and dead pixels. `go_on` is asked now
/// and then; once it says no, the images are unfinished.
pub fn make_pixels(
    field: &Field,
    truth: &Truth,
    band: usize,
    block_rows: usize,
    go_on: impl Fn() -> bool + Sync,
) -> (Array2<f32>, Array2<f32>, usize) {
    let (width, height) = (field.width_px, field.height_px);
    let facts = &field.bands[band];
    let noise = field.noise(facts);
    let psf = FieldPsf::new(field, facts.fwhm_factor, noise.sigma(noise.sky, 100.0));
    let sources = sources_of(field, truth, band);
    let spread = |i: usize| psf.spread(&sources[i]);
    let index = RowIndex::new(sources.len(), height, block_rows, spread);
    let confidence = Confidence::new(field.seed, width, height);
    let knots = truth.complexes.iter().map(|&(x, y)| (x, y, KNOT * field.complex_px)).collect();
    let nebula = Nebula::new(field.seed, width, height, field.gradient, field.nebulosity, knots);
    // The same surface brightness in another band.
    let first = &field.bands[0];
    let colour = (facts.colour_slope - first.colour_slope) * GAS_COLOUR + facts.colour_offset - first.colour_offset;
    let gas_factor = facts.counts(colour) / first.counts(0.0);

    let mut image = Array2::<f32>::zeros((height, width));
    let mut weights = Array2::<f32>::zeros((height, width));
    let (Some(pixels), Some(percents)) = (image.as_slice_mut(), weights.as_slice_mut()) else {
        return (image, weights, 0);
    };
    let chunk = index.rows() * width;
    let saturated: Vec<usize> = pixels
        .par_chunks_mut(chunk)
        .zip(percents.par_chunks_mut(chunk))
        .enumerate()
        .map(|(block, (out, percents))| {
            let mut light = vec![0.0; out.len()];
            add_rows(&index, block, width, &mut light, spread, &go_on);
            let mut n = 0;
            let rows = light.chunks_mut(width).zip(out.chunks_mut(width)).zip(percents.chunks_mut(width));
            for (row, ((light, out), percents)) in rows.enumerate() {
                if !go_on() {
                    break;
                }
                let y = block * index.rows() + row;
                nebula.add_row(y, gas_factor, light);
                confidence.row(y, percents);
                let stream = Draws::new(field.seed, Domain::Noise, band as u64, y as u64);
                n += finish_row(light, percents, &noise, field.saturation, stream, out);
            }
            n
        })
        .collect();
    (image, weights, saturated.into_iter().sum())
}

/// Sky, noise, saturation, dead pixels. Every pair of pixels uses the same number of random numbers, whatever its values.
fn finish_row(
    light: &[f64],
    percents: &[f32],
    noise: &BandNoise,
    saturation: f64,
    mut draws: Draws,
    out: &mut [f32],
) -> usize {
    let mut n_saturated = 0;
    for (k, out) in out.chunks_mut(2).enumerate() {
        let (first, second) = draws.normal_pair();
        for (j, (value, z)) in out.iter_mut().zip([first, second]).enumerate() {
            let (counts, confidence) = (noise.sky + light[2 * k + j], f64::from(percents[2 * k + j]));
            let noisy = counts + noise.sigma(counts, confidence) * z;
            let is_saturated = noisy > saturation;
            n_saturated += usize::from(is_saturated && confidence > 0.0);
            *value = if is_saturated || confidence <= 0.0 { 0.0 } else { noisy as f32 };
        }
    }
    n_saturated
}
