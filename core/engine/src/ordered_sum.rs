//! Sums whose result does not depend on threads.

use rayon::prelude::*;

/// Length of the chunks: fixed, because another length gives another rounding.
pub const SUM_CHUNK: usize = 4096;

/// Sum of `f` over the values, in fixed chunks of [`SUM_CHUNK`] that are combined in order.
///
/// rayon's own `sum()` splits by the number of threads and gives another last bit from run to run.
pub fn ordered_sum<T: Sync>(values: &[T], f: impl Fn(&T) -> f64 + Sync) -> f64 {
    let partial: Vec<f64> =
        values.par_chunks(SUM_CHUNK).map(|chunk| chunk.iter().map(&f).fold(0.0, |a, b| a + b)).collect();
    partial.into_iter().fold(0.0, |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_has_the_same_bits_for_any_number_of_threads() {
        let values: Vec<f64> = (0..100_000).map(|i| 1.0 / f64::from(i + 1)).collect();
        let sums: Vec<u64> = [1, 2, 7]
            .iter()
            .map(|&n| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
                pool.install(|| ordered_sum(&values, |v| *v)).to_bits()
            })
            .collect();
        assert!(sums.windows(2).all(|w| w[0] == w[1]));
    }
}
