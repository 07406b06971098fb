//! Running medians of sixteen lines at once, by comparator networks.
//!
//! Neighbouring outputs share most of their window. A tile of `k` outputs (k a power of two) shares a core of
//! `n - k + 1` values; the core is sorted once, its two halves add `k/2` values each, and so on down to single
//! outputs. At each level only the values that can still be the median of some output of the tile are kept, which
//! are at most `k` (Adams 2025, "Fast median filters using hierarchical tilings", reduced to one dimension). Sorting
//! and merging are Batcher's networks (Knuth, The Art of Computer Programming 3, 5.3.4); small tiles are done in
//! registers (`tiles.rs`), the levels above them by a list of comparators without those whose results nobody reads.
//! The work does not depend on the data: no branch to mispredict, and each comparator handles one value of sixteen
//! lines in a few vector instructions.

use super::tiles::{Band, Descend, HalfTile, MAX_TILE, Tile, descend_waiting, full_tile};
use super::vector::{Row, Vector, each};

/// Outputs of the tiles at which the levels of large windows end.
const LAST_LEVEL: usize = 32;

/// A comparator: afterwards wire `low` holds the smaller value, `high` the larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Comparator {
    low: u32,
    high: u32,
}

/// The work for tiles of one size.
#[derive(Debug, Clone)]
struct Level {
    /// Outputs per tile.
    tile: usize,
    /// First row of this level's wires in the work area.
    base: usize,
    /// Wires of the level above that are carried on, in ascending order of value; empty for the first level.
    carried: Vec<u32>,
    /// Input rows that join.
    n_new: usize,
    comparators: Vec<Comparator>,
}

/// The plan of a running median with an odd window; built once per window, used for any number of lines.
#[derive(Debug, Clone)]
pub(super) struct RunningMedian {
    window: usize,
    /// Outputs per tile of the first level.
    tile: usize,
    /// Levels above those in registers; none for windows that need none.
    levels: Vec<Level>,
    /// Rows of the work area where the last level leaves its candidates, ascending.
    kept: Vec<u32>,
    n_work: usize,
}

impl RunningMedian {
    /// Plans a window of `window` values (odd).
    pub(super) fn new(window: usize) -> Self {
        debug_assert!(window % 2 == 1, "the caller makes windows odd");
        if window < 2 * MAX_TILE {
            let tile = 1 << window.ilog2();
            return Self { window, tile, levels: Vec::new(), kept: Vec::new(), n_work: 0 };
        }
        // The cheapest tile is about half the window; the cost function knows better than a rule of thumb.
        let mut best = Self::with_tile(window, LAST_LEVEL);
        let mut tile = 2 * LAST_LEVEL;
        while tile <= window {
            // Far smaller tiles than the window sort a huge core for few outputs: skip building them.
            if tile * 8 >= window {
                let plan = Self::with_tile(window, tile);
                // A tile as small as the first candidate may be too small to compete.
                if plan.cost() < best.cost() || best.tile * 8 < window {
                    best = plan;
                }
            }
            tile *= 2;
        }
        best
    }

    /// Levels from tiles of `root` outputs down to the last that is not done in registers.
    fn with_tile(window: usize, root: usize) -> Self {
        let mut levels: Vec<Level> = Vec::new();
        // Rank of the median among the values that are still in play, and the values in play, ascending.
        let mut rank = window / 2;
        let mut kept: Vec<u32> = Vec::new();
        let mut base = 0;
        let mut tile = root;
        while tile >= LAST_LEVEL {
            let carried = std::mem::take(&mut kept);
            let n_new = if levels.is_empty() { window - tile + 1 } else { tile };
            let n_wires = carried.len() + n_new;
            let old: Vec<u32> = (0..carried.len() as u32).collect();
            let new: Vec<u32> = (carried.len() as u32..n_wires as u32).collect();
            let mut comparators = Vec::new();
            let new = sort_network(&new, &mut comparators);
            let sorted = merge_network(&old, &new, &mut comparators);
            // `tile - 1` values of each output's window are still to come: they can push its median at most so far.
            let first = rank.saturating_sub(tile - 1);
            let last = rank.min(n_wires - 1);
            kept = sorted[first..=last].to_vec();
            rank -= first;
            prune(&mut comparators, &kept, n_wires);
            order_by_depth(&mut comparators, n_wires);
            levels.push(Level { tile, base, carried, n_new, comparators });
            base += n_wires;
            tile /= 2;
        }
        let last_base = levels.last().map_or(0, |l| l.base) as u32;
        let kept = kept.iter().map(|wire| last_base + wire).collect();
        Self { window, tile: root, levels, kept, n_work: base }
    }

