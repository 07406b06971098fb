//! One-dimensional filters along the columns or rows of an image.
//!
//! Lines are handled sixteen at a time: columns because neighbouring columns share cache lines, rows because the
//! filters then work on whole vectors.

use std::borrow::Cow;

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis, Zip};
use rayon::prelude::*;

use crate::background::Watch;

use super::algorithm::NebuliseError;
use super::gaps::{Line, fill_between, fill_ends};
use super::running_median::{LANES, Row, RunningMedian, Work};

/// What a filter computes in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowStatistic {
    Median,
    Mean,
}

/// The flag of pixels that were bad from the start.
pub(super) const FLAG_BAD: u8 = 1;
/// The flag of pixels that are clipped at the moment.
pub(super) const FLAG_CLIPPED: u8 = 2;

/// A one-dimensional filter, ready to be applied to any number of lines.
#[derive(Debug)]
pub(super) struct LineFilter {
    /// Window as given: lines with fewer good pixels stay as they are.
    given: usize,
    /// The window as used, odd.
    window: usize,
    statistic: WindowStatistic,
    exact_gaps: bool,
    median: Option<RunningMedian>,
}

impl LineFilter {
    /// A filter for lines of at most `longest` pixels.
    pub(super) fn new(given: usize, statistic: WindowStatistic, exact_gaps: bool, longest: usize) -> Self {
        let window = given | 1;
        // A window that no line can fill is never used; planning it would only cost time.
        let median = (statistic == WindowStatistic::Median && given <= longest).then(|| RunningMedian::new(window));
        Self { given, window, statistic, exact_gaps, median }
    }

    fn half(&self) -> usize {
        self.window / 2
    }

    /// Fewer good pixels than the window, or than ten: the good values stay as they are.
    fn leaves_alone(&self, n_good: usize) -> bool {
        n_good < self.given || n_good < 10
    }
}

/// Filters `image` along one axis in place: `Axis(0)` along the columns, `Axis(1)` along the rows.
///
/// Values are read from `source` when there is one. Pixels with one of the `skip` flags, or without a finite value,
/// are left out and filled afterwards.
///
/// # Errors
/// When `watch` asks to stop.
pub(super) fn filter_lines(
    filter: &LineFilter,
    source: Option<ArrayView2<'_, f32>>,
    image: &mut ndarray::Array2<f32>,
    flags: &ndarray::Array2<u8>,
    skip: u8,
    axis: Axis,
    watch: Watch<'_>,
) -> Result<(), NebuliseError> {
    let across = Axis(1 - axis.index());
    let n = image.len_of(axis);
    let flags: Vec<_> = flags.axis_chunks_iter(across, LANES).collect();
    let sources: Option<Vec<_>> = source.map(|s| {
        // The view lives as long as the caller's array.
        (0..s.len_of(across))
            .step_by(LANES)
            .map(|at| {
                let end = (at + LANES).min(s.len_of(across));
                let mut part = s;
                part.slice_axis_inplace(across, ndarray::Slice::from(at..end));
                part
            })
            .collect()
    });
    let blocks: Vec<ArrayViewMut2<'_, f32>> = image.axis_chunks_iter_mut(across, LANES).collect();
    blocks.into_par_iter().enumerate().try_for_each_init(
        || Scratch::new(filter, n),
        |scratch, (i, mut block)| {
            let n_lines = block.len_of(across);
            match &sources {
                Some(sources) => scratch.load(&sources[i], &flags[i], skip, axis),
                None => scratch.load(&block.view(), &flags[i], skip, axis),
            }
            scratch.filter(filter, n_lines);
            scratch.store(&mut block, axis);
            if watch(n_lines as u64) { Ok(()) } else { Err(NebuliseError::Stopped) }
        },
    )
}

/// Pixels of a row that are transposed together.
const PIECE: usize = 64;

/// The values of a row, copied only where they do not lie side by side.
fn contiguous<T: Copy>(row: ArrayView1<'_, T>) -> Cow<'_, [T]> {
    row.to_slice().map_or_else(|| Cow::Owned(row.to_vec()), Cow::Borrowed)
}

/// Reusable space for sixteen lines of `n` pixels.
struct Scratch {
    n: usize,
    /// Values by position in the image; afterwards the result.
    lines: Vec<Row>,
    /// 1 where a lane has no good value at this position. Lanes beyond the image keep their 0.
    skipped: Vec<[u8; LANES]>,
    any_skipped: bool,
    /// Good values moved together, with the padding of half a window on each side.
    padded: Vec<Row>,
    filtered: Vec<Row>,
    work: Work,
    edge: Vec<f32>,
}

/// One lane of a block of lines.
struct Lane<'a> {
    rows: &'a mut [Row],
    lane: usize,
}

