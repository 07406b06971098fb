//! Sixty-four lines on their way through a filter.
//!
//! Each line lies by itself while its good values are moved together and put back; the filters see the lines side by
//! side, a short stretch at a time, so that what they work on stays in the nearest caches.

mod transfer;

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::line_pass::{LineFilter, WindowStatistic};
use super::running_mean::RunningMean;
#[cfg(target_arch = "x86_64")]
use super::vector::{Avx2, Avx512};
use super::vector::{LANES, Portable, Row, Vector, each};

/// Outputs that are filtered in one go, where tiles are not larger.
const STRETCH: usize = 512;
/// Lines of a block: of columns, so many lie in whole cache lines of values and of flags.
pub(super) const LINES: usize = 64;
const ALL: u16 = u16::MAX;
const NAN: i32 = f32::NAN.to_bits() as i32;

/// Reusable space for [`LINES`] lines of `n` pixels.
#[derive(Debug)]
pub(super) struct LineBlock {
    n: usize,
    stride: usize,
    /// Line after line: first the good values behind half a window of padding, at last the result.
    lines: Vec<f32>,
    /// Of each line, one bit per pixel: the value is good.
    good: Vec<u16>,
    /// Lines side by side.
    rows: Vec<Row>,
    work: Vec<Row>,
    edge: Vec<f32>,
}

impl LineBlock {
    pub(super) fn new(filter: &LineFilter, n: usize) -> Self {
        let tile = Self::tile(filter);
        // Behind the last window a vector may reach over; an odd number of vectors keeps lines off each other's sets.
        let stride = (n.next_multiple_of(tile) + filter.window + 2 * LANES).div_ceil(LANES);
        let stride = (stride | 1) * LANES;
        Self {
            n,
            stride,
            lines: vec![0.0; LINES * stride],
            good: vec![0; LINES * n.div_ceil(LANES)],
            rows: vec![Row::ZERO; Self::stretch(tile).min(n.next_multiple_of(tile)) + filter.window + 2 * LANES],
            work: Vec::new(),
            edge: Vec::new(),
        }
    }

    /// Outputs that are made together, at least a vector's.
    fn tile(filter: &LineFilter) -> usize {
        filter.median.as_ref().map_or(1, |m| m.tile()).max(LANES)
    }

    fn stretch(tile: usize) -> usize {
        tile.max(STRETCH)
    }

