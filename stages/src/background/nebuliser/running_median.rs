//! Running medians of sixteen lines at once, by comparator networks.
//!
//! Neighbouring outputs share most of their window. A tile of `k` outputs (k a power of two) shares a core of
//! `n - k + 1` values; the core is sorted once, its two halves add `k/2` values each, and so on down to single
//! outputs. At each level only the values that can still be the median of some output of the tile are kept, which
//! are at most `k` (Adams 2025, "Fast median filters using hierarchical tilings", reduced to one dimension). Sorting
//! and merging are Batcher's networks (Knuth, The Art of Computer Programming 3, 5.3.4) without the comparators
//! whose results nobody reads. The work does not depend on the data: no branch to mispredict, and each comparator
//! handles one value of sixteen lines in a few vector instructions.

/// Lines that are filtered together.
pub(super) const LANES: usize = 16;

/// One position of all lines.
pub(super) type Row = [f32; LANES];

/// A row as integers of the same order: integer minima and maxima know no NaN, and compile to one instruction each.
///
/// Aligned to a cache line: a row that straddles two takes twice as long to load and store.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct KeyRow([i32; LANES]);

/// Scratch space of [`RunningMedian::run`], reused from call to call.
#[derive(Debug, Default)]
pub(super) struct Work {
    padded: Vec<KeyRow>,
    wires: Vec<KeyRow>,
}

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
    levels: Vec<Level>,
    /// Row of the work area where the last level leaves the median.
    result: usize,
    n_work: usize,
}

impl RunningMedian {
    /// Plans a window of `window` values (odd).
    pub(super) fn new(window: usize) -> Self {
        debug_assert!(window % 2 == 1, "the caller makes windows odd");
        // The cheapest tile is about half the window; the cost function knows better than a rule of thumb.
        let mut best: Option<Self> = None;
        let mut tile = 1;
        while tile <= window {
            // Far smaller tiles than the window sort a huge core for few outputs: skip building them.
            if tile * 8 >= window {
                let plan = Self::with_tile(window, tile);
                if best.as_ref().is_none_or(|b| plan.cost() < b.cost()) {
                    best = Some(plan);
                }
            }
            tile *= 2;
        }
        best.unwrap_or_else(|| Self::with_tile(window, 1))
    }

    fn with_tile(window: usize, root: usize) -> Self {
        let mut levels: Vec<Level> = Vec::new();
        // Rank of the median among the values that are still in play, and the values in play, ascending.
        let mut rank = window / 2;
        let mut kept: Vec<u32> = Vec::new();
        let mut base = 0;
        let mut tile = root;
        loop {
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
            if tile == 1 {
                break;
            }
            tile /= 2;
        }
        let last_base = levels.last().map_or(0, |l| l.base);
        let result = last_base + kept.first().map_or(0, |&w| w as usize);
        Self { window, levels, result, n_work: base }
    }

    /// Row operations per output, up to a factor.
    fn cost(&self) -> f64 {
        let per_tile = |l: &Level| (4 * l.comparators.len() + 2 * (l.n_new + l.carried.len())) as f64 / l.tile as f64;
        self.levels.iter().map(per_tile).sum()
    }

    /// Outputs per tile of the first level: `run` writes whole tiles.
    pub(super) fn tile(&self) -> usize {
        self.levels.first().map_or(1, |l| l.tile)
    }