impl Line for Lane<'_> {
    fn get(&self, i: usize) -> f32 {
        self.rows[i][self.lane]
    }
    fn set(&mut self, i: usize, value: f32) {
        self.rows[i][self.lane] = value;
    }
}

impl Scratch {
    fn new(filter: &LineFilter, n: usize) -> Self {
        let tile = filter.median.as_ref().map_or(1, RunningMedian::tile);
        let n_out = n.next_multiple_of(tile);
        let zero = [0.0; LANES];
        Self {
            n,
            lines: vec![zero; n],
            skipped: vec![[0; LANES]; n],
            any_skipped: false,
            padded: vec![zero; n_out + filter.window - 1],
            filtered: vec![zero; n_out],
            work: Work::default(),
            edge: Vec::new(),
        }
    }

    fn load(&mut self, values: &ArrayView2<'_, f32>, flags: &ArrayView2<'_, u8>, skip: u8, axis: Axis) {
        let is_skipped = |value: f32, flag: u8| u8::from(flag & skip != 0) | u8::from(!value.is_finite());
        let rows = values.outer_iter().map(contiguous).zip(flags.outer_iter().map(contiguous));
        if axis == Axis(0) {
            for ((row, row_flags), (to, skipped)) in rows.zip(self.lines.iter_mut().zip(&mut self.skipped)) {
                to[..row.len()].copy_from_slice(&row);
                for (to, (&v, &f)) in skipped.iter_mut().zip(row.iter().zip(row_flags.iter())) {
                    *to = is_skipped(v, f);
                }
            }
        } else {
            let rows: Vec<_> = rows.collect();
            // Short pieces of each row, so that the transposed block stays in the nearest cache.
            for (piece, (to, skipped)) in self.lines.chunks_mut(PIECE).zip(self.skipped.chunks_mut(PIECE)).enumerate() {
                let here = piece * PIECE..piece * PIECE + to.len();
                for (lane, (row, row_flags)) in rows.iter().enumerate() {
                    let from = row[here.clone()].iter().zip(&row_flags[here.clone()]);
                    for ((to, skipped), (&v, &f)) in to.iter_mut().zip(skipped.iter_mut()).zip(from) {
                        to[lane] = v;
                        skipped[lane] = is_skipped(v, f);
                    }
                }
            }
        }
        self.any_skipped = self.skipped.iter().any(|row| row.iter().fold(0, |a, b| a | b) != 0);
    }

    fn store(&self, block: &mut ArrayViewMut2<'_, f32>, axis: Axis) {
        if axis == Axis(0) {
            for (mut row, values) in block.outer_iter_mut().zip(&self.lines) {
                match row.as_slice_mut() {
                    Some(row) => row.copy_from_slice(&values[..row.len()]),
                    None => row.iter_mut().zip(values).for_each(|(to, &v)| *to = v),
                }
            }
        } else {
            for (piece, from) in self.lines.chunks(PIECE).enumerate() {
                for (lane, mut row) in block.outer_iter_mut().enumerate() {
                    let mut to = row.slice_mut(ndarray::s![piece * PIECE..piece * PIECE + from.len()]);
                    match to.as_slice_mut() {
                        Some(to) => to.iter_mut().zip(from).for_each(|(to, v)| *to = v[lane]),
                        None => to.iter_mut().zip(from).for_each(|(to, v)| *to = v[lane]),
                    }
                }
            }
        }
    }

    fn filter(&mut self, filter: &LineFilter, n_lines: usize) {
        let half = filter.half();
        let n_good = self.pack(half);
        let is_filtered: [bool; LANES] =
            std::array::from_fn(|lane| lane < n_lines && !filter.leaves_alone(n_good[lane]));
        let longest = (0..LANES).filter(|&l| is_filtered[l]).map(|l| n_good[l]).max().unwrap_or(0);
        for lane in (0..LANES).filter(|&l| is_filtered[l]) {
            self.pad(filter, lane, n_good[lane]);
        }
        if longest > 0 {
            match &filter.median {
                Some(median) => {
                    let n_out = longest.next_multiple_of(median.tile());
                    let padded = &self.padded[..n_out + filter.window - 1];
                    median.run(padded, &mut self.filtered[..n_out], &mut self.work);
                }
                None => running_mean(filter.window, &self.padded, &mut self.filtered[..longest]),
            }
        }
        for lane in (0..n_lines).filter(|&l| !is_filtered[l]) {
            for i in 0..n_good[lane] {
                self.filtered[i][lane] = self.padded[half + i][lane];
            }
        }
        self.unpack(filter.exact_gaps, n_lines);
    }

