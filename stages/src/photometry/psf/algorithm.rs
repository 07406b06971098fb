//! Amplitude, centre and width of every star, neighbours taken out.

use ndarray::ArrayView2;
use rayon::prelude::*;
use skyloom_data::{Image, MaskBits, PsfField};

use super::normal::solve3;
use super::params::PsfPhotometry;
use super::render::{Drawn, without_stars};
use crate::psf::{CAPPED, MAX_PARAMS, PositionGrid, Profile, median, params_from_shape};

/// Flags of a measured star.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StarFluxFlags;

impl StarFluxFlags {
    /// Too few usable pixels: nothing was measured.
    pub const NO_PIXELS: i64 = 1;
    /// Saturated pixels: measured on the wings, `sharp` and `prob` unknown.
    pub const SATURATED: i64 = 1 << 1;
    /// The centre came to the end of the allowed shift and was put back.
    pub const CENTRE: i64 = 1 << 2;
    /// The amplitude is not positive.
    pub const NOT_POSITIVE: i64 = 1 << 3;
    /// Bad or missing pixels in the aperture.
    pub const INCOMPLETE: i64 = 1 << 4;
}

/// One star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StarFlux {
    /// Column of the fitted centre.
    pub x: f64,
    /// Row of the fitted centre.
    pub y: f64,
    /// Flux of the whole model, in pixel units.
    pub flux: f64,
    /// Its standard error from the noise map.
    pub flux_err: f64,
    /// Local background that was subtracted.
    pub background: f64,
    /// Excess of the squared width over the PSF's; NaN when unknown.
    pub sharp: f64,
    /// Probability of being a star; NaN when unknown.
    pub prob: f64,
    /// Weighted sum of squared residuals per degree of freedom.
    pub chi2: f64,
    /// Pixels in the fit.
    pub n_pixels: usize,
    /// See [`StarFluxFlags`].
    pub flags: i64,
}

/// Usable pixels that a fit needs: amplitude, two coordinates and a few to spare.
const MIN_PIXELS: usize = 6;
/// Steps of the centre; it settles in three or four.
const STEPS: usize = 12;
/// How far models are drawn, in FWHM: beyond, a Moffat of slope 2.5 holds less than a percent.
const DRAWN_FWHM: f64 = 6.0;

/// The fit of one star in one pass.
#[derive(Debug, Clone, Copy)]
struct State {
    x: f64,
    y: f64,
    amplitude: f64,
    amplitude_err: f64,
    background: f64,
    width: f64,
    width_err: f64,
    chi2: f64,
    n_pixels: usize,
    flags: i64,
}

struct Sample {
    x: f64,
    y: f64,
    value: f64,
    weight: f64,
}

struct Scene<'a> {
    image: &'a Image,
    noise: ArrayView2<'a, f32>,
    psf: &'a PsfField,
    params: &'a PsfPhotometry,
}

/// Measures stars at `positions` (`[x, y]`, zero-based) in a background-subtracted image. `noise` has its shape.
///
/// `watch` hears of stars that are done (once per star and pass; 0 only asks) and says whether to go on; `None` when it said no.
#[must_use]
pub fn measure_stars(
    image: &Image,
    noise: ArrayView2<'_, f32>,
    psf: &PsfField,
    positions: &[[f64; 2]],
    params: &PsfPhotometry,
    watch: &(dyn Fn(u64) -> bool + Sync),
) -> Option<Vec<StarFlux>> {
    let scene = Scene { image, noise, psf, params };
    let relaxation = relaxation(psf, positions);
    let mut states: Vec<State> = Vec::new();
    for pass in 0..params.passes {
        let rest = if pass == 0 {
            None
        } else {
            let drawn: Vec<Drawn> = states.iter().map(|s| scene.drawn(s)).collect();
            Some(without_stars(image.pixels.view(), &drawn, &|| !watch(0)))
        };
        let pixels = rest.as_ref().map_or(image.pixels.view(), |r| r.view());
        let next: Option<Vec<State>> = positions
            .par_iter()
            .enumerate()
            .map(|(i, &at)| {
                let old = states.get(i);
                let mut state = scene.fit(pixels, at, old);
                if let Some(old) = old {
                    // Without it two close stars would hand the same light to and fro.
                    state.amplitude = old.amplitude + relaxation[i] * (state.amplitude - old.amplitude);
                }
                watch(1).then_some(state)
            })
            .collect();
        states = next?;
    }
    Some(states.par_iter().map(|s| scene.result(s)).collect())
}

