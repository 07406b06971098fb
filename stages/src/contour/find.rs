//! Contours of an image at one or more levels.

use ndarray::ArrayView2;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chains::{Chain, join_chains, join_segments};
use super::marching::{Crossing, Saddle, trace_cell_row};
use crate::measure::polygon;

/// The sense in which contours run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// The shoelace area is positive around high islands and negative around holes.
    #[default]
    Low,
    /// The reverse.
    High,
}

/// How contours are traced, and which are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContourOptions {
    /// What saddle cells join.
    pub saddle: Saddle,
    /// The sense in which contours run.
    pub orientation: Orientation,
    /// Leaves out closed contours around low regions.
    pub drop_holes: bool,
    /// Leaves out contours that end at the image's edge or at a pixel without value.
    pub drop_open: bool,
    /// Leaves out closed contours of a smaller area, in square pixels.
    pub min_area: f64,
}

/// One contour.
#[derive(Debug, Clone, PartialEq)]
pub struct Contour {
    /// Vertices `[x, y]` in pixels, zero-based, pixel centres at integers. A closed contour starts at its topmost
    /// vertex (least y, then least x) and repeats it at the end.
    pub vertices: Vec<[f64; 2]>,
    /// Whether it is closed.
    pub is_closed: bool,
    /// Grid edge of the first vertex: it tells contours apart that start at the same point.
    start_edge: u64,
}

/// The contours of `values` (`[y, x]`) at `level`, in raster order of their first vertices.
///
/// Marching squares on the cells between pixel centres (Lorensen & Cline 1987), with linear interpolation in f64. A pixel is
/// high when its value is above the level; values that are not finite and pixels with `masked` true have no value, and
/// contours end there. A level that pixels equal gives contours through their centres; zero-length pieces and
/// contours of no extent are left out.
///
/// ```
/// use ndarray::array;
/// use skyloom_stages::contour::{ContourOptions, find_contours};
///
/// let island = array![[0.0_f64, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]];
/// let contours = find_contours(island.view(), 0.5, None, &ContourOptions::default());
/// assert_eq!(contours[0].vertices, [[1.0, 0.25], [1.75, 1.0], [1.0, 1.75], [0.25, 1.0], [1.0, 0.25]]);
/// ```
pub fn find_contours<T: Copy + Into<f64> + Sync>(
    values: ArrayView2<'_, T>,
    level: f64,
    masked: Option<ArrayView2<'_, bool>>,
    options: &ContourOptions,
) -> Vec<Contour> {
    let (height, width) = values.dim();
    let fill = |y: usize, row: &mut [f64]| {
        for (x, out) in row.iter_mut().enumerate() {
            let is_masked = masked.is_some_and(|m| m.get([y, x]).is_none_or(|&v| v));
            *out = if is_masked { f64::NAN } else { values[[y, x]].into() };
        }
    };
    let levels = trace_levels(width, height, &[level], options, DEFAULT_BAND_ROWS, &fill, &|_| true);
    levels.into_iter().flatten().flatten().collect()
}

/// Rows per band when nobody asks for another number: enough work per task, little memory per thread.
pub(super) const DEFAULT_BAND_ROWS: usize = 64;