    /// Row operations per output, up to a factor.
    fn cost(&self) -> f64 {
        let per_tile = |l: &Level| (4 * l.comparators.len() + 2 * (l.n_new + l.carried.len())) as f64 / l.tile as f64;
        self.levels.iter().map(per_tile).sum()
    }

    /// Outputs per tile of the first level: `run` writes whole tiles.
    pub(super) fn tile(&self) -> usize {
        self.tile
    }

    /// Medians of `rows[i..i + window]`, lane by lane, in the place of `rows[i]`, for `i` below `n_out`.
    ///
    /// Rows hold keys; `n_out` is a multiple of [`RunningMedian::tile`], and there are `n_out + window - 1` rows.
    #[inline(always)]
    pub(super) fn run<V: Vector>(&self, rows: &mut [Row], n_out: usize, work: &mut Vec<Row>) {
        let mut waiting = [Row::ZERO; MAX_TILE];
        let mut band = Band { rows, window: self.window, start: 0, waiting: &mut waiting };
        let n_core = self.window + 1 - self.tile;
        let is_full = 2 * n_core > self.tile;
        let waits = self.tile >= LAST_LEVEL || self.tile == LAST_LEVEL / 2 && is_full;
        for first in (0..n_out).step_by(self.tile) {
            band.start = first;
            match (self.tile, is_full) {
                _ if !self.levels.is_empty() => self.run_levels::<V>(&mut band, first, work),
                // A window of one: every value is its own median.
                (1, _) => {}
                (2, _) => full_tile::<V, 2>(&mut band, first, n_core),
                (4, true) => full_tile::<V, 4>(&mut band, first, n_core),
                (4, false) => Tile::<4>::run::<V>(&mut band, first, n_core),
                (8, true) => full_tile::<V, 8>(&mut band, first, n_core),
                (8, false) => Tile::<8>::run::<V>(&mut band, first, n_core),
                (16, true) => full_tile::<V, 16>(&mut band, first, n_core),
                (16, false) => Tile::<16>::run::<V>(&mut band, first, n_core),
                (32, true) => full_tile::<V, 32>(&mut band, first, n_core),
                (32, false) => Tile::<32>::run::<V>(&mut band, first, n_core),
                (_, true) => full_tile::<V, 64>(&mut band, first, n_core),
                (_, false) => Tile::<64>::run::<V>(&mut band, first, n_core),
            }
            // Large windows have done so already, tile by tile.
            if waits && self.levels.is_empty() {
                descend_waiting::<V>(&mut band, self.tile);
            }
        }
    }

    /// One tile of a large window.
    #[inline(always)]
    fn run_levels<V: Vector>(&self, band: &mut Band<'_>, start: usize, work: &mut Vec<Row>) {
        work.resize(self.n_work, Row::ZERO);
        for j in (0..self.tile).step_by(LAST_LEVEL) {
            // Output j begins new tiles of every size that divides it; larger tiles go on.
            let largest = if j == 0 { self.tile } else { 1 << j.trailing_zeros() };
            let skip = (self.tile / largest).trailing_zeros() as usize;
            for (i, level) in self.levels.iter().enumerate().skip(skip) {
                let first = start + j;
                let source = if i == 0 {
                    first + level.tile - 1
                } else {
                    let half = usize::from(j & level.tile != 0);
                    // The parent began `tile` outputs earlier than its right half.
                    band.source(first - half * level.tile, half, level.tile)
                };
                let (above, here) = work.split_at_mut(level.base);
                let n = level.carried.len();
                let here = &mut here[..n + level.n_new];
                if i > 0 {
                    let parent = &above[self.levels[i - 1].base..];
                    for (to, &from) in here.iter_mut().zip(&level.carried) {
                        *to = parent[from as usize];
                    }
                }
                here[n..].copy_from_slice(&band.rows[source..source + level.n_new]);
                for c in &level.comparators {
                    let a = V::load(&here[c.low as usize].0);
                    let b = V::load(&here[c.high as usize].0);
                    a.min(b).store(&mut here[c.low as usize].0);
                    a.max(b).store(&mut here[c.high as usize].0);
                }
            }
            let kept = each!(LAST_LEVEL, i => V::load(&work[self.kept[i] as usize].0));
            band.start = start + j;
            kept.hand_down(band, start + j);
            descend_waiting::<V>(band, LAST_LEVEL);
        }
    }
}

