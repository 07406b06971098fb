//! Removes stars one after the other, or level by level with the same result.

use ndarray::Array2;
use rayon::prelude::*;
use skyloom_data::{Image, Mask, MaskBits, PsfField};

use super::cores::Cores;
use super::fit::{Removal, Scene};
use super::levels::{by_level, levels};
use super::params::SubtractStars;
use super::record::{StarFlags, StarRecord};
use super::task::prepare;
use crate::psf::{Candidate, PositionGrid};

/// In which order stars are removed. The result is the same bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// One after the other: the definition of the result.
    Sequential,
    /// All stars of a dependency level at the same time, on the current rayon pool.
    Levels,
}

/// The residual image and what happened to each star.
#[derive(Debug, Clone)]
pub struct Subtraction {
    /// Residual pixels.
    pub pixels: Array2<f32>,
    /// Mask of the input with the CORE bits added; `None` when no pixel is masked.
    pub mask: Option<Mask>,
    /// One record per detection, in the order of the detections, then one per bright core that no detection claimed.
    pub records: Vec<StarRecord>,
    /// Dependency levels that the stars fell into.
    pub n_levels: usize,
}

/// Why there is no residual.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubtractError {
    /// Too many fits failed.
    #[error("{failed} of {fitted} star fits did not converge, {limit} is the largest fraction allowed")]
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

/// Stars whose removals are held in memory at once: a bright one changes 10,000 pixels.
const CHUNK: usize = 512;

/// Subtracts stars from a background-subtracted image.
///
/// `noise` has the shape of the image; the PSF field belongs to it. `tick` is called once per star, perhaps from several
/// threads; `false` stops the work. Detections may come in any order: the brightest is removed first.
///
/// # Errors
/// When too many fits fail, or `tick` said stop.
pub fn subtract_stars(
    image: &Image,
    noise: &Image,
    psf: &PsfField,
    detections: &[Candidate],
    params: &SubtractStars,
    schedule: Schedule,
    tick: &(dyn Fn() -> bool + Sync),
) -> Result<Subtraction, SubtractError> {
    let cores = Cores::find(image, noise, params.core_level_sigma);
    let tasks = prepare(image, noise, psf, &cores, detections, params);
    let grid = PositionGrid::new(tasks.iter().map(|t| (t.x, t.y)), 16.0);
    let mut residual = image.pixels.clone();
    let mut mask = image.mask.clone().unwrap_or_else(|| Array2::zeros(residual.dim()));
    let mut records: Vec<Option<StarRecord>> = vec![None; tasks.len()];

    let groups = match schedule {
        Schedule::Sequential => (0..tasks.len()).map(|i| vec![i]).collect(),
        Schedule::Levels => {
            let reaches: Vec<_> = tasks.iter().map(|t| t.reach(params)).collect();
            by_level(&levels(image.width(), image.height(), &reaches))
        }
    };
    for group in &groups {
        for chunk in group.chunks(CHUNK) {
            let scene = Scene {
                noise: &noise.pixels,
                residual: &residual,
                mask: &mask,
                tasks: &tasks,
                grid: &grid,
                cores: &cores,
                psf,
                params,
            };
            let removals: Option<Vec<Removal>> = chunk.par_iter().map(|&i| tick().then(|| scene.remove(i))).collect();
            for (removal, &i) in removals.ok_or(SubtractError::Stopped)?.into_iter().zip(chunk) {
                for (y, x, value) in removal.pixels {
                    residual[[y, x]] = value;
                }
                for (y, x) in removal.zeroed {
                    residual[[y, x]] = 0.0;
                    mask[[y, x]] |= MaskBits::CORE;
                }
                records[i] = Some(removal.record);
            }
        }
    }
    let mut records: Vec<StarRecord> = records.into_iter().flatten().collect();
    // Stable, and the tasks have a defined order: the additional stars come last, brightest first.
    records.sort_by_key(|r| r.id.unwrap_or(usize::MAX));

    let failed = records.iter().filter(|r| r.flags & StarFlags::NOT_CONVERGED != 0).count();
    let fitted = records.iter().filter(|r| r.n_pixels > 0).count();
    if failed as f64 > params.max_failed_fraction * fitted as f64 {
        return Err(SubtractError::TooManyFailed { failed, fitted, limit: params.max_failed_fraction });
    }
    let is_masked = mask.iter().any(|&m| m != 0);
    Ok(Subtraction { pixels: residual, mask: is_masked.then_some(mask), records, n_levels: groups.len() })
}
