//! Fits one star on the current residual image and says which pixels change.

use ndarray::Array2;
use skyloom_data::{MaskBits, PsfField};

use super::cores::Cores;
use super::params::SubtractStars;
use super::record::{StarClass, StarFlags, StarModel, StarRecord};
use super::task::{Task, UNUSABLE};
use crate::psf::{Bounds, Fit, FitOptions, FitPixel, PositionGrid, Profile, fit, misfit, n_params, params_from_shape};

/// Relative change of chi2 that ends a fit. For the 30 to 1000 pixels of a star it is far below the change of 1 that means
/// one standard error.
const FIT_TOLERANCE: f64 = 1e-6;

/// Detections with these flags are no stars beside the one that is fitted.
const NO_LIGHT_OF_ITS_OWN: i64 = StarFlags::MERGED | StarFlags::OUTSIDE | StarFlags::DUPLICATE;

/// Pixels that an annulus needs for its median to mean anything.
const MIN_ANNULUS_PIXELS: usize = 12;

/// Everything that a fit may look at.
pub(super) struct Scene<'a> {
    pub noise: &'a Array2<f32>,
    pub residual: &'a Array2<f32>,
    pub mask: &'a Array2<u16>,
    /// In the order of removal.
    pub tasks: &'a [Task],
    /// Over the start positions of the tasks.
    pub grid: &'a PositionGrid,
    pub cores: &'a Cores,
    pub psf: &'a PsfField,
    pub params: &'a SubtractStars,
}

/// What the removal of one star changes.
pub(super) struct Removal {
    pub record: StarRecord,
    /// New pixel values: row, column, value.
    pub pixels: Vec<(usize, usize, f32)>,
    /// Pixels to set to zero and mark CORE.
    pub zeroed: Vec<(usize, usize)>,
}

/// The square of pixels around a position, clipped to the image.
fn square(task: &Task, radius: f64, shape: (usize, usize)) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let half = radius.ceil() as usize;
    let span = |centre: f64, size: usize| {
        let c = (centre.round().max(0.0) as usize).min(size - 1);
        c.saturating_sub(half)..(c + half + 1).min(size)
    };
    (span(task.y, shape.0), span(task.x, shape.1))
}