/// Adds comparators that sort the wires; returns them in ascending order of value.
fn sort_network(wires: &[u32], comparators: &mut Vec<Comparator>) -> Vec<u32> {
    if wires.len() < 2 {
        return wires.to_vec();
    }
    let (a, b) = wires.split_at(wires.len() / 2);
    let a = sort_network(a, comparators);
    let b = sort_network(b, comparators);
    merge_network(&a, &b, comparators)
}

/// Batcher's odd-even merge of two sorted lists of wires, of any lengths; returns the wires in ascending order.
fn merge_network(a: &[u32], b: &[u32], comparators: &mut Vec<Comparator>) -> Vec<u32> {
    match (a, b) {
        ([], _) => b.to_vec(),
        (_, []) => a.to_vec(),
        (&[low], &[high]) => {
            comparators.push(Comparator { low, high });
            vec![low, high]
        }
        _ => {
            let every_second =
                |list: &[u32], from: usize| -> Vec<u32> { list.iter().skip(from).step_by(2).copied().collect() };
            let odd = merge_network(&every_second(a, 0), &every_second(b, 0), comparators);
            let even = merge_network(&every_second(a, 1), &every_second(b, 1), comparators);
            let mut merged = Vec::with_capacity(a.len() + b.len());
            merged.push(odd[0]);
            let mut later_odd = odd[1..].iter();
            for &low in &even {
                merged.push(low);
                if let Some(&high) = later_odd.next() {
                    comparators.push(Comparator { low, high });
                    merged.push(high);
                }
            }
            merged.extend(later_odd);
            merged
        }
    }
}

/// Drops comparators that no kept wire depends on.
fn prune(comparators: &mut Vec<Comparator>, kept: &[u32], n_wires: usize) {
    let mut is_read = vec![false; n_wires];
    for &wire in kept {
        is_read[wire as usize] = true;
    }
    let mut needed: Vec<Comparator> = Vec::with_capacity(comparators.len());
    for c in comparators.iter().rev() {
        if is_read[c.low as usize] || is_read[c.high as usize] {
            is_read[c.low as usize] = true;
            is_read[c.high as usize] = true;
            needed.push(*c);
        }
    }
    needed.reverse();
    *comparators = needed;
}

/// Puts comparators that do not wait for each other side by side, so that the processor can overlap them.
fn order_by_depth(comparators: &mut [Comparator], n_wires: usize) {
    let mut depth = vec![0_u32; n_wires];
    let depths: Vec<u32> = comparators
        .iter()
        .map(|c| {
            let next = depth[c.low as usize].max(depth[c.high as usize]) + 1;
            depth[c.low as usize] = next;
            depth[c.high as usize] = next;
            next
        })
        .collect();
    let mut order: Vec<usize> = (0..comparators.len()).collect();
    order.sort_by_key(|&i| depths[i]);
    let sorted: Vec<Comparator> = order.into_iter().map(|i| comparators[i]).collect();
    comparators.copy_from_slice(&sorted);
}

#[cfg(test)]
mod tests {
    use super::super::vector::{LANES, Portable};
    use super::*;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Few distinct values, so that ties are common.
                ((state >> 16) % 97) as f32
            })
            .collect()
    }

    fn medians<V: Vector>(plan: &RunningMedian, lanes: &[Vec<f32>], n_out: usize) -> Vec<Row> {
        let n = n_out + plan.window - 1;
        let at = |i: usize| Row::from_floats(std::array::from_fn(|l| lanes[l][i]));
        let flip = |rows: &mut [Row]| rows.iter_mut().for_each(|r| V::load(&r.0).flip().store(&mut r.0));
        let mut rows: Vec<Row> = (0..n).map(at).collect();
        flip(&mut rows);
        plan.run::<V>(&mut rows, n_out, &mut Vec::new());
        flip(&mut rows[..n_out]);
        rows.truncate(n_out);
        rows
    }

    #[test]
    fn every_window_gives_the_middle_of_the_sorted_values() {
        for window in (1..=131).step_by(2).chain([255, 257, 301]) {
            let plan = RunningMedian::new(window);
            let n_out = plan.tile() * 3;
            let lanes: Vec<Vec<f32>> = (0..LANES as u32).map(|l| noise(n_out + window - 1, l + 7)).collect();
            let out = medians::<Portable>(&plan, &lanes, n_out);
            for (i, row) in out.iter().enumerate() {
                for (l, lane) in lanes.iter().enumerate() {
                    let mut values = lane[i..i + window].to_vec();
                    values.sort_unstable_by(f32::total_cmp);
                    assert_eq!(row.floats()[l], values[window / 2], "window {window}, output {i}, lane {l}");
                }
            }
        }
    }
}
