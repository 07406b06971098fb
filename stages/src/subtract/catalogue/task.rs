//! One star of the catalogue, ready to be removed, and its removal from the image of the moment.

use std::cell::RefCell;

use ndarray::{Array2, ArrayViewMut2, s};
use skyloom_data::{MaskBits, PsfSet};

use super::class::{ClassModels, SaturatedClass, StarRoute, between};
use super::models::{Fitted, ModelFit};
use super::params::SubtractCatalogue;
use super::record::{CatalogueFlags, CatalogueRecord, Treatment};
use super::segment::{Detection, hole, star_segment};
use crate::psf::CatalogueStar;
use crate::psf::{FitPixel, FitPixels, PositionGrid, model_chi2, model_values_into};
use crate::subtract::levels::Reach;

/// How far a star's segment may begin from the catalogue position: wide enough for a bad position, too short for a neighbour.
const SEGMENT_REACH_PX: usize = 2;

/// One star in the order of removal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// Row of the catalogue.
    pub row: usize,
    pub star: CatalogueStar,
    /// Pixel of the catalogue position.
    pub cx: usize,
    pub cy: usize,
    /// Half side of the cut-out.
    pub half: usize,
    pub is_foreground: bool,
    /// A static reason not to remove it.
    pub flags: i64,
}

impl Task {
    /// Whether nothing known beforehand keeps the star in the image.
    pub fn is_active(&self) -> bool {
        self.flags & !CatalogueFlags::FOREGROUND == 0
    }

    pub fn reach(&self) -> Reach {
        Reach { x: self.cx, y: self.cy, read: self.half, write: self.half }
    }
}

/// The stars in the order of removal: foreground first, then from bright to faint; place and number decide between equals.
pub(super) fn prepare(stars: &[CatalogueStar], width: usize, height: usize, params: &SubtractCatalogue) -> Vec<Task> {
    let mut tasks: Vec<Task> = stars
        .iter()
        .enumerate()
        .map(|(row, &star)| {
            let inside = |v: f64, size: usize| v > -0.5 && v < size as f64 - 0.5;
            let mut flags = 0;
            if !(inside(star.x, width) && inside(star.y, height) && star.mag.is_finite()) {
                flags |= CatalogueFlags::OUTSIDE;
            }
            // NaN passes: not known is no reason.
            if star.prob < params.min_prob {
                flags |= CatalogueFlags::PROBABILITY;
            }
            if star.sharp >= params.max_sharp {
                flags |= CatalogueFlags::SHARPNESS;
            }
            let row_of = params.row_of(star.mag);
            if row_of.is_none() {
                flags |= CatalogueFlags::FAINT;
            }
            let is_foreground =
                star.parallax >= params.min_parallax_mas && star.parallax_error <= params.max_parallax_error_mas;
            if is_foreground {
                // Not a reason to leave it: told apart below.
                flags |= CatalogueFlags::FOREGROUND;
            }
            let own = row_of.map_or(3, |(i, _, _)| params.classes[i].cutout_px);
            let is_large = is_foreground && star.mag < params.foreground_cutout_max_mag;
            let cutout = if is_large { own.max(params.foreground_cutout_px) } else { own };
            let pixel = |v: f64, size: usize| if inside(v, size) { v.round() as usize } else { 0 };
            let (cx, cy) = (pixel(star.x, width), pixel(star.y, height));
            Task { row, star, cx, cy, half: cutout / 2, is_foreground, flags }
        })
        .collect();
    tasks.sort_by(|a, b| {
        b.is_foreground
            .cmp(&a.is_foreground)
            .then(a.star.mag.total_cmp(&b.star.mag))
            .then(a.star.y.total_cmp(&b.star.y))
            .then(a.star.x.total_cmp(&b.star.x))
            .then(a.star.id.cmp(&b.star.id))
            .then(a.row.cmp(&b.row))
    });
    tasks
}

