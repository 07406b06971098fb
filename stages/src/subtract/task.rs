//! From detections to an ordered list of stars to remove, with everything that is known before the first one goes.

use skyloom_data::{Image, MaskBits, PsfField};

use super::cores::Cores;
use super::levels::Reach;
use super::params::SubtractStars;
use super::record::{StarClass, StarFlags};
use crate::psf::{Candidate, PositionGrid, Profile, params_from_shape, peak_near, shape_scale};

/// One star to remove.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// Row in the table of detections; `None` for a core that the detection missed.
    pub id: Option<usize>,
    /// Start position.
    pub x: f64,
    pub y: f64,
    /// Noise at the start position.
    pub sigma: f64,
    /// Expected profile: the cell's median shape with the peak seen in the image, or needed to explain the core.
    pub profile: Profile,
    pub class: StarClass,
    /// The core of a saturated star.
    pub core: Option<usize>,
    /// The mask or blanked pixels say that it is a star: removed however badly the PSF fits its wings.
    pub is_certain: bool,
    pub fit_radius: f64,
    pub write_radius: f64,
    /// Largest distance from the start at which core pixels may lie.
    pub core_radius: f64,
    /// Nonzero: the star is not removed, and this says why.
    pub flags: i64,
}

impl Task {
    /// Pixels that the removal may read and write.
    pub fn reach(&self, params: &SubtractStars) -> Reach {
        let ceil = |r: f64| r.ceil() as usize + 2;
        let zeroed = ceil(self.core_radius) + params.core_grow_px;
        Reach {
            x: self.x.round().max(0.0) as usize,
            y: self.y.round().max(0.0) as usize,
            read: ceil(self.fit_radius + params.annulus_px).max(zeroed),
            write: if self.flags == 0 { ceil(self.write_radius).max(zeroed) } else { 0 },
        }
    }
}

/// Expected profile of a star with a peak at a position.
fn expected(psf: &PsfField, x: f64, y: f64, peak: f64) -> Profile {
    let cell = psf.cell_at(x, y);
    let amplitude = peak / shape_scale(psf.model, &cell.median);
    Profile::new(psf.model, &params_from_shape(psf.model, &cell.median, amplitude, x, y))
}

/// Orders the detections, brightest first, and decides how each is treated.
///
/// Detections inside one flat core become one saturated star; the others keep their row with the flag MERGED.
pub(super) fn prepare(
    image: &Image,
    noise: &Image,
    psf: &PsfField,
    cores: &Cores,
    detections: &[Candidate],
    params: &SubtractStars,
) -> Vec<Task> {
    let mut tasks: Vec<Task> = detections.iter().map(|star| single(image, noise, psf, star, params)).collect();
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); cores.list.len()];
    for (i, task) in tasks.iter().enumerate() {
        if task.flags & StarFlags::OUTSIDE == 0
            && let Some(core) = cores.near(task.x, task.y)
        {
            members[core].push(i);
        }
    }
    for (core, list) in members.iter().enumerate() {
        merge_saturated(noise, psf, cores, core, list, &mut tasks, params);
    }
    // Brightest first; position, then row, decide between equals: a shuffled table gives the same image.
    tasks.sort_by(|a, b| {
        b.profile
            .peak()
            .total_cmp(&a.profile.peak())
            .then(a.y.total_cmp(&b.y))
            .then(a.x.total_cmp(&b.x))
            .then(a.id.cmp(&b.id))
    });
    flag_duplicates(&mut tasks);
    tasks
}

/// Distance below which the fainter of two detections is the same star, in pixels (Miller et al. 2024, section 6: the
/// catalogue has duplicates; the distance is our choice).
const DUPLICATE_PX: f64 = 1.0;

/// Flags every star that has a brighter one within [`DUPLICATE_PX`]. The tasks are in order.
fn flag_duplicates(tasks: &mut [Task]) {
    let grid = PositionGrid::new(tasks.iter().map(|t| (t.x, t.y)), 16.0);
    for i in 0..tasks.len() {
        let task = &tasks[i];
        if task.flags == 0 && grid.any_within(task.x, task.y, DUPLICATE_PX, |j| j < i && tasks[j].flags == 0) {
            tasks[i].flags |= StarFlags::DUPLICATE;
        }
    }
}

fn single(image: &Image, noise: &Image, psf: &PsfField, star: &Candidate, params: &SubtractStars) -> Task {
    let (x, y) = (star.x, star.y);
    let is_inside = x > -0.5 && y > -0.5 && x < image.width() as f64 - 0.5 && y < image.height() as f64 - 0.5;
    let sigma = if is_inside { f64::from(noise.pixels[[y.round() as usize, x.round() as usize]]) } else { f64::NAN };
    let peak = if is_inside { peak_near(image, x, y) } else { f64::NAN };
    let has_light = peak > 0.0;
    let mut flags = 0;
    if !(is_inside && sigma > 0.0 && sigma.is_finite()) {
        flags |= StarFlags::OUTSIDE;
    } else if !has_light {
        flags |= StarFlags::REMOVED_BEFORE;
    }
    if star.sharpness < params.min_sharpness || star.sharpness > params.max_sharpness {
        flags |= StarFlags::SHARPNESS;
    }
    let peak = if has_light { peak } else { 0.0 };
    let profile = expected(psf, x, y, peak);
    let class = if peak > params.core_level_sigma * sigma { StarClass::Bright } else { StarClass::Faint };
    let mut task = Task {
        id: Some(star.id),
        x,
        y,
        sigma,
        profile,
        class,
        core: None,
        is_certain: false,
        fit_radius: 0.0,
        write_radius: 0.0,
        core_radius: 0.0,
        flags,
    };
    if flags & StarFlags::OUTSIDE == 0 {
        set_radii(&mut task, psf, params);
    }
    task
}

