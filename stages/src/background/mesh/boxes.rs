//! Sigma clipping of the values of a box.

/// The values that survived clipping: sorted, with the sums that estimators need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clipped<'a> {
    values: &'a [f64],
    mean: f64,
    std: f64,
}

impl<'a> Clipped<'a> {
    fn of_sorted(values: &'a [f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().fold(0.0, |a, b| a + b) / n;
        // In a second pass: a difference of sums of squares would lose the noise on a large pedestal.
        let variance = values.iter().fold(0.0, |a, b| a + (b - mean) * (b - mean)) / n;
        Self { values, mean, std: variance.sqrt() }
    }

    /// The values, ascending.
    #[must_use]
    pub fn values(&self) -> &'a [f64] {
        self.values
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
        let n = self.values.len();
        if n == 0 {
            return f64::NAN;
        }
        let (low, high) = (self.values[(n - 1) / 2], self.values[n / 2]);
        if n % 2 == 1 { low } else { 0.5 * (low + high) }
    }
}

/// Drops values more than `sigma` standard deviations from the median, again and again until nothing changes or
/// `iterations` are done. A value equal to a limit stays.
///
/// `values` must be finite; they are sorted, so that what survives is always a piece of the list.
pub fn sigma_clip(values: &mut [f64], sigma: f64, iterations: usize) -> Clipped<'_> {
    values.sort_unstable_by(f64::total_cmp);
    let mut kept = Clipped::of_sorted(values);
    for _ in 0..iterations {
        if kept.values.is_empty() {
            break;
        }
        let (centre, reach) = (kept.median(), sigma * kept.std);
        let (low, high) = (centre - reach, centre + reach);
        let first = kept.values.partition_point(|&v| v < low);
        let end = kept.values.partition_point(|&v| v <= high);
        if first == 0 && end == kept.values.len() {
            break;
        }
        // A median between two values, with a scatter of zero reach, could leave none: limits always hold the centre.
        kept = Clipped::of_sorted(kept.values.get(first..end.max(first)).unwrap_or(&[]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_is_two_sided_and_repeats_until_nothing_changes() {
        let mut values: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).chain([1000.0, -1000.0, 60.0]).collect();
        let kept = sigma_clip(&mut values, 3.0, 10);
        assert_eq!(kept.values().len(), 100);
        assert_eq!(kept.median(), 4.5);
        let once = sigma_clip(&mut values, 3.0, 1);
        assert_eq!(once.values().len(), 101);
    }

    #[test]
    fn nothing_in_gives_nan_out() {
        let kept = sigma_clip(&mut [], 3.0, 10);
        assert!(kept.median().is_nan() && kept.mean().is_nan() && kept.std().is_nan());
    }

    #[test]
    fn equal_values_all_stay() {
        let mut values = vec![5.0; 9];
        let kept = sigma_clip(&mut values, 3.0, 10);
        assert_eq!((kept.values().len(), kept.std()), (9, 0.0));
    }
}
