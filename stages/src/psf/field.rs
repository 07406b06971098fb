//! From fitted stars to the PSF field: outlier rejection, median and scatter per cell.

use rayon::prelude::*;
use skyloom_data::{Image, PsfCell, PsfField, PsfModel};

use super::fit_star::{StarFit, StarFlags, fit_star};
use super::levenberg::{FitOptions, FitPixel};
use super::model::{Profile, fold_angle, shape_from_params};
use super::params::PsfFit;
use super::position_grid::PositionGrid;
use super::robust::{axial_median, mad_sigma, median};
use super::select::{Candidate, Rejections, select_stars};

/// The PSF field and the stars it rests on.
#[derive(Debug, Clone)]
pub struct PsfFieldFit {
    /// Medians and scatters per cell.
    pub field: PsfField,
    /// Every fitted star, by row of the detection table; `flags == 0` means used.
    pub stars: Vec<StarFit>,
    /// Why detections were not fitted.
    pub rejections: Rejections,
}

/// Why there is no PSF.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PsfFitError {
    /// The star list is empty.
    #[error("the star list is empty, and a PSF needs at least {needed} stars")]
    NoStars {
        /// Stars needed.
        needed: usize,
    },
    /// Not enough usable stars.
    #[error(
        "{used} usable PSF stars, at least {needed} are needed; of {found} detections {fitted} were fitted \
         ({not_converged} did not converge, {outliers} were outliers or ended on a bound), the others were rejected: \
         {rejections}"
    )]
    TooFewStars {
        /// Stars that remained.
        used: usize,
        /// Stars needed.
        needed: usize,
        /// Detections.
        found: usize,
        /// Stars fitted.
        fitted: usize,
        /// Fits without convergence.
        not_converged: usize,
        /// Outliers.
        outliers: usize,
        /// Counts by reason.
        rejections: Rejections,
    },
    /// Too many fits failed.
    #[error("{failed} of {fitted} PSF star fits did not converge, {limit} is the largest fraction allowed")]
    TooManyFailed {
        /// Fits without convergence.
        failed: usize,
        /// Stars fitted.
        fitted: usize,
        /// `max_failed_fraction`.
        limit: f64,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Selects stars, fits them and averages their shapes over the cells of the grid.
///
/// `image` is background-subtracted, `noise` the standard deviation per pixel, of the same shape. `tick` is called once
/// per star, from several threads; `false` stops the work. The result does not depend on the threads.
///
/// # Errors
/// When too few stars are usable, too many fits fail, or `tick` said stop.
pub fn fit_psf_field(
    image: &Image,
    noise: &Image,
    detections: &[Candidate],
    params: &PsfFit,
    selected: impl FnOnce(usize),
    tick: &(dyn Fn() -> bool + Sync),
) -> Result<PsfFieldFit, PsfFitError> {
    if detections.is_empty() {
        return Err(PsfFitError::NoStars { needed: params.min_stars });
    }
    let model = params.model.model();
    let (mut chosen, rejections) = select_stars(image, noise, detections, params);
    chosen.sort_unstable_by_key(|&i| detections[i].id);
    selected(chosen.len());
    let grid = PositionGrid::new(detections.iter().map(|c| (c.x, c.y)), 8.0);
    let fits: Option<Vec<StarFit>> = chosen
        .par_iter()
        .map(|&i| {
            let star = &detections[i];
            let pixels = cut_out(image, noise, i, star, &grid, params);
            let radius = params.stamp_radius_px as f64;
            let result = fit_star(model, &pixels, star.x, star.y, radius, star.id, &FitOptions::default());
            tick().then_some(result)
        })
        .collect();
    let mut stars = fits.ok_or(PsfFitError::Stopped)?;
    reject_outliers(&mut stars, params.reject_sigma);

    let failed = stars.iter().filter(|s| s.flags & StarFlags::NOT_CONVERGED != 0).count();
    let used = stars.iter().filter(|s| s.flags == 0).count();
    if used < params.min_stars {
        return Err(PsfFitError::TooFewStars {
            used,
            needed: params.min_stars,
            found: detections.len(),
            fitted: stars.len(),
            not_converged: failed,
            outliers: stars.len() - used - failed,
            rejections,
        });
    }
    if failed as f64 > params.max_failed_fraction * stars.len() as f64 {
        return Err(PsfFitError::TooManyFailed { failed, fitted: stars.len(), limit: params.max_failed_fraction });
    }
    let field = build_field(model, image.width(), image.height(), &stars, params);
    Ok(PsfFieldFit { field, stars, rejections })
}

/// The weighted pixels of one star, without those next to a neighbour.
fn cut_out(
    image: &Image,
    noise: &Image,
    index: usize,
    star: &Candidate,
    grid: &PositionGrid,
    params: &PsfFit,
) -> Vec<FitPixel> {
    let r = params.stamp_radius_px;
    let (cx, cy) = (star.x.round() as usize, star.y.round() as usize);
    let mut pixels = Vec::with_capacity((2 * r + 1) * (2 * r + 1));
    for y in cy - r..=cy + r {
        for x in cx - r..=cx + r {
            let (fx, fy) = (x as f64, y as f64);
            let own = libm::hypot(fx - star.x, fy - star.y);
            let is_foreign =
                own > params.neighbour_mask_px && grid.any_within(fx, fy, params.neighbour_mask_px, |j| j != index);
            if !is_foreign {
                let sigma = f64::from(noise.pixels[[y, x]]);
                let value = f64::from(image.pixels[[y, x]]);
                pixels.push(FitPixel { x: fx, y: fy, value, weight: 1.0 / (sigma * sigma) });
            }
        }
    }
    pixels
}

/// Reach below which nobody is an outlier, for ln FWHM, axis ratio, ln alpha and misfit: on a clean field the faint stars
/// differ by their own errors, a few per cent, while the bright ones, which set the scatter, agree to a part in a thousand.
const LEAST_REACH: [f64; 4] = [0.03, 0.03, 0.1, 0.03];

/// Rounds of rejection. Median and MAD bear half the stars being wrong, so the second round only sharpens the first;
/// going on until nothing changes would eat its way into the good stars, since each round narrows the scatter.
const REJECTION_ROUNDS: usize = 2;

/// Flags stars whose width, axis ratio, wing slope or misfit is far from the median.
fn reject_outliers(stars: &mut [StarFit], reject_sigma: f64) {
    // Misfit is one-sided: no star fits too well.
    let measures = |s: &StarFit| {
        let profile = Profile::new(s.fit.model, &s.fit.params);
        let slope = if s.fit.model == PsfModel::Gaussian { 0.0 } else { libm::log(s.fit.params[6]) };
        let (fx, fy) = profile.fwhm();
        [libm::log(profile.mean_fwhm()), fy / fx, slope, s.misfit]
    };
    let all: Vec<[f64; 4]> = stars.iter().map(measures).collect();
    for (star, m) in stars.iter_mut().zip(&all) {
        if star.flags == 0 && m.iter().any(|v| !v.is_finite()) {
            star.flags |= StarFlags::OUTLIER;
        }
    }
    for _ in 0..REJECTION_ROUNDS {
        let mut limits = [(0.0, f64::INFINITY); 4];
        for (k, limit) in limits.iter_mut().enumerate() {
            let kept: Vec<f64> = stars.iter().zip(&all).filter(|(s, _)| s.flags == 0).map(|(_, m)| m[k]).collect();
            let centre = median(&kept);
            *limit = (centre, (reject_sigma * mad_sigma(&kept, centre)).max(LEAST_REACH[k]));
        }
        for (star, m) in stars.iter_mut().zip(&all) {
            let is_far = (0..4).any(|k| {
                let (centre, reach) = limits[k];
                let off = m[k] - centre;
                if k == 3 { off > reach } else { off.abs() > reach }
            });
            if star.flags == 0 && is_far {
                star.flags |= StarFlags::OUTLIER;
            }
        }
    }
}

/// Median and scatter of every shape parameter, per cell; cells with few stars borrow from the whole image.
fn build_field(model: PsfModel, width: usize, height: usize, stars: &[StarFit], params: &PsfFit) -> PsfField {
    let (n_x, n_y) = (params.n_cells(width), params.n_cells(height));
    let empty = PsfCell { n_stars: 0, median: Vec::new(), scatter: Vec::new(), fwhm: f64::NAN, is_borrowed: true };
    let mut field = PsfField { model, width, height, n_x, n_y, cells: vec![empty; n_x * n_y] };
    let used: Vec<&StarFit> = stars.iter().filter(|s| s.flags == 0).collect();
    let whole = summarise(model, &used);
    let index = |v: f64, size: usize, n: usize| (((v + 0.5) * n as f64 / size as f64).max(0.0) as usize).min(n - 1);
    let mut members: Vec<Vec<&StarFit>> = vec![Vec::new(); n_x * n_y];
    for &star in &used {
        let (x, y) = (star.fit.params[1], star.fit.params[2]);
        members[index(y, height, n_y) * n_x + index(x, width, n_x)].push(star);
    }
    for (cell, list) in field.cells.iter_mut().zip(&members) {
        *cell = if list.len() >= params.min_cell_stars {
            summarise(model, list)
        } else {
            PsfCell { n_stars: list.len(), is_borrowed: true, ..whole.clone() }
        };
    }
    field
}

fn summarise(model: PsfModel, stars: &[&StarFit]) -> PsfCell {
    let shapes: Vec<Vec<f64>> = stars.iter().map(|s| shape_from_params(model, &s.fit.params)).collect();
    let mut cell = PsfCell {
        n_stars: stars.len(),
        median: Vec::new(),
        scatter: Vec::new(),
        fwhm: median(&stars.iter().map(|s| Profile::new(model, &s.fit.params).mean_fwhm()).collect::<Vec<_>>()),
        is_borrowed: false,
    };
    for (k, name) in model.shape_names().iter().enumerate() {
        let values: Vec<f64> = shapes.iter().map(|s| s[k]).collect();
        let (centre, scatter) = if name.starts_with("theta") {
            axial_median(&values.iter().map(|&a| fold_angle(a)).collect::<Vec<_>>())
        } else {
            let centre = median(&values);
            (centre, mad_sigma(&values, centre))
        };
        cell.median.push(centre);
        cell.scatter.push(scatter);
    }
    cell
}