    /// Filters the lines of `block` along `axis`; values come from `source` where there is one.
    pub(super) fn filter(
        &mut self,
        filter: &LineFilter,
        source: Option<ArrayView2<'_, f32>>,
        flags: &ArrayView2<'_, u8>,
        skip: u8,
        block: &mut ArrayViewMut2<'_, f32>,
        axis: Axis,
    ) {
        let task = Task { filter, flags, skip, axis };
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the feature.
                return unsafe { self.filter_avx512(&task, source, block) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature.
                return unsafe { self.filter_avx2(&task, source, block) };
            }
        }
        self.filter_body::<Portable>(&task, source, block);
    }

    // Wider registers change the speed only: values are moved and compared, and each lane has its own sums.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,popcnt,bmi1,bmi2")]
    fn filter_avx512(
        &mut self,
        task: &Task<'_>,
        source: Option<ArrayView2<'_, f32>>,
        block: &mut ArrayViewMut2<'_, f32>,
    ) {
        self.filter_body::<Avx512>(task, source, block);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
    fn filter_avx2(
        &mut self,
        task: &Task<'_>,
        source: Option<ArrayView2<'_, f32>>,
        block: &mut ArrayViewMut2<'_, f32>,
    ) {
        self.filter_body::<Avx2>(task, source, block);
    }

    #[inline(always)]
    fn filter_body<V: Vector>(
        &mut self,
        task: &Task<'_>,
        source: Option<ArrayView2<'_, f32>>,
        block: &mut ArrayViewMut2<'_, f32>,
    ) {
        let filter = task.filter;
        let half = filter.half();
        let n_lines = block.len_of(Axis(1 - task.axis.index()));
        let n_good = match source {
            Some(source) => self.load::<V>(task, &source),
            None => self.load::<V>(task, &block.view()),
        };
        let is_filtered: [bool; LINES] =
            std::array::from_fn(|lane| lane < n_lines && !filter.leaves_alone(n_good[lane]));
        // Lines that stay as they are step aside: they are few, and short.
        let mut aside = Vec::new();
        for lane in 0..n_lines {
            if is_filtered[lane] {
                self.pad(filter, lane, n_good[lane]);
            } else {
                aside.push((lane, self.line(lane)[half..half + n_good[lane]].to_vec()));
            }
        }
        for first in (0..n_lines).step_by(LANES) {
            let longest = (first..first + LANES).filter(|&l| is_filtered[l]).map(|l| n_good[l]).max();
            if let Some(longest) = longest {
                self.run::<V>(filter, first, longest);
            }
        }
        for (lane, values) in aside {
            self.line(lane)[..values.len()].copy_from_slice(&values);
        }
        for (lane, &n_good) in n_good.iter().enumerate().take(n_lines) {
            self.spread::<V>(lane, n_good, filter.exact_gaps);
        }
        self.store::<V>(block, task.axis);
    }

    #[inline(always)]
    fn line(&mut self, lane: usize) -> &mut [f32] {
        &mut self.lines[lane * self.stride..(lane + 1) * self.stride]
    }

    /// Extends one line on both sides by point reflection, so that a gradient goes on.
    fn pad(&mut self, filter: &LineFilter, lane: usize, n: usize) {
        let half = filter.half();
        let reach = 2 * ((filter.window / 4).max(3) / 2) + 1;
        let line = &mut self.lines[lane * self.stride..(lane + 1) * self.stride];
        let edge = &mut self.edge;
        let mut level = |values: &[f32]| -> f32 {
            match filter.statistic {
                WindowStatistic::Median => {
                    edge.clear();
                    edge.extend_from_slice(values);
                    *edge.select_nth_unstable_by(reach / 2, f32::total_cmp).1
                }
                WindowStatistic::Mean => {
                    (values.iter().map(|&v| f64::from(v)).fold(0.0, |a, b| a + b) / reach as f64) as f32
                }
            }
        };
        let left = level(&line[half..half + reach]);
        let right = level(&line[half + n - reach..half + n]);
        for q in 1..=half {
            line[half - q] = 2.0 * left - line[half + reach - 1 + q];
            line[half + n - 1 + q] = 2.0 * right - line[half + n - reach - q];
        }
    }

    /// Filters sixteen lines from `first` on, of which the longest has `longest` good values; results begin where the padding began.
    #[inline(always)]
    fn run<V: Vector>(&mut self, filter: &LineFilter, first: usize, longest: usize) {
        let tile = Self::tile(filter);
        let n_out = longest.next_multiple_of(tile);
        let stretch = Self::stretch(tile);
        let mut mean = RunningMean::new(filter.window);
        // Rows hold the positions from `start` to `loaded`.
        let mut loaded = 0;
        for start in (0..n_out).step_by(stretch) {
            let n = stretch.min(n_out - start);
            while loaded < start + n + filter.window - 1 {
                let mut square = each!(LANES, lane => get::<V>(&self.lines, (first + lane) * self.stride + loaded));
                V::transpose(&mut square);
                for (v, to) in square.iter().zip(&mut self.rows[loaded - start..loaded - start + LANES]) {
                    (if filter.median.is_some() { v.flip() } else { *v }).store(&mut to.0);
                }
                loaded += LANES;
            }
            match &filter.median {
                Some(median) => median.run::<V>(&mut self.rows[..n + filter.window - 1], n, &mut self.work),
                None => mean.run(&mut self.rows, n),
            }
            for at in (0..n).step_by(LANES) {
                let rows = &self.rows[at..at + LANES];
                let mut square = each!(LANES, i => V::load(&rows[i].0));
                if filter.median.is_some() {
                    for v in &mut square {
                        *v = v.flip();
                    }
                }
                V::transpose(&mut square);
                for (lane, v) in (first..).zip(square) {
                    put(&mut self.lines, lane * self.stride + start + at, v);
                }
            }
            self.rows.copy_within(n..loaded - start, 0);
        }
    }
}

/// What is asked of a block.
#[derive(Clone, Copy)]
struct Task<'a> {
    filter: &'a LineFilter,
    flags: &'a ArrayView2<'a, u8>,
    skip: u8,
    axis: Axis,
}

#[inline(always)]
fn get<V: Vector>(line: &[f32], at: usize) -> V {
    match line[at..at + LANES].first_chunk() {
        Some(values) => V::load_floats(values),
        None => V::splat(NAN),
    }
}

#[inline(always)]
fn put<V: Vector>(line: &mut [f32], at: usize, v: V) {
    if let Some(to) = line[at..at + LANES].first_chunk_mut() {
        v.store_floats(to);
    }
}

#[cfg(test)]
mod tests;
