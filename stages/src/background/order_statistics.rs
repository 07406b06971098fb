//! Exact order statistics of whole images without a copy of them: two passes of counting over the bits of the values.

use rayon::prelude::*;

/// The values of an image, row by row, as a caller picks or computes them.
pub(crate) struct RowValues<'a> {
    /// Rows.
    pub n_rows: usize,
    /// Pixels per row, for the size of buffers.
    pub row_len: usize,
    /// Appends the values of one row; NaN marks pixels that take no part.
    pub fill: &'a (dyn Fn(usize, &mut Vec<f32>) + Sync),
}

/// Pixels that share one set of counts.
const CHUNK_PIXELS: usize = 1 << 21;
const HALF: usize = 1 << 16;

/// Maps floats to integers of the same order.
fn key(value: f32) -> u32 {
    // Both zeros get one key, or the order of equal values would show.
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn value_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

/// How many values are at most `limit`, and the values of the two ranks (counted from 1) that `ranks` picks from that
/// number. `None` when there is no such value.
pub(crate) fn order_statistics(
    rows: &RowValues<'_>,
    limit: f32,
    ranks: &dyn Fn(u64) -> [u64; 2],
) -> Option<(u64, [f32; 2])> {
    let highest = key(limit);
    let upper = count_keys(rows, HALF, &|k, counts| {
        if k <= highest {
            counts[(k >> 16) as usize] += 1;
        }
    });
    let n: u64 = upper.iter().sum();
    if n == 0 {
        return None;
    }
    let ranks = ranks(n).map(|r| r.clamp(1, n));
    let found = ranks.map(|rank| bin_of(&upper, rank));
    let lower = count_keys(rows, 2 * HALF, &|k, counts| {
        if k <= highest {
            for (i, (bin, _)) in found.iter().enumerate() {
                if (k >> 16) as usize == *bin {
                    counts[i * HALF + (k & 0xffff) as usize] += 1;
                }
            }
        }
    });
    let values = std::array::from_fn(|i| {
        let (bin, before) = found[i];
        let (low, _) = bin_of(&lower[i * HALF..(i + 1) * HALF], ranks[i] - before);
        value_of((bin as u32) << 16 | low as u32)
    });
    Some((n, values))
}

/// Median with the mean of the two middle values; `None` when there is no value.
pub(crate) fn exact_median(rows: &RowValues<'_>) -> Option<f64> {
    let (_, [a, b]) = order_statistics(rows, f32::INFINITY, &|n| [n.div_ceil(2), n / 2 + 1])?;
    Some(0.5 * (f64::from(a) + f64::from(b)))
}

/// The bin that holds a rank, and how many values lie in the bins before it.
fn bin_of(counts: &[u64], rank: u64) -> (usize, u64) {
    let mut before = 0;
    for (bin, &count) in counts.iter().enumerate() {
        if before + count >= rank {
            return (bin, before);
        }
        before += count;
    }
    (counts.len() - 1, before)
}

fn count_keys(rows: &RowValues<'_>, n_bins: usize, count: &(impl Fn(u32, &mut [u64]) + Sync)) -> Vec<u64> {
    let rows_per_chunk = (CHUNK_PIXELS / rows.row_len.max(1)).max(1);
    (0..rows.n_rows.div_ceil(rows_per_chunk))
        .into_par_iter()
        .map(|chunk| {
            let mut counts = vec![0; n_bins];
            let mut values = Vec::with_capacity(rows.row_len);
            for row in chunk * rows_per_chunk..((chunk + 1) * rows_per_chunk).min(rows.n_rows) {
                values.clear();
                (rows.fill)(row, &mut values);
                values.iter().filter(|v| !v.is_nan()).for_each(|&v| count(key(v), &mut counts));
            }
            counts
        })
        .reduce(
            || vec![0; n_bins],
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(to, from)| *to += from);
                a
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_equal_those_of_the_sorted_list() {
        let values: Vec<f32> =
            (0..1000_i32).map(|i| ((i * 7919) % 613 - 300) as f32 * 0.37).chain([0.0, -0.0, 1e30, -1e-40]).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let fill = |row: usize, to: &mut Vec<f32>| to.extend(&values[row * 4..row * 4 + 4]);
        let rows = RowValues { n_rows: 251, row_len: 4, fill: &fill };
        for rank in [1, 2, 251, 502, 753, 1004_u64] {
            let (n, [a, b]) = order_statistics(&rows, f32::INFINITY, &|n| [rank, n + 1 - rank]).unwrap();
            assert_eq!(n, 1004);
            assert_eq!(a, sorted[rank as usize - 1]);
            assert_eq!(b, sorted[1004 - rank as usize]);
        }
        assert_eq!(exact_median(&rows), Some(0.5 * (f64::from(sorted[501]) + f64::from(sorted[502]))));
    }

    #[test]
    fn values_above_the_limit_do_not_count() {
        let fill = |_: usize, to: &mut Vec<f32>| to.extend([5.0, -1.0, 3.0, 3.0]);
        let rows = RowValues { n_rows: 1, row_len: 4, fill: &fill };
        assert_eq!(order_statistics(&rows, 3.0, &|n| [1, n]), Some((3, [-1.0, 3.0])));
        assert_eq!(order_statistics(&rows, -2.0, &|n| [1, n]), None);
    }
}