/// Everything that a removal may look at.
pub(super) struct Scene<'a> {
    pub input: &'a Array2<f32>,
    pub residual: &'a Array2<f32>,
    pub noise: &'a Array2<f32>,
    pub mask: &'a Array2<u16>,
    pub tasks: &'a [Task],
    /// Over the positions of the tasks.
    pub grid: &'a PositionGrid,
    /// Which tasks have left the image so far.
    pub removed: &'a [bool],
    pub psf: &'a PsfSet,
    pub core_counts: f64,
    pub params: &'a SubtractCatalogue,
}

/// New values of a rectangle of the image.
pub(super) struct Patch {
    pub x0: usize,
    pub y0: usize,
    pub width: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

impl Patch {
    /// Writes the values into the image.
    pub fn write(&self, mut image: ArrayViewMut2<'_, f32>) {
        for (y, row) in (self.y0..).zip(self.values.chunks_exact(self.width)) {
            let mut line = image.slice_mut(s![y, self.x0..self.x0 + self.width]);
            line.iter_mut().zip(row).for_each(|(old, new)| *old = *new);
        }
    }
}

/// What a removal changes.
pub(super) struct Removal {
    pub record: CatalogueRecord,
    /// What is left in the cut-out of a star that was fitted.
    pub patch: Option<Patch>,
    /// Row and column of pixels that become 0 and CORE.
    pub zeroed: Vec<(usize, usize)>,
}

/// The cut-out of one star.
struct Stamp {
    x0: usize,
    y0: usize,
    /// Residual in units of the noise; NaN where there is no usable value. Zeroed cores are 0.
    sn: Array2<f32>,
    /// The star's pixel.
    centre: (usize, usize),
}

thread_local! {
    /// Pixels of the fit, those of the comparison, and values of a model: a million stars must not allocate them.
    static BUFFERS: RefCell<(FitPixels, FitPixels, Vec<f64>)> = RefCell::default();
}

/// Pixels that no fit may use: no value, or the zeroed core of an earlier star.
const UNUSABLE: u16 = MaskBits::BAD | MaskBits::NO_DATA | MaskBits::CORE | MaskBits::SATURATED;

impl Scene<'_> {
    fn stamp(&self, task: &Task) -> Stamp {
        let (height, width) = self.residual.dim();
        let (y0, y1) = (task.cy.saturating_sub(task.half), (task.cy + task.half + 1).min(height));
        let (x0, x1) = (task.cx.saturating_sub(task.half), (task.cx + task.half + 1).min(width));
        let view = s![y0..y1, x0..x1];
        let mut sn = self.residual.slice(view).to_owned();
        ndarray::Zip::from(&mut sn).and(self.noise.slice(view)).and(self.mask.slice(view)).for_each(|v, &n, &m| {
            let is_value = m & (MaskBits::BAD | MaskBits::NO_DATA) == 0 && n > 0.0;
            *v = if is_value { *v / n } else { f32::NAN };
        });
        Stamp { x0, y0, sn, centre: (task.cy - y0, task.cx - x0) }
    }

    /// Whether one of the central 3x3 pixels of the input is saturated.
    fn is_saturated(&self, task: &Task) -> bool {
        let (height, width) = self.input.dim();
        let limit = self.params.saturated_below_sigma;
        (task.cy.saturating_sub(1)..(task.cy + 2).min(height)).any(|y| {
            (task.cx.saturating_sub(1)..(task.cx + 2).min(width)).any(|x| {
                let (value, sigma) = (f64::from(self.input[[y, x]]), f64::from(self.noise[[y, x]]));
                let bits = self.mask[[y, x]];
                bits & MaskBits::SATURATED != 0
                    || (bits & (MaskBits::BAD | MaskBits::NO_DATA) == 0 && sigma > 0.0 && value < limit * sigma)
            })
        })
    }

