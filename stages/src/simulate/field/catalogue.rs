//! The catalogue that PSF photometry would make of the field: gaps, false entries, duplicates.

use rayon::prelude::*;

use super::super::draws::{Domain, Draws};
use super::super::lattice::hash;
use super::super::recognition::{
    FLOOR, chance_of_entry, crowded_error, logistic, merging_shift, position_scatter, probability, sharpness,
};
use super::crowding::Crowding;
use super::psf::FieldPsf;
use super::stage_params::Field;
use super::truth::{Galaxy, Star, StarKind, Truth};

/// One row of the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Measured column, zero-based.
    pub x: f64,
    /// Measured row.
    pub y: f64,
    /// Magnitude per band of the field.
    pub mags: Vec<f64>,
    /// Error of each.
    pub errors: Vec<f64>,
    /// 0 = point-like, larger = extended.
    pub sharp: f64,
    /// Probability of being a star.
    pub prob: f64,
    /// Parallax and its error in mas, where there is a match with an astrometric survey.
    pub parallax: Option<(f64, f64)>,
}

/// Completeness falls over this range of magnitudes.
const LIMIT_WIDTH: f64 = 0.2;
/// The catalogue ends so far below the magnitude of half completeness.
const CUT: f64 = 0.25;

/// The catalogue, in an order that says nothing, and for each star whether it is in it.
#[must_use]
pub fn make_catalogue(field: &Field, truth: &Truth, crowding: &[Crowding], psf: &FieldPsf) -> (Vec<Entry>, Vec<bool>) {
    let seen: Vec<Option<Vec<Entry>>> =
        (0..truth.stars.len()).into_par_iter().map(|i| star_entries(field, truth, i, &crowding[i], psf)).collect();
    let is_in: Vec<bool> = seen.iter().map(Option::is_some).collect();
    let mut entries: Vec<Entry> = seen.into_iter().flatten().flatten().collect();
    let n_true = entries.len();
    entries.extend(truth.galaxies.iter().enumerate().filter_map(|(i, g)| galaxy_entry(field, g, i)));
    entries.extend(false_entries(field, truth, n_true));

    let mut order: Vec<(u64, usize)> =
        (0..entries.len()).map(|i| (hash(field.seed, 0x6361_7461, i as u64), i)).collect();
    order.sort_unstable();
    let mut slots: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
    (order.into_iter().filter_map(|(_, i)| slots[i].take()).collect(), is_in)
}

/// Error of PSF photometry: a PSF of this FWHM spreads the noise of `4 pi sigma^2` pixels on the flux.
fn mag_error(field: &Field, band: usize, mag: f64, fwhm: f64) -> f64 {
    let (band, noise) = (&field.bands[band], field.noise(&field.bands[band]));
    let counts = band.counts(mag);
    let pixels = 4.0 * std::f64::consts::PI * (band.fwhm_factor * fwhm / 2.355).powi(2);
    let variance = pixels * noise.sigma(noise.sky, 100.0).powi(2) + counts / noise.gain_total;
    libm::hypot(FLOOR, 1.0857 * variance.sqrt() / counts)
}

