//! Sigma clipping of the values of a box.
//!
//! Nothing is sorted but a few values: what clipping keeps is an interval, its sums need no order, and its median lies among the
//! values around a rank, which is found by counting. The result does not depend on where it is looked for.

use super::lanes::{Value, collect_between, counts, moments};

/// The values that survived clipping, with the numbers that estimators need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clipped<'a, T = f64> {
    values: &'a [T],
    low: f64,
    high: f64,
    n: usize,
    median: f64,
    mean: f64,
    std: f64,
}

#[expect(private_bounds, reason = "pixels or numbers; nobody else needs another type")]
impl<T: Value> Clipped<'_, T> {
    /// How many survived.
    #[must_use]
    pub fn n_kept(&self) -> usize {
        self.n
    }

    /// The values that survived, in no order.
    #[must_use]
    pub fn kept(&self) -> Vec<f64> {
        let mut kept = Vec::new();
        collect_between(self.values, T::at_least(self.low), T::at_most(self.high), &mut kept);
        kept.into_iter().map(T::double).collect()
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
const SMALL: usize = 256;
/// Values that are sorted on each side of the place where a rank is looked for.
const REACH: f64 = 24.0;
/// How often the place is moved before all is sorted: values may lie far apart, or in one place.
const STEPS: usize = 8;
/// Values of the sample that says where the first search begins.
const SAMPLE: usize = 64;

/// A place to look for the median.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: f64,
    /// Half the width of an interval with [`REACH`] values on each side.
    reach: f64,
}

/// Room for the work on one box after the other, and what the last one taught.
#[derive(Debug, Default)]
pub(super) struct Clipper<T = f64> {
    /// Sorted values around the median, without a gap.
    near: Vec<T>,
    /// How many values of the box are below them.
    n_before: usize,
    /// The median of the last box before clipping.
    start: Option<Place>,
    /// The median of the last round.
    last: Option<Place>,
}

impl<T: Value> Clipper<T> {
    /// See [`sigma_clip`].
    pub(super) fn clip<'a>(&mut self, values: &'a [T], sigma: f64, iterations: usize) -> Clipped<'a, T> {
        self.near.clear();
        self.n_before = 0;
        self.last = self.start;
        let mut kept = self.within(values, f64::NEG_INFINITY, f64::INFINITY);
        self.start = self.last;
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

    fn within<'a>(&mut self, values: &'a [T], low: f64, high: f64) -> Clipped<'a, T> {
        let (least, most) = (T::at_least(low), T::at_most(high));
        let [n_below, n] = counts(values, least, most).map(|n| n as usize);
        if n == 0 {
            return Clipped { values, low, high, n, median: f64::NAN, mean: f64::NAN, std: f64::NAN };
        }
        let median = self.median(values, n_below, n);
        // About the median: sums about a far place would lose the noise on a large pedestal. The mean is within one standard
        // deviation of the median, so that the difference of squares keeps its digits.
        let found = moments(values, least, most, median);
        let shift = found.sum / n as f64;
        let variance = found.sum_squares / n as f64 - shift * shift;
        let std = variance.max(0.0).sqrt();
        Clipped { values, low, high, n, median, mean: median + shift, std }
    }

    /// Median of the `n` values that follow the `n_below` smallest.
    fn median(&mut self, values: &[T], n_below: usize, n: usize) -> f64 {
        let ranks = [n_below + (n - 1) / 2, n_below + n / 2];
        if !self.holds(ranks) {
            self.look(values, ranks);
            if !self.holds(ranks) {
                self.near.clear();
                self.near.extend_from_slice(values);
                self.n_before = 0;
                self.near.sort_unstable_by(T::order);
            }
        }
        let [low, high] = ranks.map(|rank| self.near[rank - self.n_before].double());
        let median = if n % 2 == 1 { low } else { 0.5 * (low + high) };
        if let Some(last) = &mut self.last {
            last.at = median;
        }
        median
    }

    fn holds(&self, ranks: [usize; 2]) -> bool {
        ranks[0] >= self.n_before && ranks[1] < self.n_before + self.near.len()
    }

    /// Collects the values around two ranks, if it finds them: counting says how many values a guess is off.
    fn look(&mut self, values: &[T], ranks: [usize; 2]) {
        if values.len() < SMALL {
            return;
        }
        let Some(mut place) = self.last.or_else(|| sampled(values)) else { return };
        for _ in 0..STEPS {
            let (low, high) = (T::at_least(place.at - place.reach), T::at_most(place.at + place.reach));
            let [n_below, n] = counts(values, low, high).map(|n| n as usize);
            if n_below <= ranks[0] && ranks[1] < n_below + n {
                self.near.clear();
                collect_between(values, low, high, &mut self.near);
                self.near.sort_unstable_by(T::order);
                self.n_before = n_below;
                // As wide next time as it should have been now.
                place.reach *= 2.0 * REACH / n as f64;
                self.last = (place.reach > 0.0 && place.reach.is_finite()).then_some(place);
                return;
            }
            // As if values lay everywhere as close as here, and no further than a few widths: they lie closer in the middle.
            let off = ranks[0] as f64 - (n_below as f64 + 0.5 * n as f64);
            let step = off * 2.0 * place.reach / (n as f64).max(0.25 * REACH);
            place.at += step.clamp(-16.0 * place.reach, 16.0 * place.reach);
        }
    }
}

/// Where the median may lie: the middle of a sample, and the width of its middle half.
fn sampled<T: Value>(values: &[T]) -> Option<Place> {
    let mut sample: Vec<T> = values.iter().step_by(values.len().div_ceil(SAMPLE)).copied().collect();
    sample.sort_unstable_by(T::order);
    let [low, at, high] = [1, 2, 3].map(|quarter| sample[quarter * sample.len() / 4].double());
    let reach = 2.0 * REACH * (high - low) / values.len() as f64;
    (reach > 0.0 && reach.is_finite()).then_some(Place { at, reach })
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
