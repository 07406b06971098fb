//! Counting what was recovered.

use super::matching::{Finder, Found, Planted};
use super::params::Recovery;

/// What became of one planted object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recovered {
    /// Index of the candidate, and the distance of its light centre in pixels.
    pub found: Option<(usize, f64)>,
    /// Whether it lies on a candidate of the image without planted objects, and does not count.
    pub is_left_out: bool,
    /// Measured minus true magnitude; NaN where there is none.
    pub mag_offset: f64,
}

/// One bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Magnitudes from here ..
    pub mag_low: f64,
    /// .. to here, this end excluded.
    pub mag_high: f64,
    /// Radii from here ..
    pub r_low: f64,
    /// .. to here, this end excluded.
    pub r_high: f64,
    /// Planted objects.
    pub n: usize,
    /// Those recovered.
    pub n_recovered: usize,
    /// Interval of the completeness; NaN for an empty bin.
    pub interval: (f64, f64),
    /// Recovered objects with a magnitude.
    pub n_mag: usize,
    /// Median of measured minus true magnitude.
    pub mag_bias: f64,
    /// 1.4826 times the median absolute deviation of it.
    pub mag_scatter: f64,
}

impl Cell {
    /// `n_recovered / n`; NaN for an empty bin.
    #[must_use]
    pub fn completeness(&self) -> f64 {
        if self.n == 0 { f64::NAN } else { self.n_recovered as f64 / self.n as f64 }
    }
}

/// Wilson's (1927, J. Am. Stat. Assoc. 22, 209) interval of a fraction `k / n` for `z` standard deviations; NaN for `n` = 0.
///
/// `(p + z^2/2n -+ z sqrt(p (1-p) / n + z^2 / 4n^2)) / (1 + z^2/n)` with `p = k / n`.
#[must_use]
pub fn wilson(k: usize, n: usize, z: f64) -> (f64, f64) {
    if n == 0 {
        return (f64::NAN, f64::NAN);
    }
    let (p, n) = (k as f64 / n as f64, n as f64);
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    // At 0 and 1 the interval ends there exactly; rounding would leave 1e-17.
    let low = if p == 0.0 { 0.0 } else { (middle - half) / scale };
    let high = if p == 1.0 { 1.0 } else { (middle + half) / scale };
    (low, high)
}

/// What became of every object, and the bins: first over all radii, then by magnitude and radius.
#[must_use]
pub fn recovery(
    params: &Recovery,
    objects: &[Planted],
    candidates: &[Found<'_>],
    reference: &[Found<'_>],
) -> (Vec<Recovered>, Vec<Cell>) {
    let (finder, before) = (Finder::new(candidates), Finder::new(reference));
    let results: Vec<Recovered> = objects
        .iter()
        .map(|object| {
            let found = finder.find(object, params.min_distance_px, params.max_excess_mag);
            let mag_offset = found.map_or(f64::NAN, |(i, _)| candidates[i].mag - object.mag);
            Recovered { found, is_left_out: before.find(object, params.min_distance_px, None).is_some(), mag_offset }
        })
        .collect();

    let edges = &params.radius_edges_px;
    let (mut ranges, whole) = (Vec::new(), (0.0, f64::INFINITY));
    let mags = || objects.iter().map(|o| o.mag).filter(|m| m.is_finite());
    let (low, high) = (mags().fold(f64::INFINITY, f64::min), mags().fold(f64::NEG_INFINITY, f64::max));
    if low <= high {
        // Bins begin at whole multiples of their width, so that runs with other objects have the same bins.
        let first = (low / params.bin_width).floor() as i64;
        let last = (high / params.bin_width).floor() as i64;
        let bins: Vec<(f64, f64)> =
            (first..=last).map(|k| (k as f64 * params.bin_width, (k + 1) as f64 * params.bin_width)).collect();
        ranges.extend(bins.iter().map(|&mag| (mag, whole)));
        for pair in edges.windows(2) {
            ranges.extend(bins.iter().map(|&mag| (mag, (pair[0], pair[1]))));
        }
    }
    let cells = ranges
        .into_iter()
        .map(|(mag, r)| {
            let is_in = |o: &Planted| o.mag >= mag.0 && o.mag < mag.1 && o.r_half >= r.0 && o.r_half < r.1;
            let members = objects.iter().zip(&results).filter(|(o, result)| is_in(o) && !result.is_left_out);
            cell(params, mag, r, members.map(|(_, result)| result))
        })
        .collect();
    (results, cells)
}

fn cell<'a>(params: &Recovery, mag: (f64, f64), r: (f64, f64), members: impl Iterator<Item = &'a Recovered>) -> Cell {
    let (mut n, mut n_recovered, mut offsets) = (0, 0, Vec::new());
    for member in members {
        n += 1;
        n_recovered += usize::from(member.found.is_some());
        if member.mag_offset.is_finite() {
            offsets.push(member.mag_offset);
        }
    }
    let (mag_bias, mag_scatter) = median_and_scatter(&mut offsets);
    Cell {
        mag_low: mag.0,
        mag_high: mag.1,
        r_low: r.0,
        r_high: r.1,
        n,
        n_recovered,
        interval: wilson(n_recovered, n, params.z),
        n_mag: offsets.len(),
        mag_bias,
        mag_scatter,
    }
}

/// Median and 1.4826 times the median absolute deviation; NaN for no values.
pub(super) fn median_and_scatter(values: &mut [f64]) -> (f64, f64) {
    let median = median(values);
    let mut deviations: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
    (median, 1.4826 * self::median(&mut deviations))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => 0.5 * (values[n / 2 - 1] + values[n / 2]),
    }
}

/// Magnitude at which completeness over all radii falls to one half for the last time, between bin centres by a straight line;
/// `None` when it never does.
#[must_use]
pub(super) fn half_completeness(cells: &[Cell]) -> Option<f64> {
    let points: Vec<(f64, f64)> = cells
        .iter()
        .filter(|c| c.r_high == f64::INFINITY && c.n > 0)
        .map(|c| (0.5 * (c.mag_low + c.mag_high), c.completeness()))
        .collect();
    let pair = points.windows(2).rev().find(|w| w[0].1 >= 0.5 && w[1].1 < 0.5)?;
    let ((m0, c0), (m1, c1)) = (pair[0], pair[1]);
    Some(m0 + (c0 - 0.5) / (c0 - c1) * (m1 - m0))
}
