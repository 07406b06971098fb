//! Background and noise maps from boxes, as functions over arrays.

use ndarray::{Array2, ArrayView2, Zip};
use rayon::prelude::*;

use crate::background::Watch;

use super::boxes::Clipper;
use super::fill::fill_cells;
use super::lanes::{Value as _, gather};
use super::limits::image_limits;
use super::params::MeshBackground;
use super::smooth::median_filter;
use super::spline::Zoom;

/// The mesh after filling and filtering, `[y, x]` in boxes from pixel (0, 0).
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    /// Levels.
    pub background: Array2<f64>,
    /// Scatters; greater than 0.
    pub noise: Array2<f64>,
    /// Boxes (y, x) with too few pixels, filled from their neighbours, in raster order.
    pub excluded: Vec<(usize, usize)>,
    /// Further boxes whose scatter was zero or not finite; only their noise was filled.
    pub without_noise: Vec<(usize, usize)>,
    /// Rows and columns of a box, in pixels.
    pub box_px: [usize; 2],
}

/// Full-size maps.
#[derive(Debug, Clone, PartialEq)]
pub struct MeshMaps {
    /// Input minus background.
    pub image: Array2<f32>,
    /// The background.
    pub background: Array2<f32>,
    /// The noise, greater than 0 everywhere.
    pub noise: Array2<f32>,
    /// What the maps were enlarged from.
    pub mesh: Mesh,
}

/// Why there is no mesh.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MeshError {
    /// The image has no pixels.
    #[error("the image has no pixels")]
    Empty,
    /// Image and bad-pixel map differ in shape.
    #[error("the bad-pixel map has {found:?} rows and columns, the image {expected:?}")]
    Shape {
        /// Rows and columns of the map.
        found: (usize, usize),
        /// Rows and columns of the image.
        expected: (usize, usize),
    },
    /// All pixels are bad.
    #[error("all {n_pixels} pixels are masked or not finite")]
    NoGoodPixel {
        /// Pixels of the image.
        n_pixels: usize,
    },
    /// No box has enough pixels.
    #[error("none of the {n_boxes} boxes keeps more than {needed:.1} pixels; the best keeps {best}")]
    AllExcluded {
        /// Boxes.
        n_boxes: usize,
        /// A box must keep more pixels than this.
        needed: f64,
        /// Pixels of the box that keeps most.
        best: usize,
    },
    /// Every box that keeps enough pixels has zero noise.
    #[error("the noise is zero in all {n_boxes} boxes that keep enough pixels")]
    ZeroNoise {
        /// Boxes with enough pixels.
        n_boxes: usize,
    },
    /// `watch` asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Rows that `watch` will be told of: the total for a progress bar.
#[must_use]
pub fn rows_of_work(shape: (usize, usize)) -> u64 {
    3 * shape.0 as u64
}

/// Measures, fills and filters the mesh, and enlarges it to the image. Pixels that are `bad` take no part.
///
/// # Errors
/// See [`MeshError`].
pub fn mesh_background(
    pixels: ArrayView2<'_, f32>,
    bad: ArrayView2<'_, bool>,
    params: &MeshBackground,
    watch: Watch<'_>,
) -> Result<MeshMaps, MeshError> {
    let mesh = measure_mesh(pixels, bad, params, watch)?;
    let shape = pixels.dim();
    let zooms = [&mesh.background, &mesh.noise].map(|m| Zoom::new(m, mesh.box_px, [shape.0, shape.1]));
    let [mut image, mut background, mut noise] = std::array::from_fn(|_| Array2::<f32>::zeros(shape));
    // The three maps together, while a row is in the cache.
    (image.outer_iter_mut().into_par_iter(), background.outer_iter_mut(), noise.outer_iter_mut(), pixels.outer_iter())
        .into_par_iter()
        .enumerate()
        .try_for_each_init(Vec::new, |line, (y, (mut image, mut background, mut noise, pixels))| {
            for (zoom, map) in zooms.iter().zip([&mut background, &mut noise]) {
                zoom.row(y, line, map.as_slice_mut()?, |v| v as f32);
            }
            Zip::from(&mut image).and(&pixels).and(&background).for_each(|to, v, b| *to = v - b);
            watch(2).then_some(())
        })
        .ok_or(MeshError::Stopped)?;
    Ok(MeshMaps { image, background, noise, mesh })
}

