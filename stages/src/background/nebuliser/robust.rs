//! Robust median and sigma of very many values: a unit-bin histogram like the original's, or exact order statistics.

use rayon::prelude::*;

use crate::background::order_statistics::{RowValues, order_statistics};

use super::params::Statistics;

/// Smallest value that the histogram takes.
const LOWEST: f32 = -1000.0;
/// Largest value that the histogram takes.
const HIGHEST: f32 = 65535.0;
const N_BINS: usize = 66_536;
/// Pixels per histogram that is merged: large against the bins, so that merging costs nothing.
const CHUNK_PIXELS: usize = 1 << 21;
/// Clip in sigma, upper side only.
const CLIP_SIGMA: f64 = 3.0;
/// Clipping rounds.
const CLIPS: usize = 3;
/// Below this sigma unit bins are too coarse for residuals.
const SIGMA_FOR_UNIT_BINS: f64 = 2.5;
/// Doublings at most.
const MAX_DOUBLINGS: u32 = 16;

/// A median, and a sigma from the lower quartile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustStatistics {
    /// Median of the values that were not clipped.
    pub median: f64,
    /// `1.48 (median - lower quartile)`: sources sit on the upper side and do not touch it.
    pub sigma: f64,
    /// Values that took part before clipping.
    pub n_used: u64,
    /// Values outside the histogram's range, ignored; always 0 for exact statistics.
    pub n_outside: u64,
}

/// Robust median and sigma of a list: `clips` times, values above `median + clip_sigma * sigma` are dropped.
///
/// `None` when no value takes part. Values that are not finite are ignored.
#[must_use]
pub fn robust_statistics(
    values: &[f32],
    statistics: Statistics,
    clip_sigma: f64,
    clips: usize,
) -> Option<RobustStatistics> {
    let rows: Vec<&[f32]> = values.chunks(4096).collect();
    let fill = |row: usize, to: &mut Vec<f32>| to.extend(rows[row]);
    let rows = RowValues { n_rows: rows.len(), row_len: 4096, fill: &fill };
    match statistics {
        Statistics::Histogram => histogram_statistics(&rows, 1.0, clip_sigma, clips),
        Statistics::Exact => exact_statistics(&rows, clip_sigma, clips),
    }
}

/// Robust statistics over the rows of an image, with the settings that the nebuliser uses everywhere.
pub(super) fn robust_of_rows(rows: &RowValues<'_>, statistics: Statistics) -> Option<RobustStatistics> {
    match statistics {
        Statistics::Histogram => histogram_statistics(rows, 1.0, CLIP_SIGMA, CLIPS),
        Statistics::Exact => exact_statistics(rows, CLIP_SIGMA, CLIPS),
    }
}

/// Robust statistics of residuals: they are doubled until the histogram's unit bins resolve their sigma.
pub(super) fn robust_residuals(rows: &RowValues<'_>, statistics: Statistics) -> Option<RobustStatistics> {
    let mut found = robust_of_rows(rows, statistics)?;
    if statistics == Statistics::Exact {
        return Some(found);
    }
    let mut scale = 1.0_f32;
    for _ in 0..MAX_DOUBLINGS {
        if found.sigma * f64::from(scale) >= SIGMA_FOR_UNIT_BINS {
            break;
        }
        let Some(finer) = histogram_statistics(rows, scale * 2.0, CLIP_SIGMA, CLIPS) else { break };
        scale *= 2.0;
        let undo = 1.0 / f64::from(scale);
        found = RobustStatistics { median: finer.median * undo, sigma: finer.sigma * undo, ..finer };
    }
    Some(found)
}

fn exact_statistics(rows: &RowValues<'_>, clip_sigma: f64, clips: usize) -> Option<RobustStatistics> {
    let mut limit = f32::INFINITY;
    let mut result: Option<RobustStatistics> = None;
    for _ in 0..=clips {
        let found = order_statistics(rows, limit, &|n| [n.div_ceil(2), n.div_ceil(4)]);
        let Some((n, [median, quartile])) = found else { break };
        let (median, quartile) = (f64::from(median), f64::from(quartile));
        let sigma = 1.48 * (median - quartile);
        result = Some(RobustStatistics { median, sigma, n_used: result.map_or(n, |r| r.n_used), n_outside: 0 });
        limit = (median + clip_sigma * sigma) as f32;
    }
    result
}

fn histogram_statistics(rows: &RowValues<'_>, scale: f32, clip_sigma: f64, clips: usize) -> Option<RobustStatistics> {
    let (counts, n_outside) = histogram(rows, scale);
    let n_used: u64 = counts.iter().sum();
    if n_used == 0 {
        return None;
    }
    let mut result = RobustStatistics { median: 0.0, sigma: 0.0, n_used, n_outside };
    // Bins below this one are kept: clipping shortens the histogram from above.
    let mut end = N_BINS;
    for _ in 0..=clips {
        let n: u64 = counts[..end].iter().sum();
        if n == 0 {
            break;
        }
        result.median = level(&counts[..end], n.div_ceil(2));
        // (n + 3) / 4, rounded down.
        let quartile = level(&counts[..end], n.div_ceil(4));
        result.sigma = 1.48 * (result.median - quartile);
        let limit = result.median + clip_sigma * result.sigma;
        while end > 0 && bin_centre(end - 1) + 0.5 > limit {
            end -= 1;
        }
    }
    Some(result)
}

fn bin_centre(bin: usize) -> f64 {
    bin as f64 + f64::from(LOWEST)
}

/// Value below which `rank` of the counted values lie, interpolated inside its bin.
fn level(counts: &[u64], rank: u64) -> f64 {
    let mut below = 0;
    for (bin, &count) in counts.iter().enumerate() {
        below += count;
        if below >= rank {
            return bin_centre(bin) - (below - rank) as f64 / count.max(1) as f64 + 0.5;
        }
    }
    bin_centre(counts.len())
}

fn histogram(rows: &RowValues<'_>, scale: f32) -> (Vec<u64>, u64) {
    let rows_per_chunk = (CHUNK_PIXELS / rows.row_len.max(1)).max(1);
    let n_chunks = rows.n_rows.div_ceil(rows_per_chunk);
    let empty = || (vec![0_u64; N_BINS], 0_u64);
    (0..n_chunks)
        .into_par_iter()
        .map(|chunk| {
            let mut counts = vec![0_u64; N_BINS + 2];
            let mut values = Vec::with_capacity(rows.row_len);
            for row in chunk * rows_per_chunk..((chunk + 1) * rows_per_chunk).min(rows.n_rows) {
                values.clear();
                (rows.fill)(row, &mut values);
                for &value in &values {
                    let value = value * scale;
                    let is_inside = (LOWEST..=HIGHEST).contains(&value);
                    // Adding the offset first makes truncation the floor; f64, or 65535.5 would round up.
                    let at = f64::from(if is_inside { value } else { LOWEST }) - f64::from(LOWEST) + 0.5;
                    // Two bins more instead of a branch that nobody can predict: outside, and not a number.
                    let bin = if is_inside { at as u32 as usize } else { N_BINS + usize::from(value.is_nan()) };
                    counts[bin] += 1;
                }
            }
            let outside = counts[N_BINS];
            counts.truncate(N_BINS);
            (counts, outside)
        })
        // Counts are integers: the order of the additions does not matter.
        .reduce(empty, |mut a, b| {
            for (to, from) in a.0.iter_mut().zip(b.0) {
                *to += from;
            }
            (a.0, a.1 + b.1)
        })
}