    /// Median of the 3x3 pixels at the star, in units of the noise; NaN without any.
    fn level_at(stamp: &Stamp) -> f64 {
        let (cy, cx) = stamp.centre;
        let (height, width) = stamp.sn.dim();
        let mut values = Vec::with_capacity(9);
        for y in cy.saturating_sub(1)..(cy + 2).min(height) {
            for x in cx.saturating_sub(1)..(cx + 2).min(width) {
                if stamp.sn[[y, x]].is_finite() {
                    values.push(f64::from(stamp.sn[[y, x]]));
                }
            }
        }
        crate::psf::median(&values)
    }

    /// Removes one star from the image of the moment.
    pub fn remove(&self, i: usize) -> Removal {
        let task = &self.tasks[i];
        let record = CatalogueRecord::untouched(task.star.x, task.star.y, task.flags);
        let mut removal = Removal { record, patch: None, zeroed: Vec::new() };
        let Some((row, bright, faint)) = self.params.row_of(task.star.mag) else { return removal };
        let duplicate = self.params.duplicate_px;
        if duplicate > 0.0 && self.grid.any_within(task.star.x, task.star.y, duplicate, |j| j < i && self.removed[j]) {
            removal.record.flags |= CatalogueFlags::DUPLICATE;
            return removal;
        }
        let stamp = self.stamp(task);
        let saturated = self.params.saturated.iter().position(|r| task.star.mag < r.max_mag);
        if let Some(class) = saturated
            && self.is_saturated(task)
        {
            removal.record.class = class as i64;
            self.blank(task, &stamp, &self.params.saturated[class], &mut removal);
            return removal;
        }
        // False for NaN: there is nothing to be seen.
        let is_there = Self::level_at(&stamp) >= self.params.skip_sigma;
        if !is_there {
            removal.record.flags |= CatalogueFlags::REMOVED_BEFORE;
            return removal;
        }
        removal.record.class = row as i64;
        self.fit_and_subtract(task, &stamp, &self.params.classes[row], (bright, faint), &mut removal);
        removal
    }

    /// A saturated star: its segment and its hole become 0.
    fn blank(&self, task: &Task, stamp: &Stamp, class: &SaturatedClass, removal: &mut Removal) {
        let limit = self.params.saturated_below_sigma as f32;
        let dead = hole(stamp.sn.view(), stamp.centre, |v| v < limit);
        let how = Detection {
            pixels: class.detect_pixels,
            sigma: class.detect_sigma,
            deblend_pixels: class.deblend_pixels,
            deblend_contrast: class.deblend_contrast,
            deblend_levels: self.params.deblend_levels,
            // The segment lies around the hole: as far as the hole goes, and a little more.
            reach: dead
                .iter()
                .map(|&(y, x)| y.abs_diff(stamp.centre.0).max(x.abs_diff(stamp.centre.1)))
                .fold(SEGMENT_REACH_PX, usize::max)
                .saturating_add(SEGMENT_REACH_PX)
                .min(task.half),
        };
        let segment = star_segment(stamp.sn.view(), stamp.centre, &how);
        if segment.is_none() {
            removal.record.flags |= CatalogueFlags::NO_SEGMENT;
        }
        let mut all: Vec<(usize, usize)> = dead.into_iter().chain(segment.into_iter().flatten()).collect();
        all.sort_unstable();
        all.dedup();
        removal.record.treatment = Treatment::Saturated;
        removal.record.n_zeroed = all.len() as i64;
        removal.zeroed = all.into_iter().map(|(y, x)| (y + stamp.y0, x + stamp.x0)).collect();
    }

    fn fit_and_subtract(&self, task: &Task, stamp: &Stamp, row: &StarRoute, ends: (f64, f64), removal: &mut Removal) {
        BUFFERS.with_borrow_mut(|(pixels, compared, light)| {
            pixels.clear();
            self.fit_and_subtract_with(task, stamp, row, ends, removal, (pixels, compared, light));
        });
    }

