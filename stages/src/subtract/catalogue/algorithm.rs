//! Removes the stars of a catalogue, one after the other or level by level with the same result.

use ndarray::Array2;
use rayon::prelude::*;
use skyloom_data::{Image, Mask, MaskBits, PsfSet};

use super::params::SubtractCatalogue;
use super::record::{CatalogueFlags, CatalogueRecord};
use super::task::{Removal, Scene, prepare};
use crate::psf::CatalogueStar;
use crate::psf::PositionGrid;
use crate::subtract::Schedule;
use crate::subtract::levels::{by_level, levels};

/// The residuals and what happened to each star.
#[derive(Debug, Clone)]
pub struct CatalogueSubtraction {
    /// Residual pixels.
    pub pixels: Array2<f32>,
    /// Mask of the input with the CORE bits added; `None` when no pixel is masked.
    pub mask: Option<Mask>,
    /// Pixels with only the foreground stars removed.
    pub foreground_pixels: Array2<f32>,
    /// Their mask.
    pub foreground_mask: Option<Mask>,
    /// One record per catalogue row, in its order.
    pub records: Vec<CatalogueRecord>,
    /// Dependency levels that the stars fell into.
    pub n_levels: usize,
}

/// Why there is no residual.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubtractCatalogueError {
    /// Too many fits failed.
    #[error("{failed} of {fitted} stars had no model that converged, {limit} is the largest fraction allowed")]
    TooManyFailed {
        /// Stars without a converged model.
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

/// Stars whose removals are held in memory at once: at most 40 kB each, 1 kB for most.
const CHUNK: usize = 1024;

/// Height of the bands in which the stars of a level are visited: neighbours share cache lines and pages.
const BAND_PX: usize = 64;

/// Removes the stars of a catalogue from a background-subtracted image.
///
/// `noise` has the shape of the image; pixels above `core_counts` are the cores of bright stars. `tick` is called once per star, perhaps
/// from several threads; `false` stops the work. The catalogue may be in any order.
///
/// # Errors
/// When too many fits fail, or `tick` said stop.
#[expect(clippy::too_many_arguments, reason = "one more than subtract_stars, with the same meaning in the same order")]
pub fn subtract_catalogue(
    image: &Image,
    noise: &Image,
    psf: &PsfSet,
    stars: &[CatalogueStar],
    core_counts: f64,
    params: &SubtractCatalogue,
    schedule: Schedule,
    tick: &(dyn Fn() -> bool + Sync),
) -> Result<CatalogueSubtraction, SubtractCatalogueError> {
    let tasks = prepare(stars, image.width(), image.height(), params);
    let grid = PositionGrid::new(tasks.iter().map(|t| (t.star.x, t.star.y)), 16.0);
    let mut residual = image.pixels.clone();
    let mut mask = image.mask.clone().unwrap_or_else(|| Array2::zeros(residual.dim()));
    let mut records: Vec<Option<CatalogueRecord>> = vec![None; stars.len()];
    let mut removed = vec![false; tasks.len()];
    let n_foreground = tasks.iter().take_while(|t| t.is_foreground).count();
    let mut foreground = None;
    let mut n_levels = 0;
    let is_any = |mask: &Mask| mask.iter().any(|&m| m != 0);
    for part in [0..n_foreground, n_foreground..tasks.len()] {
        // Stars that stay in the image make nobody wait.
        let (active, idle): (Vec<usize>, Vec<usize>) = part.partition(|&i| tasks[i].is_active());
        for i in idle {
            let star = &tasks[i].star;
            records[tasks[i].row] = Some(CatalogueRecord::untouched(star.x, star.y, tasks[i].flags));
        }
        let groups: Vec<Vec<usize>> = match schedule {
            Schedule::Sequential => active.iter().map(|&i| vec![i]).collect(),
            Schedule::Levels => {
                let reaches: Vec<_> = active.iter().map(|&i| tasks[i].reach()).collect();
                let mut groups = by_level(&levels(image.width(), image.height(), &reaches));
                groups.iter_mut().flatten().for_each(|k| *k = active[*k]);
                // Stars of one level do not see each other: their order is free.
                for group in &mut groups {
                    group.sort_unstable_by_key(|&i| (tasks[i].cy / BAND_PX, tasks[i].cx, i));
                }
                groups
            }
        };
        n_levels += groups.len();
        for chunk in groups.iter().flat_map(|group| group.chunks(CHUNK)) {
            let scene = Scene {
                input: &image.pixels,
                residual: &residual,
                noise: &noise.pixels,
                mask: &mask,
                tasks: &tasks,
                grid: &grid,
                removed: &removed,
                psf,
                core_counts,
                params,
            };
            let removals: Option<Vec<Removal>> = chunk.par_iter().map(|&i| tick().then(|| scene.remove(i))).collect();
            for (removal, &i) in removals.ok_or(SubtractCatalogueError::Stopped)?.into_iter().zip(chunk) {
                if let Some(patch) = removal.patch {
                    patch.write(residual.view_mut());
                }
                for (y, x) in removal.zeroed {
                    residual[[y, x]] = 0.0;
                    mask[[y, x]] |= MaskBits::CORE;
                }
                removed[i] = removal.record.is_removed();
                records[tasks[i].row] = Some(removal.record);
            }
        }
        if foreground.is_none() {
            // A mask of nothing but zeros costs memory only when it is copied.
            foreground = Some((residual.clone(), is_any(&mask).then(|| mask.clone())));
        }
    }
    let records: Vec<CatalogueRecord> = records.into_iter().flatten().collect();
    let failed = records.iter().filter(|r| r.flags & CatalogueFlags::NOT_CONVERGED != 0).count();
    let fitted = records.iter().filter(|r| r.n_tried > 0).count();
    if failed as f64 > params.max_failed_fraction * fitted as f64 {
        return Err(SubtractCatalogueError::TooManyFailed { failed, fitted, limit: params.max_failed_fraction });
    }
    let mask = is_any(&mask).then_some(mask);
    let (foreground_pixels, foreground_mask) = foreground.unwrap_or_else(|| (residual.clone(), mask.clone()));
    Ok(CatalogueSubtraction { pixels: residual, mask, foreground_pixels, foreground_mask, records, n_levels })
}
