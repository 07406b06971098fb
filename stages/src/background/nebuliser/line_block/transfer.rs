//! Between the image and the lines of a block: good values move together, results back to their places.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::super::gaps::{fill_between, fill_ends};
use super::super::vector::{LANES, Vector, each};
use super::{ALL, LINES, LineBlock, NAN, Task, get, put};

impl LineBlock {
    /// Moves the good values of each line together, behind the padding; returns how many each line has.
    #[inline(always)]
    pub(super) fn load<V: Vector>(&mut self, task: &Task<'_>, values: &ArrayView2<'_, f32>) -> [usize; LINES] {
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

    /// Puts the filtered values back to their positions and fills the others.
    #[inline(always)]
    pub(super) fn spread<V: Vector>(&mut self, lane: usize, n_good: usize, exact: bool) {
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
    pub(super) fn store<V: Vector>(&self, block: &mut ArrayViewMut2<'_, f32>, axis: Axis) {
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