/// The contours at each of `levels`, traced in bands of `band_rows` rows on the current rayon pool.
///
/// `fill_row(y, row)` writes the values of row `y`; what is not finite has no value. `advance(rows)` is called as rows
/// are finished, and returns false to stop: the result is then `None`. Neither the height of the bands nor the number
/// of threads changes the result.
pub fn trace_levels(
    width: usize,
    height: usize,
    levels: &[f64],
    options: &ContourOptions,
    band_rows: usize,
    fill_row: &(dyn Fn(usize, &mut [f64]) + Sync),
    advance: &(dyn Fn(u64) -> bool + Sync),
) -> Option<Vec<Vec<Contour>>> {
    if width < 2 || height < 2 {
        advance(height as u64);
        return Some(vec![Vec::new(); levels.len()]);
    }
    let band_rows = band_rows.max(1);
    let bands: Vec<usize> = (0..height - 1).step_by(band_rows).collect();
    let traced: Vec<Vec<(Vec<Contour>, Vec<Chain>)>> = bands
        .par_iter()
        .map(|&first| {
            let end = (first + band_rows).min(height - 1);
            let band = trace_band(width, first, end, levels, options, fill_row);
            advance((end - first) as u64).then_some(band)
        })
        .collect::<Option<_>>()?;

    let mut closed = vec![Vec::new(); levels.len()];
    let mut open = vec![Vec::new(); levels.len()];
    for band in traced {
        for (k, (contours, chains)) in band.into_iter().enumerate() {
            closed[k].extend(contours);
            open[k].extend(chains);
        }
    }
    let result = closed
        .into_par_iter()
        .zip(open)
        .map(|(mut contours, open)| {
            contours.extend(join_chains(&open).into_iter().filter_map(|chain| finish(chain, options)));
            contours.par_sort_unstable_by(|a, b| {
                raster_order(a.vertices[0], b.vertices[0]).then(a.start_edge.cmp(&b.start_edge))
            });
            contours
        })
        .collect();
    advance(1).then_some(result)
}

/// Per level, the finished contours and the open chains of the cell rows `first..end`.
fn trace_band(
    width: usize,
    first: usize,
    end: usize,
    levels: &[f64],
    options: &ContourOptions,
    fill_row: &(dyn Fn(usize, &mut [f64]) + Sync),
) -> Vec<(Vec<Contour>, Vec<Chain>)> {
    let mut segments = vec![Vec::new(); levels.len()];
    let (mut upper, mut lower) = (vec![0.0; width], vec![0.0; width]);
    let fill = |y: usize, row: &mut [f64]| {
        fill_row(y, row);
        row.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = f64::NAN);
    };
    fill(first, &mut upper);
    for y in first..end {
        fill(y + 1, &mut lower);
        for (list, &level) in segments.iter_mut().zip(levels) {
            trace_cell_row(y, &upper, &lower, level, options.saddle, list);
        }
        std::mem::swap(&mut upper, &mut lower);
    }
    segments
        .into_iter()
        .map(|list| {
            let (closed, open): (Vec<_>, Vec<_>) = join_segments(&list).into_iter().partition(|c| c.is_closed);
            (closed.into_iter().filter_map(|chain| finish(chain, options)).collect(), open)
        })
        .collect()
}

fn raster_order(a: [f64; 2], b: [f64; 2]) -> std::cmp::Ordering {
    a[1].total_cmp(&b[1]).then(a[0].total_cmp(&b[0]))
}

/// Brings a complete chain into its one form, or leaves it out.
fn finish(chain: Chain, options: &ContourOptions) -> Option<Contour> {
    let Chain { mut crossings, is_closed } = chain;
    if !is_closed && options.drop_open {
        return None;
    }
    if is_closed {
        let topmost = |a: &Crossing, b: &Crossing| raster_order(a.at, b.at).then(a.edge.cmp(&b.edge));
        let start = (0..crossings.len()).min_by(|&i, &j| topmost(&crossings[i], &crossings[j]))?;
        crossings.rotate_left(start);
        crossings.push(crossings[0]);
    }
    if options.orientation == Orientation::High {
        crossings.reverse();
    }
    let start_edge = crossings.first()?.edge;
    let mut vertices: Vec<[f64; 2]> = crossings.iter().map(|c| c.at).collect();
    vertices.dedup();
    // A peak that rounding cannot tell from the level leaves a point or a line: no contour.
    if vertices.len() < if is_closed { 4 } else { 2 } {
        return None;
    }
    if is_closed {
        let area = polygon::signed_area(&vertices);
        let island = if options.orientation == Orientation::Low { area } else { -area };
        if (options.drop_holes && island < 0.0) || area.abs() < options.min_area {
            return None;
        }
    }
    vertices.shrink_to_fit();
    Some(Contour { vertices, is_closed, start_edge })
}
