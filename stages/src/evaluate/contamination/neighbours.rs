//! The separation below which a catalogue holds no pairs: nearest neighbours against the Poisson expectation.

use std::f64::consts::PI;

use rayon::prelude::*;

use crate::psf::PositionGrid;

/// Nearest neighbours in one range of separations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NeighbourBin {
    /// Lower end, in pixels.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Stars whose nearest neighbour lies in the range.
    pub n: usize,
    /// Stars expected of a Poisson field of the same (local) density.
    pub expected: f64,
}

/// The blending scale.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighbourScale {
    /// Separation below which nearest neighbours fall under the given share of the expectation, in pixels. 0 when they do so
    /// nowhere, NaN without enough stars.
    pub scale: f64,
    /// Radius of the disc in which as many neighbours are expected as are missing below `scale`.
    pub equivalent: f64,
    /// The ranges; each has the same expectation.
    pub bins: Vec<NeighbourBin>,
}

/// Distance of each position from its nearest neighbour, in pixels; infinite for one alone, NaN for one that is not finite.
#[must_use]
pub fn nearest_distances(positions: &[[f64; 2]]) -> Vec<f64> {
    let finite: Vec<&[f64; 2]> = positions.iter().filter(|p| p[0].is_finite() && p[1].is_finite()).collect();
    let span = |axis: usize| {
        let (low, high) =
            finite.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |b, p| (b.0.min(p[axis]), b.1.max(p[axis])));
        (high - low).max(0.0)
    };
    let (width, height) = (span(0), span(1));
    let spacing = (width * height / finite.len().max(1) as f64).sqrt().max(1.0);
    let farthest = libm::hypot(width, height).max(1.0) * 1.01;
    let grid = PositionGrid::new(positions.iter().map(|p| (p[0], p[1])), 2.0 * spacing);
    positions
        .par_iter()
        .enumerate()
        .map(|(i, &[x, y])| {
            if !(x.is_finite() && y.is_finite()) {
                return f64::NAN;
            }
            let mut radius = spacing;
            loop {
                let mut nearest = f64::INFINITY;
                grid.visit_within(x, y, radius, |j, d| {
                    if j != i {
                        nearest = nearest.min(d);
                    }
                    true
                });
                if nearest.is_finite() || radius > farthest {
                    return nearest;
                }
                radius *= 2.0;
            }
        })
        .collect()
}

/// Stars that a range of separations is expected to hold: with 50, a share of one half is more than three standard
/// deviations from one.
const PER_BIN: f64 = 50.0;

/// Compares nearest neighbours with the expectation `exp(-pi n a^2) - exp(-pi n b^2)` of a Poisson field, whose density is
/// taken in `cells` x `cells` parts of the field (`width` x `height` pixels), as real fields are not even.
///
/// The scale is the outermost separation below the mean one at which the share of the expectation falls under `deficit`:
/// from outside, because a catalogue with duplicates has too many pairs at separation zero.
#[must_use]
pub fn neighbour_scale(positions: &[[f64; 2]], width: f64, height: f64, cells: usize, deficit: f64) -> NeighbourScale {
    let inside = |p: &&[f64; 2]| p[0] >= -0.5 && p[1] >= -0.5 && p[0] < width - 0.5 && p[1] < height - 0.5;
    let stars: Vec<[f64; 2]> = positions.iter().filter(inside).copied().collect();
    let cells = cells.max(1);
    let mut counts = vec![0_usize; cells * cells];
    for p in &stars {
        let index = |v: f64, size: f64| (((v + 0.5) / size * cells as f64) as usize).min(cells - 1);
        counts[index(p[1], height) * cells + index(p[0], width)] += 1;
    }
    let cell_area = width * height / (cells * cells) as f64;
    // Stars expected with a neighbour within r.
    let within = |r: f64| {
        let each = |&n: &usize| -(n as f64) * libm::expm1(-PI * r * r * n as f64 / cell_area);
        counts.iter().map(each).fold(0.0, |a, b| a + b)
    };
    // The mean distance of nearest neighbours: beyond it nothing is missing any more.
    let limit = 0.5 * (width * height / stars.len().max(1) as f64).sqrt();
    let n_bins = (within(limit) / PER_BIN).floor() as usize;
    if stars.len() < 2 || n_bins < 2 {
        return NeighbourScale { scale: f64::NAN, equivalent: f64::NAN, bins: Vec::new() };
    }
    let mut distances: Vec<f64> = nearest_distances(&stars);
    distances.sort_unstable_by(f64::total_cmp);
    let edge = |k: usize| {
        let wanted = k as f64 * PER_BIN;
        let (mut low, mut high) = (0.0, limit);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if within(middle) < wanted { low = middle } else { high = middle }
        }
        if k == 0 { 0.0 } else { high }
    };
    let edges: Vec<f64> = (0..=n_bins).map(edge).collect();
    let below = |r: f64| distances.partition_point(|d| *d < r);
    let bins: Vec<NeighbourBin> = edges
        .windows(2)
        .map(|w| NeighbourBin {
            low: w[0],
            high: w[1],
            n: below(w[1]) - below(w[0]),
            expected: within(w[1]) - within(w[0]),
        })
        .collect();
    let ratio = |b: &NeighbourBin| b.n as f64 / b.expected;
    let Some(last) = bins.iter().rposition(|b| ratio(b) < deficit) else {
        return NeighbourScale { scale: 0.0, equivalent: 0.0, bins };
    };
    let middle = |b: &NeighbourBin| ((b.low * b.low + b.high * b.high) / 2.0).sqrt();
    let scale = match bins.get(last + 1) {
        Some(next) => {
            let (r0, r1) = (ratio(&bins[last]), ratio(next));
            let t = (deficit - r0) / (r1 - r0);
            middle(&bins[last]) + t * (middle(next) - middle(&bins[last]))
        }
        None => bins[last].high,
    };
    let missing = bins[..=last].iter().map(|b| b.expected - b.n as f64).fold(0.0, |a, b| a + b).max(0.0);
    let (mut low, mut high) = (0.0, limit);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if within(middle) < missing { low = middle } else { high = middle }
    }
    NeighbourScale { scale, equivalent: high, bins }
}