/// Radii that follow from the expected profile.
fn set_radii(task: &mut Task, psf: &PsfField, params: &SubtractStars) {
    let peak = task.profile.peak();
    let at = |level: f64| if peak > 0.0 { task.profile.radius_at(level * task.sigma / peak) } else { 0.0 };
    let fwhm = psf.cell_at(task.x, task.y).fwhm;
    let smallest = params.min_radius_px.max(fwhm).min(params.max_radius_px);
    let fit_radius = at(params.fit_level_sigma).clamp(smallest, params.max_radius_px);
    let write_radius = at(params.subtract_level_sigma).max(3.0 * fwhm).clamp(fit_radius, params.max_radius_px);
    if task.class != StarClass::Faint {
        // Twice the expected radius: a bright star's core is wider than that of the stars that made the PSF.
        task.core_radius = (2.0 * at(params.core_level_sigma) + 2.0).min(params.max_radius_px);
    }
    task.fit_radius = fit_radius;
    task.write_radius = write_radius;
}

/// Smallest core that counts as a star of its own: smaller ones are hot pixels and noise.
const MIN_CORE_AREA: usize = 9;

/// Turns the detections of a core into one saturated star, when the core is one. A core without any detection is a star
/// that the detection rejected for its flat top.
fn merge_saturated(
    noise: &Image,
    psf: &PsfField,
    cores: &Cores,
    index: usize,
    members: &[usize],
    tasks: &mut Vec<Task>,
    params: &SubtractStars,
) {
    let core = &cores.list[index];
    let first = members.iter().copied().max_by(|&a, &b| {
        tasks[a].profile.peak().total_cmp(&tasks[b].profile.peak()).then(tasks[b].id.cmp(&tasks[a].id))
    });
    // Core pixels where the PSF of some detection is expected above the core level.
    let reaches: Vec<(f64, f64, f64)> = members
        .iter()
        .map(|&i| {
            let task = &tasks[i];
            let radius = task.profile.radius_at(params.core_level_sigma * task.sigma / task.profile.peak());
            (task.x, task.y, radius.max(0.5))
        })
        .collect();
    let explained = core
        .runs
        .iter()
        .flat_map(|r| (r.x0..r.x1).map(|x| (x as f64, r.y as f64)))
        .filter(|(x, y)| reaches.iter().any(|(tx, ty, radius)| libm::hypot(x - tx, y - ty) <= *radius))
        .count();
    let is_certain = core.n_saturated > 0 || core.n_dips > 0;
    let is_flat = !cores.is_saturation_known
        && core.area >= MIN_CORE_AREA
        && core.area as f64 > params.flat_core_ratio * explained as f64;
    if !(is_flat || (is_certain && (first.is_some() || core.area >= MIN_CORE_AREA))) {
        return;
    }
    // A saturated star has the edge of a point source; the bright middle of a cluster or galaxy fades slowly.
    if !is_certain && core.drop * psf.cell_at(core.x, core.y).fwhm < params.min_edge * core.peak {
        for &i in members {
            tasks[i].flags |= StarFlags::EXTENDED;
        }
        return;
    }
    let (x, y) = (core.x, core.y);
    // The centroid of a curved core may lie on a pixel without noise: the first core pixel with noise serves then.
    let at = |y: usize, x: usize| f64::from(noise.pixels[[y, x]]);
    let mut places = core.runs.iter().flat_map(|r| (r.x0..r.x1).map(|x| (r.y, x)));
    let centre = at(y.round() as usize, x.round() as usize);
    let is_good = |s: &f64| *s > 0.0 && s.is_finite();
    let Some(sigma) = Some(centre).filter(is_good).or_else(|| places.find_map(|(y, x)| Some(at(y, x)).filter(is_good)))
    else {
        return;
    };
    // The peak that a PSF needs to reach the core level at the edge of the core.
    let radius = (core.area as f64 / std::f64::consts::PI).sqrt();
    let unit = expected(psf, x, y, 1.0);
    let edge = unit.value(x + radius * std::f64::consts::FRAC_1_SQRT_2, y + radius * std::f64::consts::FRAC_1_SQRT_2);
    let seen = first.map_or(0.0, |i| tasks[i].profile.peak());
    let peak = (params.core_level_sigma * sigma / edge.max(1e-12)).max(seen);
    for &i in members {
        tasks[i].flags |= StarFlags::MERGED;
    }
    let farthest = core.runs.iter().fold(0.0_f64, |far, run| {
        let (dx0, dx1) = ((run.x0 as f64 - x).abs(), (run.x1 as f64 - 1.0 - x).abs());
        far.max(dx0).max(dx1).max((run.y as f64 - y).abs())
    });
    let mut task = Task {
        id: first.and_then(|i| tasks[i].id),
        x,
        y,
        sigma,
        profile: expected(psf, x, y, peak),
        class: StarClass::Saturated,
        core: Some(index),
        is_certain,
        fit_radius: 0.0,
        write_radius: 0.0,
        core_radius: 0.0,
        flags: 0,
    };
    set_radii(&mut task, psf, params);
    task.core_radius = farthest + 1.0;
    match first {
        Some(i) => tasks[i] = task,
        None => tasks.push(task),
    }
}

/// Pixels that no fit may use.
pub(super) const UNUSABLE: u16 = MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED | MaskBits::CORE;
