//! The interval around the median of a whole image.

use std::ops::RangeInclusive;

use rayon::prelude::*;

use crate::background::order_statistics::{RowValues, exact_median};

use super::lanes::{Moments, collect_between, counts, good, moments};

/// Pixels of the sample that says where the median is looked for.
const SAMPLE: usize = 1 << 16;
/// Half the width of that interval in standard deviations of the sample's median rank.
const REACH_SIGMA: f64 = 6.0;

/// `sigma` standard deviations around the median of the good pixels of the whole image, given as rows of `width` pixels.
pub(super) fn image_limits(pixels: &[f32], bad: &[bool], width: usize, sigma: f64) -> RangeInclusive<f64> {
    let row = |y: usize| y * width..(y + 1) * width;
    let [low, high] = near_median(pixels, bad);
    let everything = f32::MAX;
    // One pass: sums per row, combined in order, and the values near the median. The same for any number of threads.
    let rows: Vec<(Moments, [u64; 2], Vec<f32>)> = (0..pixels.len() / width)
        .into_par_iter()
        .map_init(
            || vec![0.0; width],
            |values, y| {
                good(&pixels[row(y)], &bad[row(y)], values);
                let mut found = Vec::new();
                collect_between(values, low, high, &mut found);
                let [n_below, n] = counts(values, low, everything);
                (moments(values, -everything, everything, f64::from(low)), [n_below, n_below + n], found)
            },
        )
        .collect();
    let total = |f: &dyn Fn(&Moments) -> f64| rows.iter().fold(0.0, |a, (m, ..)| a + f(m));
    let n: u64 = rows.iter().map(|(_, [_, n], _)| n).sum();
    if n == 0 {
        return f64::NEG_INFINITY..=f64::INFINITY;
    }
    let n_below: u64 = rows.iter().map(|(_, [n, _], _)| n).sum();
    let shift = total(&|m| m.sum) / n as f64;
    let variance = total(&|m| m.sum_squares) / n as f64 - shift * shift;
    let near: Vec<f32> = rows.into_iter().flat_map(|(.., near)| near).collect();
    let median = median_among(near, n_below, n).or_else(|| {
        let fill = |y: usize, to: &mut Vec<f32>| {
            to.resize(width, 0.0);
            good(&pixels[row(y)], &bad[row(y)], to);
        };
        exact_median(&RowValues { n_rows: pixels.len() / width, row_len: width, fill: &fill })
    });
    let Some(median) = median else { return f64::NEG_INFINITY..=f64::INFINITY };
    let std = variance.max(0.0).sqrt();
    median - sigma * std..=median + sigma * std
}

/// An interval that most likely holds the median of the good pixels: from a regular sample.
fn near_median(pixels: &[f32], bad: &[bool]) -> [f32; 2] {
    // An odd step meets all columns of a detector's pattern.
    let step = (pixels.len() / SAMPLE) | 1;
    let mut sample: Vec<f32> =
        (0..pixels.len()).step_by(step).filter(|&i| !bad[i] && pixels[i].is_finite()).map(|i| pixels[i]).collect();
    sample.sort_unstable_by(f32::total_cmp);
    if sample.is_empty() {
        return [0.0; 2];
    }
    let reach = (0.5 * REACH_SIGMA * (sample.len() as f64).sqrt()).ceil() as usize;
    let middle = sample.len() / 2;
    [sample[middle.saturating_sub(reach)], sample[(middle + reach).min(sample.len() - 1)]]
}

/// The median of `n` values of which `n_below` are below those of `near` and the others above; `None` when it is not among them.
fn median_among(mut near: Vec<f32>, n_below: u64, n: u64) -> Option<f64> {
    let place = |rank: u64| usize::try_from(rank.checked_sub(n_below)?).ok().filter(|&i| i < near.len());
    let (low, high) = (place((n - 1) / 2)?, place(n / 2)?);
    let (below, &mut upper, _) = near.select_nth_unstable_by(high, f32::total_cmp);
    let lower = if low == high { upper } else { below.iter().copied().fold(f32::NEG_INFINITY, f32::max) };
    Some(0.5 * (f64::from(lower) + f64::from(upper)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn limits_are_those_of_the_sorted_pixels() {
        for (height, width) in [(1, 1), (3, 5), (300, 401), (512, 512)] {
            let pixels = Array2::from_shape_fn((height, width), |(y, x)| {
                let i = y * width + x;
                if i % 50 == 49 {
                    f32::NAN
                } else {
                    1e4 + ((i * 7919) % 100_003) as f32 * if i % 7 == 0 { 9.0 } else { 0.1 }
                }
            });
            let bad = Array2::from_shape_fn((height, width), |(y, x)| (y + x) % 11 == 10);
            let mut good: Vec<f64> =
                pixels.iter().zip(&bad).filter(|(v, b)| !**b && v.is_finite()).map(|(v, _)| f64::from(*v)).collect();
            good.sort_unstable_by(f64::total_cmp);
            let n = good.len() as f64;
            let mean = good.iter().sum::<f64>() / n;
            let std = (good.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            let median = 0.5 * (good[(good.len() - 1) / 2] + good[good.len() / 2]);
            let found = image_limits(pixels.as_slice().unwrap(), bad.as_slice().unwrap(), width, 2.0);
            assert!((found.start() - (median - 2.0 * std)).abs() < 1e-9 * (median + std));
            assert!((found.end() - (median + 2.0 * std)).abs() < 1e-9 * (median + std));
        }
    }

    #[test]
    fn a_median_outside_the_interval_is_noticed() {
        assert_eq!(median_among(vec![3.0, 1.0, 2.0], 0, 6), None);
        assert_eq!(median_among(vec![3.0, 1.0, 2.0], 4, 7), None);
        assert_eq!(median_among(vec![3.0, 1.0, 2.0], 2, 7), Some(2.0));
        assert_eq!(median_among(vec![3.0, 1.0, 2.0], 1, 4), Some(1.5));
    }
}