/// The star's row, twice for a duplicate; `None` when it is missing.
fn star_entries(field: &Field, truth: &Truth, number: usize, light: &Crowding, psf: &FieldPsf) -> Option<Vec<Entry>> {
    let star = &truth.stars[number];
    let limit = field.catalogue_limit;
    let is_on = |v: f64, size: usize| v >= -0.5 && v < size as f64 - 0.5;
    if star.mag > limit + CUT || !is_on(star.x, field.width_px) || !is_on(star.y, field.height_px) {
        return None;
    }
    let mut draws = Draws::new(field.seed, Domain::Entry, 0, number as u64);
    let ratio = light.others / light.peak.max(1e-300);
    let by_mag = 1.0 / (1.0 + libm::exp((star.mag - limit) / LIMIT_WIDTH));
    if draws.uniform() >= by_mag * chance_of_entry(ratio, field.crowding_limit) {
        return None;
    }

    let fwhm = psf.fwhm(star.x, star.y);
    // Neighbours that merge with the star brighten it and raise its errors.
    let shift = merging_shift(&light.crowd);
    let (mut mags, mut errors, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for band in 0..field.bands.len() {
        let mag = truth.star_mag(field, number, band);
        let single = mag_error(field, band, mag, fwhm);
        let error = crowded_error(single, ratio);
        alone.push(single);
        mags.push(mag + shift + error * draws.normal());
        errors.push(error);
    }
    if mags.first().is_some_and(|m| *m > limit + CUT) {
        return None;
    }
    let error = errors.first().copied().unwrap_or(FLOOR);
    let scatter = position_scatter(error, &light.crowd);
    let (dx, dy) = draws.normal_pair();
    let sharp = sharpness(error, &light.crowd, draws.normal());
    let prob = probability(alone.first().copied().unwrap_or(FLOOR), error, &light.crowd, draws.normal());
    let first = Entry {
        x: star.x + scatter * dx,
        y: star.y + scatter * dy,
        mags,
        errors,
        sharp,
        prob,
        parallax: parallax(star, &mut draws),
    };
    let mut entries = vec![first];
    if draws.uniform() < field.duplicates {
        let mut draws = Draws::new(field.seed, Domain::Duplicate, 0, number as u64);
        let (dx, dy) = draws.normal_pair();
        let mut second = entries[0].clone();
        second.x += 0.3 * dx;
        second.y += 0.3 * dy;
        for (mag, error) in second.mags.iter_mut().zip(&second.errors) {
            *mag += libm::hypot(0.04, *error) * draws.normal();
        }
        entries.push(second);
    }
    Some(entries)
}

/// An astrometric match: rarer and worse for faint stars, none below 18 mag.
fn parallax(star: &Star, draws: &mut Draws) -> Option<(f64, f64)> {
    let chance = match star.mag {
        m if m >= 18.0 => 0.0,
        // All of the near ones are matched: they are blue enough to be bright in the optical.
        _ if star.kind == StarKind::Foreground => 1.0,
        m if m < 16.0 => 0.78,
        m if m < 17.0 => 0.49,
        _ => 0.26,
    };
    let (is_matched, spread, noise) = (draws.uniform() < chance, draws.normal(), draws.normal());
    let error = libm::hypot(0.012, 0.213 * libm::exp10(0.2 * (star.mag - 17.5))) * libm::exp(0.2 * spread);
    is_matched.then(|| (f64::from(star.parallax) + error * noise, error))
}

/// PSF photometry takes most galaxies for bad stars.
fn galaxy_entry(field: &Field, galaxy: &Galaxy, number: usize) -> Option<Entry> {
    let mut draws = Draws::new(field.seed, Domain::GalaxyEntry, 0, number as u64);
    if draws.uniform() > 0.94 {
        return None;
    }
    let (dx, dy) = draws.normal_pair();
    let error = 0.05;
    let r_half = galaxy.r_half_px * field.pixel_scale_arcsec;
    let mags = field
        .bands
        .iter()
        .map(|b| {
            let mag = galaxy.mag + b.colour_slope * galaxy.colour + b.colour_offset;
            // A PSF misses part of an extended source.
            mag + 0.15 * r_half + error * draws.normal()
        })
        .collect();
    Some(Entry {
        x: galaxy.x + 0.15 * dx,
        y: galaxy.y + 0.15 * dy,
        mags,
        errors: vec![error; field.bands.len()],
        sharp: 0.35 + 0.42 * r_half + 0.2 * draws.normal(),
        prob: logistic(-2.0 + 0.9 * draws.normal()),
        parallax: None,
    })
}

/// False entries: two thirds in the wings and spikes of stars brighter than 14 mag, the rest anywhere, where gas is lumpy.
fn false_entries(field: &Field, truth: &Truth, n_true: usize) -> Vec<Entry> {
    let bright: Vec<&Star> = truth.stars.iter().filter(|s| s.mag < 14.0).collect();
    let n = (field.false_entries * n_true as f64).round() as usize;
    (0..n)
        .map(|i| {
            let mut draws = Draws::new(field.seed, Domain::FalseEntry, 0, i as u64);
            let is_near = draws.uniform() < 0.65 && !bright.is_empty();
            let mut at = super::population::place(field, &mut draws);
            if is_near {
                let star = bright[((draws.uniform() * bright.len() as f64) as usize).min(bright.len() - 1)];
                // Brighter stars have wider wings.
                let r = draws.between(3.0, 9.0 + 4.0 * (14.0 - star.mag));
                let (sin, cos) = libm::sincos(std::f64::consts::TAU * draws.uniform());
                let keep = |v: f64, size: usize| v.clamp(-0.5, size as f64 - 0.501);
                at = (keep(star.x + r * cos, field.width_px), keep(star.y + r * sin, field.height_px));
            }
            let mag = draws.magnitude(16.0, field.catalogue_limit.max(16.5) - 0.5, 0.05);
            let mags = field
                .bands
                .iter()
                .map(|b| mag + 0.4 * b.colour_slope + b.colour_offset + 0.3 * draws.normal())
                .collect();
            Entry {
                x: at.0,
                y: at.1,
                mags,
                errors: vec![0.15; field.bands.len()],
                sharp: 0.65 * draws.normal() + if is_near { 0.05 } else { 0.2 },
                prob: (0.47 + 0.28 * draws.normal()).clamp(0.0, 1.0),
                parallax: None,
            }
        })
        .collect()
}
