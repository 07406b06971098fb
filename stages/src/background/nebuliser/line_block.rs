//! Sixty-four lines on their way through a filter.
//!
//! Each line lies by itself while its good values are moved together and put back; the filters see the lines side by
//! side, a short stretch at a time, so that what they work on stays in the nearest caches.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::gaps::{fill_between, fill_ends};
use super::line_pass::{LineFilter, WindowStatistic};
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

    /// Moves the good values of each line together, behind the padding; returns how many each line has.
    #[inline(always)]
    fn load<V: Vector>(&mut self, task: &Task<'_>, values: &ArrayView2<'_, f32>) -> [usize; LINES] {
        let half = task.filter.half();
        let n_lines = values.len_of(Axis(1 - task.axis.index()));
        let mut n_good = [0; LINES];
        if task.axis == Axis(1) {
            for (lane, n_good) in n_good.iter_mut().enumerate().take(n_lines) {
                let (row, flags) = (values.row(lane), task.flags.row(lane));
                *n_good = if let (Some(row), Some(flags)) = (row.to_slice(), flags.to_slice()) {
                    self.pack_row::<V>(lane, half, row, flags, task.skip)
                } else {
                    self.pack_row::<V>(lane, half, &row.to_vec(), &flags.to_vec(), task.skip)
                };
            }
            return n_good;
        }
        let n_chunks = self.n.div_ceil(LANES);
        for at in (0..self.n).step_by(LANES) {
            for first in (0..n_lines).step_by(LANES) {
                let mut square = [V::splat(NAN); LANES];
                for (i, to) in square.iter_mut().enumerate().take(self.n - at) {
                    let (row, flags) = (values.row(at + i), task.flags.row(at + i));
                    let whole = row.to_slice().and_then(|r| r[first..].first_chunk());
                    let whole_flags = flags.to_slice().and_then(|f| f[first..].first_chunk());
                    *to = if let (Some(row), Some(flags)) = (whole, whole_flags) {
                        V::load_floats(row).select(flagged(flags, task.skip), V::splat(NAN))
                    } else {
                        let (mut some, mut some_flags) = ([f32::NAN; LANES], [0; LANES]);
                        some.iter_mut().zip(row.iter().skip(first)).for_each(|(to, &v)| *to = v);
                        some_flags.iter_mut().zip(flags.iter().skip(first)).for_each(|(to, &f)| *to = f);
                        V::load_floats(&some).select(flagged(&some_flags, task.skip), V::splat(NAN))
                    };
                }
                V::transpose(&mut square);
                for (lane, v) in (first..).zip(square) {
                    let mask = v.finite();
                    self.good[lane * n_chunks + at / LANES] = mask;
                    let to = lane * self.stride + half + n_good[lane];
                    put(&mut self.lines, to, if mask == ALL { v } else { v.compress(mask) });
                    n_good[lane] += mask.count_ones() as usize;
                }
            }
        }
        n_good
    }

    #[inline(always)]
    fn pack_row<V: Vector>(&mut self, lane: usize, half: usize, row: &[f32], flags: &[u8], skip: u8) -> usize {
        let n_chunks = self.n.div_ceil(LANES);
        let good = &mut self.good[lane * n_chunks..(lane + 1) * n_chunks];
        let line = &mut self.lines[lane * self.stride..(lane + 1) * self.stride];
        let mut to = half;
        let (whole, rest) = row.as_chunks::<LANES>();
        let (whole_flags, rest_flags) = flags.as_chunks::<LANES>();
        for ((v, f), good) in whole.iter().zip(whole_flags).zip(good.iter_mut()) {
            *good = pack(line, to, V::load_floats(v), f, skip);
            to += good.count_ones() as usize;
        }
        if let (false, Some(good)) = (rest.is_empty(), good.last_mut()) {
            let (mut some, mut some_flags) = ([f32::NAN; LANES], [0; LANES]);
            some[..rest.len()].copy_from_slice(rest);
            some_flags[..rest.len()].copy_from_slice(rest_flags);
            *good = pack(line, to, V::load_floats(&some), &some_flags, skip);
            to += good.count_ones() as usize;
        }
        to - half
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

    /// Puts the filtered values back to their positions and fills the others.
    #[inline(always)]
    fn spread<V: Vector>(&mut self, lane: usize, n_good: usize, exact: bool) {
        let n = self.n;
        if n_good == n {
            return;
        }
        let n_chunks = n.div_ceil(LANES);
        let good = &self.good[lane * n_chunks..(lane + 1) * n_chunks];
        let line = &mut self.lines[lane * self.stride..(lane + 1) * self.stride];
        // From the end: values move to the back, over none that still has to move.
        let mut from = n_good;
        for (chunk, &mask) in good.iter().enumerate().rev() {
            if from == (chunk + 1) * LANES {
                break;
            }
            from -= mask.count_ones() as usize;
            let v: V = get(line, from);
            put(line, chunk * LANES, if mask == ALL { v } else { v.expand(mask) });
        }
        fill(&mut line[..n], good, exact);
    }

    #[inline(always)]
    fn store<V: Vector>(&self, block: &mut ArrayViewMut2<'_, f32>, axis: Axis) {
        if axis == Axis(1) {
            for (lane, mut row) in block.outer_iter_mut().enumerate() {
                let line = &self.lines[lane * self.stride..lane * self.stride + self.n];
                match row.as_slice_mut() {
                    Some(row) => row.copy_from_slice(line),
                    None => row.iter_mut().zip(line).for_each(|(to, &v)| *to = v),
                }
            }
            return;
        }
        for (chunk, mut rows) in block.axis_chunks_iter_mut(Axis(0), LANES).enumerate() {
            for first in (0..rows.ncols()).step_by(LANES) {
                let at = chunk * LANES;
                let mut square = each!(LANES, lane => get::<V>(&self.lines, (first + lane) * self.stride + at));
                V::transpose(&mut square);
                for (v, mut row) in square.into_iter().zip(rows.outer_iter_mut()) {
                    match row.as_slice_mut().and_then(|r| r[first..].first_chunk_mut()) {
                        Some(row) => v.store_floats(row),
                        None => {
                            let mut values = [0.0; LANES];
                            v.store_floats(&mut values);
                            row.iter_mut().skip(first).zip(&values).for_each(|(to, &v)| *to = v);
                        }
                    }
                }
            }
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

/// Puts the good values of a vector at `to`; returns which they are.
#[inline(always)]
fn pack<V: Vector>(line: &mut [f32], to: usize, v: V, flags: &[u8; LANES], skip: u8) -> u16 {
    let mask = v.finite() & !flagged(flags, skip);
    put(line, to, if mask == ALL { v } else { v.compress(mask) });
    mask
}

/// One bit per flag that has one of the bits of `skip`; flags and `skip` are below 4.
#[inline(always)]
fn flagged(flags: &[u8; LANES], skip: u8) -> u16 {
    let all = u128::from_le_bytes(*flags);
    if all == 0 {
        return 0;
    }
    let bits = |eight: u64| {
        let eight = eight & u64::from_ne_bytes([skip; 8]);
        let any = (eight | eight >> 1) & 0x0101_0101_0101_0101;
        // Gathers the lowest bit of each byte in the highest byte, the first byte's lowest.
        (any.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u16
    };
    bits(all as u64) | bits((all >> 64) as u64) << 8
}

/// Fills the positions without a bit; a line without any good position becomes NaN: it has no background.
fn fill(line: &mut [f32], good: &[u16], exact: bool) {
    let mut ends: Option<(usize, usize)> = None;
    for (chunk, &mask) in good.iter().enumerate() {
        let at = chunk * LANES;
        let mut bits = u32::from(mask);
        while bits != 0 {
            let skipped = bits.trailing_zeros();
            let run = (!(bits >> skipped)).trailing_zeros();
            bits &= !(((1 << run) - 1) << skipped);
            let begin = at + skipped as usize;
            let end = begin + run as usize - 1;
            let first = match ends {
                Some((first, last)) => {
                    if begin - last > 1 {
                        fill_between(line, last, begin, exact);
                    }
                    first
                }
                None => begin,
            };
            ends = Some((first, end));
        }
    }
    match ends {
        Some((first, last)) => {
            let n = line.len();
            fill_ends(line, first, last, n);
        }
        None => line.fill(f32::NAN),
    }
}

/// Means of stretches of lines, one after another.
struct RunningMean {
    window: usize,
    /// In f64: a running f32 sum drifts over a line of 15,000 pixels.
    sum: [f64; LANES],
    is_begun: bool,
}

impl RunningMean {
    fn new(window: usize) -> Self {
        Self { window, sum: [0.0; LANES], is_begun: false }
    }

    /// Means of `rows[i..i + window]`, lane by lane, in the place of `rows[i]`, for `i` below `n_out`.
    #[inline(always)]
    fn run(&mut self, rows: &mut [Row], n_out: usize) {
        let mut sum = self.sum;
        if !self.is_begun {
            for row in &rows[..self.window - 1] {
                for (s, v) in sum.iter_mut().zip(row.floats()) {
                    *s += f64::from(v);
                }
            }
            self.is_begun = true;
        }
        let scale = 1.0 / self.window as f64;
        for i in 0..n_out {
            let (leaving, entering) = (rows[i].floats(), rows[i + self.window - 1].floats());
            let mut mean = [0.0; LANES];
            for lane in 0..LANES {
                sum[lane] += f64::from(entering[lane]);
                mean[lane] = (sum[lane] * scale) as f32;
                sum[lane] -= f64::from(leaving[lane]);
            }
            rows[i] = Row::from_floats(mean);
        }
        self.sum = sum;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn every_vector_width_gives_the_same_bits() {
        let noise = |y: usize, x: usize| ((y * 7919 + x * 104_729 + y * x * 31) % 1009) as f32 * 0.37 - 120.0;
        let source =
            Array2::from_shape_fn((150, 50), |(y, x)| if (y + 3 * x) % 41 == 0 { f32::NAN } else { noise(y, x) });
        let flags = Array2::from_shape_fn((150, 50), |(y, x)| {
            u8::from(x == 7 && y > 20 || (y * x) % 13 == 1) | u8::from((y * 5 + x) % 7 == 0) << 1
        });
        for (window, statistic) in [(1, WindowStatistic::Median), (3, WindowStatistic::Mean)]
            .into_iter()
            .chain([3, 5, 9, 14, 23, 30].map(|w| (w, WindowStatistic::Median)))
            .chain([(31, WindowStatistic::Mean)])
        {
            for axis in [Axis(0), Axis(1)] {
                let filter = LineFilter::new(window, statistic, false, 150);
                let (flags, mut results) = (flags.view(), Vec::new());
                for width in 0..3 {
                    let task = Task { filter: &filter, flags: &flags, skip: 3, axis };
                    let mut block = LineBlock::new(&filter, source.len_of(axis));
                    let mut result = Array2::<f32>::zeros(source.raw_dim());
                    let lines = result.len_of(Axis(1 - axis.index()));
                    // One block of lines; the rows of the other axis are three.
                    for first in (0..lines).step_by(LINES) {
                        let part = ndarray::Slice::from(first..(first + LINES).min(lines));
                        let across = Axis(1 - axis.index());
                        let flags = flags.slice_axis(across, part);
                        let task = Task { flags: &flags, ..task };
                        let source = Some(source.slice_axis(across, part));
                        let mut to = result.slice_axis_mut(across, part);
                        match width {
                            0 => block.filter_body::<Portable>(&task, source, &mut to),
                            #[cfg(target_arch = "x86_64")]
                            1 if is_x86_feature_detected!("avx2") => {
                                // SAFETY: the processor has the feature.
                                unsafe { block.filter_avx2(&task, source, &mut to) }
                            }
                            _ => block.filter(&filter, source, &flags, 3, &mut to, axis),
                        }
                    }
                    results.push(result.mapv(f32::to_bits));
                }
                assert_eq!(results[0], results[1], "window {window}, {statistic:?}, {axis:?}");
                assert_eq!(results[0], results[2], "window {window}, {statistic:?}, {axis:?}");
            }
        }
    }
}