/// Share of a step that each star takes: 1 for one alone, less where the PSFs of stars overlap.
///
/// Sums over neighbours of the overlap of two Gaussians, `exp(-d^2 / 4 sigma^2)`: with these row sums as weights the
/// simultaneous steps of all stars converge however crowded they are.
fn relaxation(psf: &PsfField, positions: &[[f64; 2]]) -> Vec<f64> {
    let grid = PositionGrid::new(positions.iter().map(|p| (p[0], p[1])), 8.0);
    positions
        .par_iter()
        .enumerate()
        .map(|(i, &[x, y])| {
            if !(x.is_finite() && y.is_finite()) {
                return 1.0;
            }
            let fwhm = psf.fwhm_at(x, y);
            let sigma = fwhm / 2.354_820_045;
            let mut sum = 1.0;
            grid.visit_within(x, y, 2.5 * fwhm, |j, d| {
                if j != i {
                    sum += libm::exp(-d * d / (4.0 * sigma * sigma));
                }
                true
            });
            1.0 / sum
        })
        .collect()
}

impl Scene<'_> {
    fn profile(&self, x: f64, y: f64, amplitude: f64, stretch: f64) -> Profile {
        let cell = self.psf.cell_at(x, y);
        let mut params = params_from_shape(self.psf.model, &cell.median, amplitude, x, y);
        for (slot, name) in params[3..].iter_mut().zip(self.psf.model.shape_names()) {
            if name.starts_with("gamma") || name.starts_with("sigma") {
                *slot *= stretch;
            }
        }
        Profile::new(self.psf.model, &params)
    }

    fn drawn(&self, s: &State) -> Drawn {
        let amplitude = if s.amplitude > 0.0 { s.amplitude } else { 0.0 };
        let radius = if amplitude > 0.0 { DRAWN_FWHM * self.psf.fwhm_at(s.x, s.y) } else { -1.0 };
        Drawn { profile: self.profile(s.x, s.y, amplitude, 1.0), x: s.x, y: s.y, radius }
    }

    /// Usable pixels within a radius range of a position, the star's own model put back.
    fn samples(
        &self,
        pixels: ArrayView2<'_, f32>,
        [x, y]: [f64; 2],
        radii: [f64; 2],
        own: Option<&Drawn>,
        flags: &mut i64,
    ) -> Vec<Sample> {
        let (height, width) = pixels.dim();
        let span = |c: f64, size: usize| {
            let low = (c - radii[1]).ceil().clamp(0.0, size as f64) as usize;
            low..((c + radii[1]).floor() + 1.0).clamp(0.0, size as f64) as usize
        };
        let mut samples = Vec::new();
        for iy in span(y, height) {
            for ix in span(x, width) {
                let (px, py) = (ix as f64, iy as f64);
                let square = (px - x) * (px - x) + (py - y) * (py - y);
                if square > radii[1] * radii[1] || square < radii[0] * radii[0] {
                    continue;
                }
                let sigma = f64::from(self.noise[[iy, ix]]);
                let raw = f64::from(self.image.pixels[[iy, ix]]);
                let mask = self.image.mask.as_ref().map_or(0, |m| m[[iy, ix]]);
                if mask & CAPPED != 0 || raw < -self.params.saturated_below_sigma * sigma {
                    *flags |= StarFluxFlags::SATURATED;
                    continue;
                }
                let is_usable = raw.is_finite()
                    && mask & (MaskBits::BAD | MaskBits::NO_DATA) == 0
                    && sigma > 0.0
                    && sigma.is_finite();
                if !is_usable {
                    *flags |= StarFluxFlags::INCOMPLETE;
                    continue;
                }
                let back = own.filter(|o| square_within(o, px, py)).map_or(0.0, |o| o.profile.value(px, py));
                let value = f64::from(pixels[[iy, ix]]) + back;
                samples.push(Sample { x: px, y: py, value, weight: 1.0 / (sigma * sigma) });
            }
        }
        samples
    }

    fn fit(&self, pixels: ArrayView2<'_, f32>, at: [f64; 2], old: Option<&State>) -> State {
        let mut state = State {
            x: at[0],
            y: at[1],
            amplitude: f64::NAN,
            amplitude_err: f64::NAN,
            background: f64::NAN,
            width: f64::NAN,
            width_err: f64::NAN,
            chi2: f64::NAN,
            n_pixels: 0,
            flags: StarFluxFlags::NO_PIXELS,
        };
        let (height, width) = pixels.dim();
        let is_inside = at[0] >= -0.5 && at[1] >= -0.5 && at[0] < width as f64 - 0.5 && at[1] < height as f64 - 0.5;
        let fwhm = self.psf.fwhm_at(at[0], at[1]);
        if !(is_inside && fwhm > 0.0 && fwhm < 1e3) {
            return state;
        }
        let own = old.map(|s| self.drawn(s));
        let mut flags = 0;
        let mut radius = (self.params.aperture_fwhm * fwhm).max(1.5);
        let mut samples = Vec::new();
        // A saturated core leaves nothing in a small aperture: the wings are measured in a larger one.
        for _ in 0..4 {
            flags = 0;
            samples = self.samples(pixels, at, [0.0, radius], own.as_ref(), &mut flags);
            if flags & StarFluxFlags::SATURATED == 0 || samples.len() >= 4 * MIN_PIXELS {
                break;
            }
            radius *= 2.0;
        }
        if samples.len() < MIN_PIXELS {
            state.flags = flags | StarFluxFlags::NO_PIXELS;
            return state;
        }
        state.flags = flags;
        state.n_pixels = samples.len();
        let [inner, outer] = self.params.ring_fwhm;
        let ring = if outer > 0.0 {
            // Pixels of the ring may be missing without harm.
            self.samples(pixels, at, [inner * fwhm, outer * fwhm], own.as_ref(), &mut 0)
        } else {
            Vec::new()
        };
        state.amplitude = old.map_or(0.0, |s| s.amplitude).max(0.0);
        if let Some(old) = old.filter(|s| s.x.is_finite()) {
            (state.x, state.y) = (old.x, old.y);
        }
        self.solve(&mut state, at, &samples, &ring);
        self.measure_width(&mut state, &samples);
        state
    }

    /// Background, amplitude and centre in turn until nothing moves.
    fn solve(&self, state: &mut State, at: [f64; 2], samples: &[Sample], ring: &[Sample]) {
        let mut can_move = self.params.max_shift_px > 0.0 && state.flags & StarFluxFlags::SATURATED == 0;
        for step in 0..STEPS {
            state.background = self.background(state, ring);
            let profile = self.profile(state.x, state.y, 1.0, 1.0);
            // Normal equations of amplitude and, times the amplitude, the two shifts.
            let mut sums = [[0.0; 4]; 3];
            let mut gradient = [0.0; MAX_PARAMS];
            for s in samples {
                let unit = profile.value_and_gradient(s.x, s.y, &mut gradient);
                let row = [unit, gradient[1], gradient[2], s.value - state.background];
                for i in 0..3 {
                    for (sum, v) in sums[i].iter_mut().zip(row) {
                        *sum += s.weight * row[i] * v;
                    }
                }
            }
            let alone = sums[0][3] / sums[0][0];
            state.amplitude_err = (1.0 / sums[0][0]).sqrt();
            let shifted = if can_move && alone > 0.0 { solve3(sums) } else { None };
            let Some([amplitude, ax, ay]) = shifted.filter(|s| s[0] > 0.0) else {
                let is_settled = (alone - state.amplitude).abs() <= 1e-4 * state.amplitude_err;
                state.amplitude = alone;
                if is_settled || step + 1 == STEPS {
                    break;
                }
                continue;
            };
            // Steps of half a pixel at most: the PSF is not linear beyond.
            let limit = |v: f64| v.clamp(-0.5, 0.5);
            let (dx, dy) = (limit(ax / amplitude), limit(ay / amplitude));
            let is_settled = dx.abs().max(dy.abs()) < 1e-3
                && (alone - state.amplitude).abs() <= 1e-3 * state.amplitude_err.max(1e-6 * alone);
            (state.x, state.y, state.amplitude) = (state.x + dx, state.y + dy, alone);
            if libm::hypot(state.x - at[0], state.y - at[1]) > self.params.max_shift_px {
                (state.x, state.y) = (at[0], at[1]);
                state.flags |= StarFluxFlags::CENTRE;
                can_move = false;
            } else if is_settled {
                break;
            }
        }
        let is_positive = state.amplitude > 0.0;
        if !is_positive {
            state.flags |= StarFluxFlags::NOT_POSITIVE;
        }
    }

    /// Median of the ring without the star's own wings; 0 without ring.
    fn background(&self, state: &State, ring: &[Sample]) -> f64 {
        if ring.len() < MIN_PIXELS {
            return 0.0;
        }
        let amplitude = if state.amplitude > 0.0 { state.amplitude } else { 0.0 };
        let profile = self.profile(state.x, state.y, amplitude, 1.0);
        let values: Vec<f64> = ring.iter().map(|s| s.value - profile.value(s.x, s.y)).collect();
        median(&values)
    }

    /// Relative excess of the width, from a linear fit of amplitude and width together, and chi squared.
    fn measure_width(&self, state: &mut State, samples: &[Sample]) {
        const STEP: f64 = 1e-3;
        let (x, y) = (state.x, state.y);
        let unit = self.profile(x, y, 1.0, 1.0);
        let wide = self.profile(x, y, 1.0, 1.0 + STEP);
        let narrow = self.profile(x, y, 1.0, 1.0 - STEP);
        let (mut pp, mut pw, mut ww, mut pv, mut wv, mut chi2) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for s in samples {
            let p = unit.value(s.x, s.y);
            let w = (wide.value(s.x, s.y) - narrow.value(s.x, s.y)) / (2.0 * STEP);
            let v = s.value - state.background;
            pp += s.weight * p * p;
            pw += s.weight * p * w;
            ww += s.weight * w * w;
            pv += s.weight * p * v;
            wv += s.weight * w * v;
            let rest = v - state.amplitude * p;
            chi2 += s.weight * rest * rest;
        }
        state.chi2 = chi2 / (samples.len() as f64 - 3.0).max(1.0);
        let det = pp * ww - pw * pw;
        let is_known = state.flags & (StarFluxFlags::SATURATED | StarFluxFlags::NOT_POSITIVE) == 0;
        if is_known && det > 1e-12 * pp * ww {
            let amplitude = (pv * ww - wv * pw) / det;
            let slope = (pp * wv - pw * pv) / det;
            if amplitude > 0.0 {
                state.width = slope / amplitude;
                state.width_err = (pp / det).sqrt() / amplitude;
            }
        }
    }

    fn result(&self, s: &State) -> StarFlux {
        let scale = if s.x.is_finite() && s.y.is_finite() { self.profile(s.x, s.y, 1.0, 1.0).flux() } else { f64::NAN };
        let scale = if scale.is_finite() { scale } else { f64::NAN };
        // Twice the width of the PSF, or half, is as far as a linear fit can tell.
        let width = s.width.clamp(-0.5, 1.0);
        StarFlux {
            x: s.x,
            y: s.y,
            flux: s.amplitude * scale,
            flux_err: s.amplitude_err * scale,
            background: s.background,
            sharp: (1.0 + width) * (1.0 + width) - 1.0,
            prob: self.probability(s.width, s.width_err),
            chi2: s.chi2,
            n_pixels: s.n_pixels,
            flags: s.flags,
        }
    }

    /// Share of the star's Gaussian in the sum of the two.
    fn probability(&self, width: f64, error: f64) -> f64 {
        let star = error * error + self.params.width_tolerance * self.params.width_tolerance;
        let other = star + self.params.other_width * self.params.other_width;
        // ln of (other's density / star's density).
        let log_ratio = 0.5 * (libm::log(star / other) + width * width * (1.0 / star - 1.0 / other));
        1.0 / (1.0 + libm::exp(log_ratio))
    }
}

fn square_within(star: &Drawn, x: f64, y: f64) -> bool {
    let (dx, dy) = (x - star.x, y - star.y);
    star.radius > 0.0 && dx * dx + dy * dy <= star.radius * star.radius
}
