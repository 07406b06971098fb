//! The joint removal: rounds of sky, noise, PSF and stars.

use ndarray::{Array2, Zip};
use skyloom_data::{Image, Table, TableError};

use super::background::sky;
use super::brightness::Brightness;
use super::companions::Search;
use super::crowding::level_shares;
use super::field::SmoothPsf;
use super::noise::{NoiseModel, measure};
use super::params::SubtractJoint;
use super::psf_stars::PsfStars;
use super::scene::Scene;
use super::select::{Selection, psf_candidates, select};
use super::shape::{Kernel, Shape};
use super::star::{JointFlags, JointRecord, Place, Prior, Quality, Source, State};
use super::sweep::StepOptions;
use crate::background::mesh::MeshError;
use crate::filter::fill_bad;
use crate::psf::CatalogueStar;
use crate::psf::PositionGrid;

/// What is left, and what was taken.
#[derive(Debug, Clone)]
pub struct JointSubtraction {
    /// Image minus sky minus stars.
    pub residual: Array2<f32>,
    /// Image minus sky minus foreground stars.
    pub foreground: Array2<f32>,
    /// Image minus sky.
    pub image: Array2<f32>,
    /// The sky.
    pub sky: Array2<f32>,
    /// Standard deviation per pixel.
    pub noise: Array2<f32>,
    /// One record per catalogue row.
    pub records: Vec<JointRecord>,
    /// The PSF.
    pub psf: SmoothPsf,
    /// PSF stars that the last map rests on.
    pub n_psf_stars: usize,
    /// Dependency levels of a sweep.
    pub n_levels: usize,
    /// Standard deviation of the sky at full confidence.
    pub sky_noise: f64,
}