    fn fit_and_subtract_with(
        &self,
        task: &Task,
        stamp: &Stamp,
        row: &StarRoute,
        (bright, faint): (f64, f64),
        removal: &mut Removal,
        (pixels, compared, light): (&mut FitPixels, &mut FitPixels, &mut Vec<f64>),
    ) {
        let how = Detection {
            pixels: row.detect_pixels,
            sigma: row.detect_sigma,
            deblend_pixels: row.deblend_pixels,
            deblend_contrast: row.deblend_contrast,
            deblend_levels: self.params.deblend_levels,
            reach: SEGMENT_REACH_PX,
        };
        let Some(segment) = star_segment(stamp.sn.view(), stamp.centre, &how) else {
            removal.record.flags |= CatalogueFlags::NO_SEGMENT;
            return;
        };
        let value = |&(y, x): &(usize, usize)| f64::from(self.residual[[y + stamp.y0, x + stamp.x0]]);
        let core: Vec<(usize, usize)> = if row.has_core {
            segment.iter().filter(|&p| value(p) > self.core_counts).copied().collect()
        } else {
            Vec::new()
        };
        let scale = |ends| between(ends, task.star.mag, bright, faint);
        let n_wing = segment.len() - core.len();
        let on_wings = row.has_core && n_wing > row.min_pixels;
        let mut psf = (&self.psf.bright_moffat, &self.psf.bright_compound);
        let (mut bound_sd, mut centre_px) = (row.bound_sd, row.centre_px);
        let mut radius = row.residual_radius_px.map(scale);
        let mut disc = (row.min_segment_pixels, scale(row.disc_radius_px));
        if on_wings {
            self.add_pixels(stamp, segment.iter().filter(|p| core.binary_search(p).is_err()).copied(), pixels);
        } else {
            psf = (&self.psf.faint_moffat, &self.psf.faint_compound);
            if row.has_core {
                let Some(route) = &row.faint_route else {
                    removal.record.flags |= CatalogueFlags::TOO_FEW_PIXELS;
                    return;
                };
                removal.record.flags |= CatalogueFlags::FAINT_ROUTE;
                (bound_sd, centre_px) = (Some(route.bound_sd), route.centre_px);
                radius = Some(route.residual_radius_px);
                disc = (route.min_segment_pixels, scale(route.disc_radius_px));
            }
            if segment.len() >= disc.0 {
                self.add_pixels(stamp, segment.iter().copied(), pixels);
            } else {
                removal.record.flags |= CatalogueFlags::DISC;
                self.add_pixels(stamp, disc_pixels(stamp, task.star.x, task.star.y, disc.1), pixels);
            }
        }
        let pixels = &*pixels;
        removal.record.n_pixels = pixels.len() as i64;
        let attempts = ModelFit {
            moffat: psf.0,
            compound: (row.models == ClassModels::All).then_some(psf.1),
            x: task.star.x,
            y: task.star.y,
            centre_px,
            bound_sd,
            min_alpha: self.params.min_alpha,
            max_iterations: self.params.max_iterations,
        }
        .run(pixels);
        removal.record.n_tried = attempts.n_tried as i64;
        removal.record.iterations = attempts.iterations as i64;
        let zeroed: &[(usize, usize)] = if on_wings { &core } else { &[] };
        let scored = attempts.fitted.into_iter().map(|f| (self.misfit(stamp, &f, radius, zeroed, pixels, compared), f));
        let Some((chi2, best)) = scored.fold(None, |best: Option<(f64, Fitted)>, this| match best {
            Some(b) if b.0 <= this.0 => Some(b),
            _ => Some(this),
        }) else {
            removal.record.flags |=
                if pixels.len() > 11 { CatalogueFlags::NOT_CONVERGED } else { CatalogueFlags::TOO_FEW_PIXELS };
            return;
        };
        let record = &mut removal.record;
        (record.x, record.y) = (best.fit.params[1], best.fit.params[2]);
        record.flux = if best.profile.flux().is_finite() { best.profile.flux() } else { f64::NAN };
        record.peak = best.profile.peak();
        record.fwhm = best.profile.mean_fwhm();
        record.treatment = if on_wings && !core.is_empty() { Treatment::Core } else { Treatment::Whole };
        record.model = Some(best.kind);
        record.chi2 = chi2;
        record.n_zeroed = zeroed.len() as i64;
        removal.zeroed = zeroed.iter().map(|&(y, x)| (y + stamp.y0, x + stamp.x0)).collect();
        removal.patch = Some(self.subtracted(stamp, &best, light));
    }