    /// Medians of `padded[i..i + window]` for each `i` of `out`, lane by lane.
    ///
    /// `out` has a multiple of [`RunningMedian::tile`] rows, `padded` has
    /// `out.len() + window - 1`.
    pub(super) fn run(&self, padded: &[Row], out: &mut [Row], work: &mut Work) {
        work.wires.resize(self.n_work, KeyRow([0; LANES]));
        work.padded.clear();
        work.padded.extend(padded.iter().map(|row| KeyRow(row.map(key))));
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the feature.
                return unsafe { self.run_avx512(out, work) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature.
                return unsafe { self.run_avx2(out, work) };
            }
        }
        self.run_body(out, work);
    }

    // Wider registers change the speed only: minima and maxima are exact on every processor.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn run_avx512(&self, out: &mut [Row], work: &mut Work) {
        self.run_body(out, work);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn run_avx2(&self, out: &mut [Row], work: &mut Work) {
        self.run_body(out, work);
    }

    #[inline(always)]
    fn run_body(&self, out: &mut [Row], work: &mut Work) {
        let Work { padded, wires } = work;
        let root = self.tile();
        for start in (0..out.len()).step_by(root) {
            for j in 0..root {
                // Output j begins new tiles of every size that divides it; larger tiles go on.
                let largest = if j == 0 { root } else { 1 << j.trailing_zeros() };
                let skip = (root / largest).trailing_zeros() as usize;
                for (i, level) in self.levels.iter().enumerate().skip(skip) {
                    let first = start + j;
                    let source = if i == 0 {
                        first + level.tile - 1
                    } else if j & level.tile == 0 {
                        // Left half: the new values precede the parent's core.
                        first + level.tile - 1
                    } else {
                        // Right half: they follow it. The parent began `tile` outputs earlier.
                        first - level.tile + self.window
                    };
                    let (above, here) = wires.split_at_mut(level.base);
                    let n = level.carried.len();
                    let here = &mut here[..n + level.n_new];
                    if i > 0 {
                        let parent = &above[self.levels[i - 1].base..];
                        for (to, &from) in here.iter_mut().zip(&level.carried) {
                            *to = parent[from as usize];
                        }
                    }
                    here[n..].copy_from_slice(&padded[source..source + level.n_new]);
                    for c in &level.comparators {
                        let a = here[c.low as usize];
                        let b = here[c.high as usize];
                        here[c.low as usize] = KeyRow(std::array::from_fn(|lane| a.0[lane].min(b.0[lane])));
                        here[c.high as usize] = KeyRow(std::array::from_fn(|lane| a.0[lane].max(b.0[lane])));
                    }
                }
                out[start + j] = wires[self.result].0.map(value_of);
            }
        }
    }
}

/// Maps a float to an integer of the same order (that of `f32::total_cmp`).
#[inline(always)]
fn key(value: f32) -> i32 {
    let bits = value.to_bits() as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

/// The float of a key.
#[inline(always)]
fn value_of(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) as u32 >> 1) as i32) as u32)
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

    #[test]
    fn every_window_gives_the_middle_of_the_sorted_values() {
        for window in (1..=41).step_by(2).chain([45, 63, 65, 91, 127, 129, 301]) {
            let plan = RunningMedian::new(window);
            let n_out = plan.tile() * 3;
            let lanes: Vec<Vec<f32>> = (0..LANES as u32).map(|l| noise(n_out + window - 1, l + 7)).collect();
            let padded: Vec<Row> = (0..n_out + window - 1).map(|i| std::array::from_fn(|l| lanes[l][i])).collect();
            let mut out = vec![[0.0; LANES]; n_out];
            plan.run(&padded, &mut out, &mut Work::default());
            for (i, row) in out.iter().enumerate() {
                for (l, lane) in lanes.iter().enumerate() {
                    let mut values = lane[i..i + window].to_vec();
                    values.sort_unstable_by(f32::total_cmp);
                    assert_eq!(row[l], values[window / 2], "window {window}, output {i}, lane {l}");
                }
            }
        }
    }

    #[test]
    fn vector_width_does_not_change_a_bit() {
        let plan = RunningMedian::new(31);
        let n_out = plan.tile() * 2;
        let lane = noise(n_out + 30, 3);
        let padded: Vec<Row> = lane.iter().map(|&v| std::array::from_fn(|l| v - l as f32)).collect();
        let mut wide = vec![[0.0; LANES]; n_out];
        let mut narrow = wide.clone();
        let mut work = Work::default();
        plan.run(&padded, &mut wide, &mut work);
        plan.run_body(&mut narrow, &mut work);
        assert_eq!(wide, narrow);
    }
}