/// Why there is no residual.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JointError {
    /// Too few PSF stars.
    #[error(
        "{found} PSF stars; at least {needed} are needed ({in_range} of {n_stars} stars lie between {bright} and {faint} mag)"
    )]
    TooFewPsfStars {
        /// Stars that passed.
        found: usize,
        /// `min_psf_stars`.
        needed: usize,
        /// Stars in the magnitude range.
        in_range: usize,
        /// All stars.
        n_stars: usize,
        /// Bright end.
        bright: f64,
        /// Faint end.
        faint: f64,
    },
    /// The sky cannot be measured.
    #[error("the sky: {0}")]
    Sky(#[from] MeshError),
    /// The noise cannot be measured.
    #[error("no box of 64 px has enough pixels between the stars to measure the noise")]
    NoNoise,
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Errors of the catalogue magnitudes (column `mag_err`); 0 where there are none.
///
/// # Errors
/// When the column does not hold numbers.
pub(super) fn magnitude_errors(table: &Table) -> Result<Vec<f64>, TableError> {
    if !table.has_column("mag_err") {
        return Ok(vec![0.0; table.n_rows()]);
    }
    Ok(table.floats("mag_err")?.into_iter().map(|e| if e > 0.0 { e } else { 0.0 }).collect())
}

/// A star that no step has fitted yet.
const NOT_FITTED: Quality = Quality { chi2: f64::NAN, flux_error: 0.0, width_error: 0.0 };
/// Relative flux error per magnitude: ln(10) / 2.5.
const FLUX_PER_MAG: f64 = 0.921_034_037_197_618_3;
/// A star is subtracted out to where its wing is this fraction of the sky noise.
const WING_SIGMA: f64 = 0.05;

/// Relative scatter of the catalogue's fluxes of stars whose core is hidden.
const CAPPED_PRIOR: f64 = 0.3;
/// Their flux stays below this multiple of the catalogue's: in a crowd, wings alone say anything.
const CAPPED_BRIGHTENING: f64 = 2.5;

/// The pixel of a coordinate.
fn pixel(v: f64, size: usize) -> usize {
    (v.round().max(0.0) as usize).min(size - 1)
}

/// Radii of fit and subtraction. In units of the sky noise (`s`) and of a FWHM of 2.8 px: 4 px for faint stars, more for bright
/// ones, whose wings say most about them once the model error caps their cores.
fn place(
    star: &CatalogueStar,
    flux: f64,
    psf: &SmoothPsf,
    sigma: f64,
    width: usize,
    height: usize,
    params: &SubtractJoint,
) -> Place {
    let s = flux / sigma;
    let scale = params.fwhm_px / 2.8;
    let fit = if s > 66_000.0 {
        16.0
    } else {
        (4.0 + 0.7 * libm::log((s / 2000.0).max(1.0)) + if s > 2000.0 { 2.0 } else { 0.0 }).floor().clamp(4.0, 12.0)
    };
    let kernel = Kernel::new(&psf.at(star.x, star.y, star.mag), psf.alpha);
    let wing = kernel.wing_radius(flux, WING_SIGMA * sigma).ceil();
    let fit = (fit * scale).round().max(3.0) as usize;
    Place {
        cx: pixel(star.x, width),
        cy: pixel(star.y, height),
        fit,
        write: (wing as usize).clamp((8.0 * scale).round() as usize, params.max_radius_px).max(fit),
    }
}

/// Removes the stars of a catalogue jointly from an image with its sky.
///
/// `mag_errors` belong to the rows of `stars`; `confidence` (100 = full exposure) scales the noise. Pixels that are bad in the image take
/// no part and are 0 in all results. Pixels that are `hidden` take no part either, but have a value: the image keeps it, the residual
/// gets that of the pixels around. `tick` is called often, perhaps from several threads; `false` stops the work.
///
/// # Errors
/// See [`JointError`].
pub fn subtract_joint(
    image: &Image,
    confidence: Option<&Array2<f32>>,
    hidden: Option<&Array2<bool>>,
    stars: &[CatalogueStar],
    mag_errors: &[f64],
    params: &SubtractJoint,
    tick: &(dyn Fn() -> bool + Sync),
) -> Result<JointSubtraction, JointError> {
    let (width, height) = (image.width(), image.height());
    let missing = image.bad_pixels();
    let mut bad = missing.clone();
    if let Some(hidden) = hidden {
        Zip::from(&mut bad).and(hidden).for_each(|b, &h| *b |= h);
    }
    let watch = |_| tick();
    let zero_point = image.meta.zero_point.unwrap_or(params.instrumental_zero_point);
    let unit = libm::pow(10.0, 0.4 * zero_point) * image.meta.exposure_s.unwrap_or(1.0);
    let flux_of = |mag: f64| unit * libm::pow(10.0, -0.4 * mag);
    let mag_of = |flux: f64| if flux > 0.0 { -2.5 * libm::log10(flux / unit) } else { f64::INFINITY };

    let Selection { rows, mut flags } = select(stars, width, height, params);
    let listed = PositionGrid::new(stars.iter().map(|s| (s.x, s.y)), 16.0);
    let mut level = sky(&image.pixels, &bad, params.sky_box_px.0, true, &watch)?;
    let without_sky = |level: &Array2<f32>| {
        Zip::from(&image.pixels).and(level).and(&bad).par_map_collect(|v, b, bad| {
            // A bad pixel must not carry NaN through sums; its weight is 0.
            if *bad { 0.0 } else { v - b }
        })
    };
    let mut residual = without_sky(&level);
    let mut good: Vec<f32> = image.pixels.iter().zip(&bad).filter(|(_, b)| !**b).map(|(v, _)| *v).collect();
    let middle = good.len() / 2;
    let median = if good.is_empty() { 0.0 } else { f64::from(*good.select_nth_unstable_by(middle, f32::total_cmp).1) };
    drop(good);
    let mut noise = NoiseModel { level: median, sigma: 1.0, subtracted_sky: params.subtracted_sky };
    noise.sigma = measure(&image.pixels, &residual, &bad, confidence, |_, _| true, noise).ok_or(JointError::NoNoise)?;

    let mut brightness = Brightness::new(params, mag_of, noise.sigma);
    let (mut psf_stars, mut in_range) = psf_candidates(stars, &rows, &bad, params, brightness.psf_mag);
    while psf_stars.len() < params.psf_neighbours && brightness.widen() {
        (psf_stars, in_range) = psf_candidates(stars, &rows, &bad, params, brightness.psf_mag);
    }
    if psf_stars.len() < params.min_psf_stars {
        return Err(JointError::TooFewPsfStars {
            found: psf_stars.len(),
            needed: params.min_psf_stars,
            in_range,
            n_stars: rows.len(),
            bright: brightness.psf_mag.0,
            faint: brightness.psf_mag.1,
        });
    }
    let mut psf = SmoothPsf::uniform(width, height, params.psf_grid_px, params.fwhm_px, brightness.trend_mag);
    let mut sources: Vec<Source> =
        rows.iter().map(|&row| Source { star: stars[row], error: mag_errors[row], row: Some(row) }).collect();
    let mut shares = level_shares(&sources, width, height, params);
    let priors_of =
        |psf: &SmoothPsf, round: usize, sources: &[Source], states: &[State], levels: &[f64]| -> Vec<Prior> {
            sources
                .iter()
                .zip(states)
                .zip(levels)
                .map(|((source, state), level_sd)| {
                    let (s, error) = (&source.star, source.error);
                    let flux = flux_of(s.mag);
                    let mag = mag_of(state.flux);
                    let mut shape_sd: Shape = [0.0; 5];
                    // A saturated star's magnitude rests on its wings, and is as good as they are; wings do not tell its width from its
                    // flux.
                    let is_capped = hidden.is_some_and(|h| h[[pixel(s.y, height), pixel(s.x, width)]]);
                    if round > 0 && !is_capped {
                        if s.mag < brightness.shape_mag {
                            shape_sd[..3].fill(params.shape_scatter);
                        }
                        if psf.t(mag) > 0.0 {
                            shape_sd[3..].fill(2.5 * params.shape_scatter);
                        }
                        if s.mag < brightness.psf_mag.0 {
                            // Brighter than any PSF star: its width is not known as well.
                            shape_sd[0] = 4.0 * params.shape_scatter;
                        }
                    }
                    let flux_prior = if is_capped { params.flux_prior.max(CAPPED_PRIOR) } else { params.flux_prior };
                    Prior {
                        x: s.x,
                        y: s.y,
                        position_sd: (0.7 * error).clamp(params.position_prior_px, params.position_prior_px.max(0.4)),
                        flux,
                        max_flux: if is_capped { CAPPED_BRIGHTENING * flux } else { f64::INFINITY },
                        flux_sd: flux * FLUX_PER_MAG * libm::hypot(error, flux_prior),
                        level_sd: *level_sd,
                        shape: psf.at(state.x, state.y, mag),
                        shape_sd,
                    }
                })
                .collect()
        };
    let weights = |noise: &NoiseModel| {
        let mut weight = Array2::<f32>::zeros(image.pixels.dim());
        Zip::indexed(&mut weight).and(&image.pixels).and(&bad).par_for_each(|(y, x), w, &v, &bad| {
            if !bad {
                let sigma = noise.at(f64::from(v), confidence.map_or(100.0, |c| f64::from(c[[y, x]])));
                *w = (1.0 / (sigma * sigma)) as f32;
            }
        });
        weight
    };
    let places = |psf: &SmoothPsf, sigma: f64, sources: &[Source]| -> Vec<Place> {
        sources.iter().map(|s| place(&s.star, flux_of(s.star.mag), psf, sigma, width, height, params)).collect()
    };
    let states = |psf: &SmoothPsf, sources: &[Source]| -> Vec<State> {
        sources
            .iter()
            .map(|Source { star: s, .. }| State {
                x: s.x,
                y: s.y,
                flux: flux_of(s.mag),
                shape: psf.at(s.x, s.y, s.mag),
            })
            .collect()
    };
    let mut scene = Scene::new(width, height, places(&psf, noise.sigma, &sources), states(&psf, &sources));
    let mut quality = vec![NOT_FITTED; sources.len()];
    let mut n_companions = vec![0_i64; rows.len()];
    let mut n_psf_stars = 0;
    scene.subtract_from(&mut residual, psf.alpha, |_| true);
    for round in 0..params.rounds {
        let is_last = round + 1 == params.rounds;
        // The sky of what the stars left; then everything is rendered anew, so that no rounding adds up.
        let rest =
            sky(&residual, &bad, if round == 0 { params.sky_box_px.0 } else { params.sky_box_px.1 }, false, &watch)?;
        Zip::from(&mut level).and(&rest).par_for_each(|l, r| *l += r);
        residual = without_sky(&level);
        scene.subtract_from(&mut residual, psf.alpha, |_| true);
        let mut weight = weights(&noise);
        if !is_last {
            let list: Vec<(Place, State, f64)> =
                psf_stars.iter().map(|&k| (scene.places[k], scene.states[k], mag_of(scene.states[k].flux))).collect();
            let patches = PsfStars::cut(&list, &residual, &weight, psf.alpha);
            let tail_mag = (round > 0).then_some(brightness.trend_mag + 0.4);
            let mut measured = patches.measure(&psf, tail_mag);
            let (mut used, mut samples) = patches.samples(&measured);
            if round > 0 && patches.fit_profile(&mut psf, &used, if round == 1 { 1.0 } else { 0.4 }).is_some() {
                measured = patches.measure(&psf, tail_mag);
                (used, samples) = patches.samples(&measured);
            }
            if samples.len() < params.min_psf_stars {
                return Err(JointError::TooFewPsfStars {
                    found: samples.len(),
                    needed: params.min_psf_stars,
                    in_range,
                    n_stars: rows.len(),
                    bright: brightness.psf_mag.0,
                    faint: brightness.psf_mag.1,
                });
            }
            let keep = psf.fit(&samples, params.psf_neighbours, false);
            n_psf_stars = keep.iter().filter(|k| **k).count();
            for (&i, _) in used.iter().zip(&keep).filter(|(_, k)| **k) {
                flags[rows[psf_stars[i]]] |= JointFlags::PSF_STAR;
            }
            for state in &mut scene.states {
                state.shape = psf.at(state.x, state.y, mag_of(state.flux));
            }
            scene.set_places(places(&psf, noise.sigma, &sources));
            residual = without_sky(&level);
            scene.subtract_from(&mut residual, psf.alpha, |_| true);
            if round < 2 {
                let is_faint = |y: usize, x: usize| {
                    let light = image.pixels[[y, x]] - level[[y, x]] - residual[[y, x]];
                    f64::from(light) < 1.3 * noise.sigma
                };
                if let Some(sigma) = measure(&image.pixels, &residual, &bad, confidence, is_faint, noise) {
                    noise.sigma = sigma;
                }
                weight = weights(&noise);
            }
        }
        let levels: Vec<f64> = shares.iter().map(|share| share * params.level_sigma * noise.sigma).collect();
        let priors = priors_of(&psf, round, &sources, &scene.states, &levels);
        let options = StepOptions { alpha: psf.alpha, model_error: params.model_error };
        for _ in 0..if is_last { 4 } else { 2 } {
            if !scene.sweep(&mut residual, &weight, &priors, &options, &mut quality, tick) {
                return Err(JointError::Stopped);
            }
        }
        if round + 2 == params.rounds {
            let search = Search {
                scene: &scene,
                residual: &residual,
                weight: &weight,
                alpha: psf.alpha,
                listed: &listed,
                params,
                host_mag: (brightness.psf_mag.0, params.companion_mag.unwrap_or(brightness.trend_mag)),
            };
            let (found, hosts): (Vec<Source>, Vec<usize>) = search.run(mag_of).into_iter().unzip();
            for host in hosts {
                n_companions[host] += 1;
            }
            scene.extend(&places(&psf, noise.sigma, &found), &states(&psf, &found));
            sources.extend(found);
            shares = level_shares(&sources, width, height, params);
            quality.resize(sources.len(), NOT_FITTED);
        }
    }
    let mut records: Vec<JointRecord> = stars
        .iter()
        .zip(&flags)
        .map(|(s, &flags)| JointRecord {
            x: s.x,
            y: s.y,
            flux: f64::NAN,
            flux_error: f64::NAN,
            fwhm: f64::NAN,
            chi2: f64::NAN,
            flags,
            n_companions: 0,
        })
        .collect();
    // Companions come after all stars of the catalogue.
    for (k, (&row, (state, found))) in rows.iter().zip(scene.states.iter().zip(&quality)).enumerate() {
        let record = &mut records[row];
        record.n_companions = n_companions[k];
        (record.x, record.y, record.flux) = (state.x, state.y, state.flux);
        record.fwhm = Kernel::new(&state.shape, psf.alpha).fwhm();
        record.chi2 = found.chi2;
        record.flux_error = found.flux_error;
        if found.chi2.is_nan() {
            record.flags |= JointFlags::NOT_FITTED;
        }
    }
    let image_out = Zip::from(&image.pixels)
        .and(&level)
        .and(&missing)
        .par_map_collect(|v, b, missing| if *missing { 0.0 } else { v - b });
    let mut residual = image_out.clone();
    scene.subtract_from(&mut residual, psf.alpha, |_| true);
    let mut foreground = image_out.clone();
    let is_foreground = |k: usize| sources[k].row.is_some_and(|row| flags[row] & JointFlags::FOREGROUND != 0);
    scene.subtract_from(&mut foreground, psf.alpha, is_foreground);
    if let Some(hidden) = hidden {
        // A model subtracted from an interpolated core leaves a hole.
        residual = fill_bad(residual.view(), bad.view());
        Zip::from(&mut foreground).and(&residual).and(hidden).par_for_each(|v, &r, &h| {
            if h {
                *v = v.max(r);
            }
        });
    }
    for map in [&mut residual, &mut foreground] {
        Zip::from(map).and(&missing).par_for_each(|v, &b| {
            if b {
                *v = 0.0;
            }
        });
    }
    let mut noise_map = Array2::<f32>::zeros(bad.dim());
    Zip::indexed(&mut noise_map).and(&image.pixels).and(&level).par_for_each(|(y, x), n, &v, &l| {
        let value = if v.is_finite() && v >= l { v } else { l };
        *n = noise.at(f64::from(value), confidence.map_or(100.0, |c| f64::from(c[[y, x]]))) as f32;
    });
    Ok(JointSubtraction {
        residual,
        foreground,
        image: image_out,
        sky: level,
        noise: noise_map,
        records,
        psf,
        n_psf_stars,
        n_levels: scene.n_levels(),
        sky_noise: noise.sigma,
    })
}