impl Scene<'_> {
    fn sigma(&self, y: usize, x: usize) -> f64 {
        f64::from(self.noise[[y, x]])
    }

    /// Whether a pixel can be fitted.
    fn is_usable(&self, y: usize, x: usize) -> bool {
        let sigma = self.noise[[y, x]];
        self.residual[[y, x]].is_finite() && self.mask[[y, x]] & UNUSABLE == 0 && sigma > 0.0 && sigma.is_finite()
    }

    /// Expected profiles of the stars that are still in the image and may own pixels of star `i`.
    fn rivals(&self, i: usize) -> Vec<Profile> {
        let task = &self.tasks[i];
        let mut list = Vec::new();
        self.grid.visit_within(task.x, task.y, task.fit_radius + self.params.min_radius_px, |j, _| {
            if j > i && self.tasks[j].flags & NO_LIGHT_OF_ITS_OWN == 0 {
                list.push(j);
            }
            true
        });
        // The order of the grid's buckets is no part of the result.
        list.sort_unstable();
        list.into_iter().map(|j| self.tasks[j].profile).collect()
    }

    /// Whether the light at a pixel is expected to come from this star rather than from a fainter neighbour.
    fn is_own(task: &Task, rivals: &[Profile], y: usize, x: usize) -> bool {
        let (fx, fy) = (x as f64, y as f64);
        let own = task.profile.value(fx, fy);
        rivals.iter().all(|r| r.value(fx, fy) <= own)
    }

    /// Median of the usable pixels in the 3x3 box at the start position; NaN without any.
    fn level_at(&self, task: &Task) -> f64 {
        let (rows, columns) = square(task, 1.0, self.residual.dim());
        let mut values: Vec<f64> = Vec::with_capacity(9);
        for y in rows {
            for x in columns.clone() {
                if self.is_usable(y, x) {
                    values.push(f64::from(self.residual[[y, x]]));
                }
            }
        }
        crate::psf::median(&values)
    }

    /// Light that the star stands on: the median of the annulus around its disc, not below zero.
    ///
    /// It keeps the smooth light of a cluster out of the stars in it. A negative median is the hole of an earlier
    /// star: filling it would add light to this one.
    fn pedestal(&self, task: &Task) -> f64 {
        let outer = task.fit_radius + self.params.annulus_px;
        let (rows, columns) = square(task, outer, self.residual.dim());
        let mut values = Vec::new();
        for y in rows {
            for x in columns.clone() {
                let distance = libm::hypot(x as f64 - task.x, y as f64 - task.y);
                if distance > task.fit_radius && distance <= outer && self.is_usable(y, x) {
                    values.push(f64::from(self.residual[[y, x]]));
                }
            }
        }
        if values.len() < MIN_ANNULUS_PIXELS { 0.0 } else { crate::psf::median(&values).max(0.0) }
    }

    /// Core pixels of a bright or saturated star, in raster order.
    fn core_pixels(&self, task: &Task, rivals: &[Profile]) -> Vec<(usize, usize)> {
        if let Some(core) = task.core {
            return self.cores.list[core].runs.iter().flat_map(|r| (r.x0..r.x1).map(move |x| (r.y, x))).collect();
        }
        let (rows, columns) = square(task, task.core_radius, self.residual.dim());
        let mut list = Vec::new();
        for y in rows {
            for x in columns.clone() {
                let distance = libm::hypot(x as f64 - task.x, y as f64 - task.y);
                if distance <= task.core_radius
                    && self.is_usable(y, x)
                    && f64::from(self.residual[[y, x]]) > self.params.core_level_sigma * self.sigma(y, x)
                    && Self::is_own(task, rivals, y, x)
                {
                    list.push((y, x));
                }
            }
        }
        list
    }

    /// The pixels of a disc that this star owns, without the listed ones. With `below_core`, pixels above the core level
    /// stay out too: they belong to something else that is bright.
    fn fit_pixels(
        &self,
        task: &Task,
        rivals: &[Profile],
        without: &[(usize, usize)],
        below_core: bool,
    ) -> Vec<FitPixel> {
        let (rows, columns) = square(task, task.fit_radius, self.residual.dim());
        let mut list = Vec::new();
        for y in rows {
            for x in columns.clone() {
                let (fx, fy) = (x as f64, y as f64);
                let is_near = libm::hypot(fx - task.x, fy - task.y) <= task.fit_radius;
                if !is_near || !self.is_usable(y, x) || without.binary_search(&(y, x)).is_ok() {
                    continue;
                }
                let (value, sigma) = (f64::from(self.residual[[y, x]]), self.sigma(y, x));
                if below_core && value > self.params.core_level_sigma * sigma {
                    continue;
                }
                if Self::is_own(task, rivals, y, x) {
                    list.push(FitPixel { x: fx, y: fy, value, weight: 1.0 / (sigma * sigma) });
                }
            }
        }
        list
    }

    /// The two fits of a star: tailored and average; the better one that converged with a positive amplitude.
    fn best_fit(&self, task: &Task, pixels: &[FitPixel], is_wing: bool) -> Option<(StarModel, Fit)> {
        let model = self.psf.model;
        let cell = self.psf.cell_at(task.x, task.y);
        let wing_sd = self.params.wing_scatter_sigma;
        let centre = if is_wing { self.params.wing_centre_px } else { self.params.centre_px };
        let unit = Profile::new(model, &params_from_shape(model, &cell.median, 1.0, task.x, task.y));
        // The best amplitude for the average shape is linear.
        let (top, bottom) = pixels.iter().fold((0.0, 0.0), |(t, b), p| {
            let u = unit.value(p.x, p.y);
            (t + p.weight * u * p.value, b + p.weight * u * u)
        });
        let amplitude = if top > 0.0 { top / bottom } else { task.profile.peak() };
        let start = params_from_shape(model, &cell.median, amplitude, task.x, task.y);
        let options = FitOptions {
            max_iterations: self.params.max_iterations,
            tolerance: FIT_TOLERANCE,
            has_errors: false,
            has_search: false,
        };

        let names = model.shape_names();
        let mut tailored = Bounds::natural(model);
        let mut average = Bounds::natural(model);
        for bounds in [&mut tailored, &mut average] {
            bounds.lower[0] = 0.0;
            bounds.limit(1, task.x - centre, task.x + centre);
            bounds.limit(2, task.y - centre, task.y + centre);
        }
        for (k, name) in names.iter().enumerate() {
            let i = k + 3;
            // Wings alone leave amplitude and width undetermined together: the width stays near the cell's, the slope is free.
            let is_slope = *name == "alpha" || name.starts_with("sigma");
            let reach = cell.scatter[k] * if is_wing && is_slope { wing_sd } else { self.params.scatter_sigma };
            if *name == "ratio_g" {
                // The Gaussian's amplitude is bounded below only: a ratio has no fixed place in the parameters.
                tailored.lower[i] = 0.0;
                average.lower[i] = 0.0;
            } else if name.starts_with("theta") {
                if reach < std::f64::consts::FRAC_PI_2 {
                    tailored.limit(i, cell.median[k] - reach, cell.median[k] + reach);
                }
            } else {
                let (low, high) = (tailored.lower[i], tailored.upper[i]);
                tailored.limit(i, (cell.median[k] - reach).max(low), (cell.median[k] + reach).min(high));
                average.fix(i, cell.median[k]);
            }
        }
        let mut best: Option<(StarModel, Fit)> = None;
        for (kind, bounds) in [(StarModel::Tailored, &tailored), (StarModel::Average, &average)] {
            let result = fit(model, pixels, &start, bounds, &options);
            if result.is_converged()
                && result.params[0] > 0.0
                && result.params[..n_params(model)].iter().all(|v| v.is_finite())
                && best.as_ref().is_none_or(|(_, b)| result.chi2 < b.chi2)
            {
                best = Some((kind, result));
            }
        }
        best
    }

    /// Fits star `i` and lists the pixels that its removal changes.
    pub fn remove(&self, i: usize) -> Removal {
        let task = &self.tasks[i];
        let record = StarRecord::untouched(task.id, task.x, task.y, task.class, task.flags);
        let mut removal = Removal { record, pixels: Vec::new(), zeroed: Vec::new() };
        if task.flags != 0 {
            return removal;
        }
        let is_saturated = task.class == StarClass::Saturated;
        let rivals = self.rivals(i);
        // False also for NaN: nothing usable there, perhaps the core of an earlier star.
        let is_there = self.level_at(task) >= self.params.skip_sigma * task.sigma;
        if !is_saturated && !is_there {
            removal.record.flags |= StarFlags::REMOVED_BEFORE;
            return removal;
        }
        let mut core = if task.class == StarClass::Faint { Vec::new() } else { self.core_pixels(task, &rivals) };
        let grow = self.params.core_grow_px + usize::from(is_saturated);
        core = self.grown(&core, grow);
        let mut is_wing = !core.is_empty();
        let mut pixels = self.fit_pixels(task, &rivals, &core, is_wing);
        if is_wing && pixels.len() < self.params.min_wing_pixels && !is_saturated {
            is_wing = false;
            core.clear();
            pixels = self.fit_pixels(task, &rivals, &core, false);
            removal.record.flags |= StarFlags::WHOLE_FIT;
        }
        removal.record.n_pixels = pixels.len();
        if pixels.len() <= n_params(self.psf.model) {
            removal.record.flags |= StarFlags::TOO_FEW_PIXELS;
            self.blank(&mut removal, core, is_saturated);
            return removal;
        }
        // The wings of a bright star fill any annulus around it: there is no level to be seen there.
        let pedestal = if is_wing { 0.0 } else { self.pedestal(task) };
        for pixel in &mut pixels {
            pixel.value -= pedestal;
        }
        let Some((kind, result)) = self.best_fit(task, &pixels, is_wing) else {
            removal.record.flags |= StarFlags::NOT_CONVERGED;
            self.blank(&mut removal, core, is_saturated);
            return removal;
        };
        let profile = Profile::new(self.psf.model, &result.params);
        let record = &mut removal.record;
        record.x = result.params[1];
        record.y = result.params[2];
        record.amplitude = profile.peak();
        record.flux = profile.flux();
        record.fwhm = profile.mean_fwhm();
        record.chi2 = result.chi2;
        record.iterations = result.iterations;
        record.misfit = misfit(&pixels, result.chi2);
        // Misfit of noise is not a sign of anything: ask for three times the scatter of chi2 first.
        let n = pixels.len() as f64;
        let limit = if is_wing { self.params.max_wing_misfit } else { self.params.max_misfit };
        if !task.is_certain && record.misfit > limit && result.chi2 - n > 3.0 * (2.0 * n).sqrt() {
            record.flags |= StarFlags::EXTENDED;
            return removal;
        }
        record.model = kind;
        record.radius = task.write_radius;
        record.n_core = core.len();
        removal.pixels = self.subtracted(task, &profile);
        removal.zeroed = core;
        removal
    }

    /// A saturated star whose wings cannot be fitted loses its core alone.
    fn blank(&self, removal: &mut Removal, core: Vec<(usize, usize)>, is_saturated: bool) {
        if is_saturated {
            removal.record.flags |= StarFlags::CORE_ONLY;
            removal.record.n_core = core.len();
            removal.zeroed = core;
        }
    }

    /// New values of the pixels in the disc that is subtracted.
    fn subtracted(&self, task: &Task, profile: &Profile) -> Vec<(usize, usize, f32)> {
        let (rows, columns) = square(task, task.write_radius, self.residual.dim());
        let mut list = Vec::with_capacity(rows.len() * columns.len());
        for y in rows {
            for x in columns.clone() {
                let (fx, fy) = (x as f64, y as f64);
                let old = self.residual[[y, x]];
                if libm::hypot(fx - task.x, fy - task.y) <= task.write_radius
                    && old.is_finite()
                    && self.mask[[y, x]] & MaskBits::CORE == 0
                {
                    list.push((y, x, (f64::from(old) - profile.value(fx, fy)) as f32));
                }
            }
        }
        list
    }

    /// A list of pixels and their neighbours out to `grow` steps, in raster order.
    fn grown(&self, list: &[(usize, usize)], grow: usize) -> Vec<(usize, usize)> {
        let (height, width) = self.residual.dim();
        let mut all: Vec<(usize, usize)> = list
            .iter()
            .flat_map(|&(y, x)| {
                (y.saturating_sub(grow)..(y + grow + 1).min(height))
                    .flat_map(move |ny| (x.saturating_sub(grow)..(x + grow + 1).min(width)).map(move |nx| (ny, nx)))
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