    fn is_usable(&self, y: usize, x: usize) -> bool {
        self.mask[[y, x]] & UNUSABLE == 0 && self.residual[[y, x]].is_finite() && self.noise[[y, x]] > 0.0
    }

    /// Adds the usable ones of some pixels of the cut-out.
    fn add_pixels(&self, stamp: &Stamp, list: impl Iterator<Item = (usize, usize)>, pixels: &mut FitPixels) {
        let usable = list.map(|(y, x)| (y + stamp.y0, x + stamp.x0)).filter(|&(y, x)| self.is_usable(y, x));
        pixels.extend(usable.map(|(y, x)| {
            let sigma = f64::from(self.noise[[y, x]]);
            let weight = if self.params.is_weighted { 1.0 / (sigma * sigma) } else { 1.0 };
            FitPixel { x: x as f64, y: y as f64, value: f64::from(self.residual[[y, x]]), weight }
        }));
    }

    /// Sum of squared residuals within the radius of the fitted centre, without the core; over the fitted pixels when no
    /// radius is given.
    fn misfit(
        &self,
        stamp: &Stamp,
        fitted: &Fitted,
        radius: Option<f64>,
        core: &[(usize, usize)],
        pixels: &FitPixels,
        compared: &mut FitPixels,
    ) -> f64 {
        let params = &fitted.fit.params;
        match radius {
            None => model_chi2(fitted.fit.model, pixels, params),
            Some(radius) => {
                let disc = disc_pixels(stamp, params[1], params[2], radius);
                compared.clear();
                if core.is_empty() {
                    self.add_pixels(stamp, disc, compared);
                } else {
                    self.add_pixels(stamp, disc.filter(|p| core.binary_search(p).is_err()), compared);
                }
                model_chi2(fitted.fit.model, compared, params)
            }
        }
    }

    /// The cut-out without the star.
    fn subtracted(&self, stamp: &Stamp, best: &Fitted, light: &mut Vec<f64>) -> Patch {
        let (height, width) = stamp.sn.dim();
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (y + stamp.y0, x + stamp.x0)));
        model_values_into(best.fit.model, &best.fit.params, places.clone().map(|(y, x)| (x as f64, y as f64)), light);
        let left = places.zip(&*light).map(|((y, x), light)| {
            let old = self.residual[[y, x]];
            let is_kept_at_zero = self.params.keep_cores_zero && self.mask[[y, x]] & MaskBits::CORE != 0;
            if old.is_finite() && !is_kept_at_zero { (f64::from(old) - light) as f32 } else { old }
        });
        Patch { x0: stamp.x0, y0: stamp.y0, width, values: left.collect() }
    }
}

/// Pixels of the cut-out whose centres lie within a radius of a position in the image, in raster order.
fn disc_pixels(stamp: &Stamp, x: f64, y: f64, radius: f64) -> impl Iterator<Item = (usize, usize)> {
    let (height, width) = stamp.sn.dim();
    let (x0, y0) = (stamp.x0, stamp.y0);
    // One pixel more on each side than rounding could ask for; nothing when the position is not a number.
    let span = |centre: f64, first: usize, size: usize| {
        let low = (centre - radius - first as f64).floor().max(0.0) as usize;
        let high = (centre + radius - first as f64).ceil().max(-1.0) + 1.0;
        low.min(size)..(high as usize).min(size)
    };
    let (columns, rows) = (span(x, x0, width), span(y, y0, height));
    rows.flat_map(move |py| columns.clone().map(move |px| (py, px))).filter(move |&(py, px)| {
        let (dx, dy) = ((px + x0) as f64 - x, (py + y0) as f64 - y);
        dx * dx + dy * dy <= radius * radius
    })
}