/// Measures, fills and filters the mesh.
///
/// # Errors
/// See [`MeshError`].
pub fn measure_mesh(
    pixels: ArrayView2<'_, f32>,
    bad: ArrayView2<'_, bool>,
    params: &MeshBackground,
    watch: Watch<'_>,
) -> Result<Mesh, MeshError> {
    if pixels.is_empty() {
        return Err(MeshError::Empty);
    }
    if bad.dim() != pixels.dim() {
        return Err(MeshError::Shape { found: bad.dim(), expected: pixels.dim() });
    }
    if Zip::from(pixels).and(bad).all(|v, b| *b || !v.is_finite()) {
        return Err(MeshError::NoGoodPixel { n_pixels: pixels.len() });
    }
    // Rows in one piece; a copy only of a view that has none.
    let (pixels, bad) = (pixels.as_standard_layout(), bad.as_standard_layout());
    let (shape, box_px) = (pixels.dim(), params.box_size(pixels.dim()));
    let (Some(pixels), Some(bad)) = (pixels.as_slice(), bad.as_slice()) else { return Err(MeshError::Empty) };
    let limits = params.mask_sigma.map_or(f64::NEG_INFINITY..=f64::INFINITY, |k| image_limits(pixels, bad, shape.1, k));
    let boxes = measure_boxes(pixels, bad, shape, params, box_px, &limits, watch)?;

    let needed = (1.0 - params.exclude_percentile / 100.0) * (box_px[0] * box_px[1]) as f64;
    let is_excluded = boxes.map(|b| b.n_kept as f64 <= needed || !b.level.is_finite());
    let has_noise = |b: &Measured| (b.scatter as f32) > 0.0 && b.scatter.is_finite();
    let mut background = Array2::from_elem(boxes.raw_dim(), f64::NAN);
    let mut noise = background.clone();
    let (mut excluded, mut without_noise) = (Vec::new(), Vec::new());
    for (at, measured) in boxes.indexed_iter() {
        if is_excluded[at] {
            excluded.push(at);
            continue;
        }
        background[at] = measured.level;
        if has_noise(measured) {
            noise[at] = measured.scatter;
        } else {
            without_noise.push(at);
        }
    }
    if !fill_cells(&mut background) {
        let best = boxes.iter().map(|b| b.n_kept).max().unwrap_or(0);
        return Err(MeshError::AllExcluded { n_boxes: boxes.len(), needed, best });
    }
    if !fill_cells(&mut noise) {
        return Err(MeshError::ZeroNoise { n_boxes: boxes.len() - excluded.len() });
    }
    // Both meshes are filtered in the same cells: those whose level is above the threshold before filtering.
    let levels = background;
    let threshold = params.filter_threshold.map(|t| (t, &levels));
    let noise = median_filter(&noise, params.filter_size(), threshold);
    let background = median_filter(&levels, params.filter_size(), threshold);
    Ok(Mesh { background, noise, excluded, without_noise, box_px })
}

/// What a box gave.
#[derive(Debug, Clone, Copy)]
struct Measured {
    level: f64,
    scatter: f64,
    n_kept: usize,
}

fn measure_boxes(
    pixels: &[f32],
    bad: &[bool],
    (height, width): (usize, usize),
    params: &MeshBackground,
    box_px: [usize; 2],
    limits: &std::ops::RangeInclusive<f64>,
    watch: Watch<'_>,
) -> Result<Array2<Measured>, MeshError> {
    // Infinite pixels take no part, NaN compares as outside.
    let (low, high) =
        (f32::at_least(limits.start().max(f64::from(f32::MIN))), f32::at_most(limits.end().min(f64::from(f32::MAX))));
    let shape = (height.div_ceil(box_px[0]), width.div_ceil(box_px[1]));
    let rows: Result<Vec<Vec<Measured>>, MeshError> = (0..shape.0)
        .into_par_iter()
        .map(|box_y| {
            let rows = box_y * box_px[0]..((box_y + 1) * box_px[0]).min(height);
            let mut values = Vec::with_capacity(box_px[0] * box_px[1]);
            let mut clipper = Clipper::default();
            let mut measured = Vec::with_capacity(shape.1);
            for box_x in 0..shape.1 {
                let columns = box_x * box_px[1]..((box_x + 1) * box_px[1]).min(width);
                values.clear();
                for y in rows.clone() {
                    let line = y * width + columns.start..y * width + columns.end;
                    gather(&pixels[line.clone()], &bad[line], low, high, &mut values);
                }
                let clipped = clipper.clip(&values, params.clip_sigma, params.clip_iterations);
                measured.push(Measured {
                    level: params.estimator.level(&clipped),
                    scatter: params.noise_estimator.scatter(&clipped),
                    n_kept: clipped.n_kept(),
                });
            }
            if watch(rows.len() as u64) { Ok(measured) } else { Err(MeshError::Stopped) }
        })
        .collect();
    let flat: Vec<Measured> = rows?.into_iter().flatten().collect();
    Array2::from_shape_vec(shape, flat).map_err(|_| MeshError::Empty)
}
