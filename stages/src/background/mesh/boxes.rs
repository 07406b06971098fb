//! Sigma clipping of the values of a box.
//!
//! Nothing is sorted: what clipping keeps is an interval, its sums need no order, and its median lies among the few values near the
//! median of the box before, which are sorted alone. The result does not depend on where those are looked for.

use super::lanes::{collect_between, counts, moments};

/// The values that survived clipping, with the numbers that estimators need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clipped<'a> {
    values: &'a [f64],
    low: f64,
    high: f64,
    n: usize,
    median: f64,
    mean: f64,
    std: f64,
}

impl Clipped<'_> {
    /// How many survived.
    #[must_use]
    pub fn n_kept(&self) -> usize {
        self.n
    }

    /// The values that survived, in no order.
    #[must_use]
    pub fn kept(&self) -> Vec<f64> {
        let mut kept = Vec::new();
        collect_between(self.values, self.low, self.high, &mut kept);
        kept
    }

    /// The values that survived, ascending.
    #[must_use]
    pub fn sorted(&self) -> Vec<f64> {
        let mut kept = self.kept();
        kept.sort_unstable_by(f64::total_cmp);
        kept
    }

    /// Their mean; NaN when there are none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Their standard deviation (population); NaN when there are none.
    #[must_use]
    pub fn std(&self) -> f64 {
        self.std
    }

    /// Their median, the mean of the two middle values for an even number; NaN when there are none.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.median
    }
}

/// Boxes with fewer values are sorted at once.
const SMALL: usize = 64;
/// Half the width of the interval in which a median is looked for, in standard deviations: an eighth of Gaussian values. Clipping one
/// in ten on one side moves the median by less.
const REACH_SIGMA: f64 = 0.16;

/// Room for the work on one box after the other, and what the last one taught.
#[derive(Debug, Default)]
pub(super) struct Clipper {
    /// Sorted values around the median, without a gap.
    near: Vec<f64>,
    /// How many values of the box are below them.
    n_before: usize,
    /// Median and standard deviation of the last round, or of the last box.
    last: Option<(f64, f64)>,
}

impl Clipper {
    /// See [`sigma_clip`].
    pub(super) fn clip<'a>(&mut self, values: &'a [f64], sigma: f64, iterations: usize) -> Clipped<'a> {
        self.near.clear();
        self.n_before = 0;
        let mut kept = self.within(values, f64::NEG_INFINITY, f64::INFINITY);
        for _ in 0..iterations {
            if kept.n == 0 {
                break;
            }
            let reach = sigma * kept.std;
            let next = self.within(values, (kept.median - reach).max(kept.low), (kept.median + reach).min(kept.high));
            let is_settled = next.n == kept.n;
            kept = next;
            if is_settled {
                break;
            }
        }
        kept
    }

    fn within<'a>(&mut self, values: &'a [f64], low: f64, high: f64) -> Clipped<'a> {
        let [n_below, n] = counts(values, low, high).map(|n| n as usize);
        if n == 0 {
            return Clipped { values, low, high, n, median: f64::NAN, mean: f64::NAN, std: f64::NAN };
        }
        let median = self.median(values, n_below, n);
        // About the median: sums about a far place would lose the noise on a large pedestal. The mean is within one standard
        // deviation of the median, so that the difference of squares keeps its digits.
        let found = moments(values, low, high, median);
        let shift = found.sum / n as f64;
        let variance = found.sum_squares / n as f64 - shift * shift;
        let std = variance.max(0.0).sqrt();
        self.last = Some((median, std));
        Clipped { values, low, high, n, median, mean: median + shift, std }
    }

    /// Median of the `n` values that follow the `n_below` smallest.
    fn median(&mut self, values: &[f64], n_below: usize, n: usize) -> f64 {
        let ranks = [n_below + (n - 1) / 2, n_below + n / 2];
        if !self.holds(ranks) {
            self.look(values);
            if !self.holds(ranks) {
                self.near.clear();
                self.near.extend_from_slice(values);
                self.n_before = 0;
                self.near.sort_unstable_by(f64::total_cmp);
            }
        }
        let [low, high] = ranks.map(|rank| self.near[rank - self.n_before]);
        if n % 2 == 1 { low } else { 0.5 * (low + high) }
    }

    fn holds(&self, ranks: [usize; 2]) -> bool {
        ranks[0] >= self.n_before && ranks[1] < self.n_before + self.near.len()
    }

    /// Collects the values near the last median.
    fn look(&mut self, values: &[f64]) {
        let Some((median, std)) = self.last.filter(|_| values.len() >= SMALL) else { return };
        let reach = REACH_SIGMA * std;
        self.n_before = collect_between(values, median - reach, median + reach, &mut self.near);
        self.near.sort_unstable_by(f64::total_cmp);
    }
}

/// Drops values more than `sigma` standard deviations from the median, again and again until nothing changes or
/// `iterations` are done. A value equal to a limit stays. Values must be finite.
#[must_use]
pub fn sigma_clip(values: &[f64], sigma: f64, iterations: usize) -> Clipped<'_> {
    Clipper::default().clip(values, sigma, iterations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_is_two_sided_and_repeats_until_nothing_changes() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).chain([1000.0, -1000.0, 60.0]).collect();
        let kept = sigma_clip(&values, 3.0, 10);
        assert_eq!(kept.n_kept(), 100);
        assert_eq!(kept.median(), 4.5);
        let once = sigma_clip(&values, 3.0, 1);
        assert_eq!(once.n_kept(), 101);
    }

    #[test]
    fn nothing_in_gives_nan_out() {
        let kept = sigma_clip(&[], 3.0, 10);
        assert!(kept.median().is_nan() && kept.mean().is_nan() && kept.std().is_nan());
    }

    #[test]
    fn equal_values_all_stay() {
        let values = vec![5.0; 9];
        let kept = sigma_clip(&values, 3.0, 10);
        assert_eq!((kept.n_kept(), kept.std()), (9, 0.0));
    }

    #[test]
    fn what_the_last_box_taught_changes_nothing() {
        let mut clipper = Clipper::default();
        for n in [1, 2, 63, 64, 65, 577, 576, 4096] {
            for level in [0.0, 0.3, -5.0, 1e6] {
                let noise = |i: usize| ((i * 7919 + n) % 613) as f64 * 0.01 + ((i * 31) % 17) as f64;
                let far = |i: usize| if i.is_multiple_of(9) { 40.0 + i as f64 } else { 0.0 };
                let values: Vec<f64> = (0..n).map(|i| level + noise(i) + far(i)).collect();
                assert_eq!(clipper.clip(&values, 3.0, 10), sigma_clip(&values, 3.0, 10));
                let sorted = sigma_clip(&values, 3.0, 10).sorted();
                let median = 0.5 * (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]);
                assert_eq!(clipper.clip(&values, 3.0, 10).median(), median);
            }
        }
    }
}