    /// Moves the good values of each lane together, behind the padding; returns how many each lane has.
    fn pack(&mut self, half: usize) -> [usize; LANES] {
        if !self.any_skipped {
            self.padded[half..half + self.n].copy_from_slice(&self.lines);
            return [self.n; LANES];
        }
        let mut n_good = [0; LANES];
        let packed = &mut self.padded[half..half + self.n];
        for (row, &skipped) in self.lines.iter().zip(&self.skipped) {
            for (lane, n) in n_good.iter_mut().enumerate() {
                // Written always, kept only when the count moves on: cheaper than a branch that nobody can predict.
                packed[*n][lane] = row[lane];
                *n += usize::from(1 - skipped[lane]);
            }
        }
        n_good
    }

    /// Extends one lane on both sides by point reflection, so that a gradient goes on.
    fn pad(&mut self, filter: &LineFilter, lane: usize, n: usize) {
        let half = filter.half();
        let reach = 2 * ((filter.window / 4).max(3) / 2) + 1;
        let mut level = |values: &mut dyn Iterator<Item = f32>| -> f32 {
            self.edge.clear();
            self.edge.extend(values);
            match filter.statistic {
                WindowStatistic::Median => *self.edge.select_nth_unstable_by(reach / 2, f32::total_cmp).1,
                WindowStatistic::Mean => {
                    (self.edge.iter().map(|&v| f64::from(v)).fold(0.0, |a, b| a + b) / reach as f64) as f32
                }
            }
        };
        let good = &self.padded[half..half + n];
        let left = level(&mut good[..reach].iter().map(|r| r[lane]));
        let right = level(&mut good[n - reach..].iter().map(|r| r[lane]));
        for q in 1..=half {
            self.padded[half - q][lane] = 2.0 * left - self.padded[half + reach - 1 + q][lane];
            self.padded[half + n - 1 + q][lane] = 2.0 * right - self.padded[half + n - reach - q][lane];
        }
    }

    /// Puts the filtered values back to their positions and fills the others.
    fn unpack(&mut self, exact_gaps: bool, n_lines: usize) {
        if !self.any_skipped {
            self.lines.copy_from_slice(&self.filtered[..self.n]);
            return;
        }
        let mut n_good = [0usize; LANES];
        let mut first = [usize::MAX; LANES];
        let mut last = [usize::MAX; LANES];
        for i in 0..self.n {
            let skipped = self.skipped[i];
            for lane in 0..n_lines {
                if skipped[lane] != 0 {
                    continue;
                }
                self.lines[i][lane] = self.filtered[n_good[lane]][lane];
                n_good[lane] += 1;
                if first[lane] == usize::MAX {
                    first[lane] = i;
                } else if i - last[lane] > 1 {
                    fill_between(&mut Lane { rows: &mut self.lines, lane }, last[lane], i, exact_gaps);
                }
                last[lane] = i;
            }
        }
        for lane in 0..n_lines {
            if first[lane] == usize::MAX {
                self.lines.iter_mut().for_each(|row| row[lane] = f32::NAN);
            } else {
                fill_ends(&mut Lane { rows: &mut self.lines, lane }, first[lane], last[lane], self.n);
            }
        }
    }
}

/// Means of `padded[i..i + window]`, lane by lane.
fn running_mean(window: usize, padded: &[Row], out: &mut [Row]) {
    // In f64: a running f32 sum drifts over a line of 15,000 pixels.
    let mut sum = [0.0_f64; LANES];
    for row in &padded[..window - 1] {
        for (s, &v) in sum.iter_mut().zip(row) {
            *s += f64::from(v);
        }
    }
    let scale = 1.0 / window as f64;
    for (i, to) in out.iter_mut().enumerate() {
        let (leaving, entering) = (&padded[i], &padded[i + window - 1]);
        for lane in 0..LANES {
            sum[lane] += f64::from(entering[lane]);
            to[lane] = (sum[lane] * scale) as f32;
            sum[lane] -= f64::from(leaving[lane]);
        }
    }
}

/// The flags at the start: [`FLAG_BAD`] where `bad`.
pub(super) fn initial_flags(bad: ArrayView2<'_, bool>) -> ndarray::Array2<u8> {
    Zip::from(bad).par_map_collect(|&b| if b { FLAG_BAD } else { 0 })
}
