//! Passes over the values of a box or a row that the compiler turns into vector code.
//!
//! Sums go through [`LANES`] partial sums in a fixed order, so that registers of every width give the same bits.

/// Partial sums.
const LANES: usize = 8;

/// Sums of the values in an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moments {
    /// Sum of the differences between the values and the centre.
    pub sum: f64,
    /// Sum of their squares.
    pub sum_squares: f64,
}

/// A pixel or a number.
pub(super) trait Value: Copy {
    const NAN: Self;
    fn double(self) -> f64;
}
impl Value for f64 {
    const NAN: Self = Self::NAN;
    #[inline(always)]
    fn double(self) -> f64 {
        self
    }
}
impl Value for f32 {
    const NAN: Self = Self::NAN;
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
}

/// The values in groups, and what is left filled up with NaN: arrays of a fixed length stay in registers.
#[inline(always)]
fn grouped<T: Value>(values: &[T]) -> (&[[T; LANES]], [T; LANES]) {
    let (groups, rest) = values.as_chunks::<LANES>();
    let mut last = [T::NAN; LANES];
    last[..rest.len()].copy_from_slice(rest);
    (groups, last)
}

// No closures in what follows: they would be compiled for the smallest processor and not be inlined.

#[inline(always)]
fn add_moments<T: Value>(sums: &mut [[f64; LANES]; 2], group: &[T; LANES], low: f64, high: f64, centre: f64) {
    for (k, v) in group.iter().enumerate() {
        let v = v.double();
        let difference = if (v >= low) & (v <= high) { v - centre } else { 0.0 };
        sums[0][k] += difference;
        sums[1][k] += difference * difference;
    }
}

#[inline(always)]
fn moments_of<T: Value>(values: &[T], low: f64, high: f64, centre: f64) -> Moments {
    let mut sums = [[0.0; LANES]; 2];
    let (groups, last) = grouped(values);
    for group in groups {
        add_moments(&mut sums, group, low, high, centre);
    }
    add_moments(&mut sums, &last, low, high, centre);
    let mut totals = [0.0; 2];
    for (total, lanes) in totals.iter_mut().zip(&sums) {
        for lane in lanes {
            *total += lane;
        }
    }
    Moments { sum: totals[0], sum_squares: totals[1] }
}

#[inline(always)]
fn add_counts<T: Value>(counts: &mut [[u64; LANES]; 2], group: &[T; LANES], low: f64, high: f64) {
    for (k, v) in group.iter().enumerate() {
        let v = v.double();
        counts[0][k] += u64::from(v < low);
        counts[1][k] += u64::from((v >= low) & (v <= high));
    }
}

#[inline(always)]
fn counts_of<T: Value>(values: &[T], low: f64, high: f64) -> [u64; 2] {
    let mut counts = [[0; LANES]; 2];
    let (groups, last) = grouped(values);
    for group in groups {
        add_counts(&mut counts, group, low, high);
    }
    add_counts(&mut counts, &last, low, high);
    counts.map(|lanes| lanes.iter().sum())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn moments_avx2<T: Value>(values: &[T], low: f64, high: f64, centre: f64) -> Moments {
    moments_of(values, low, high, centre)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn counts_avx2<T: Value>(values: &[T], low: f64, high: f64) -> [u64; 2] {
    counts_of(values, low, high)
}

/// Sums of the values from `low` to `high`, both included, about a centre; NaN takes no part.
pub(super) fn moments<T: Value>(values: &[T], low: f64, high: f64, centre: f64) -> Moments {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        return unsafe { moments_avx2(values, low, high, centre) };
    }
    moments_of(values, low, high, centre)
}

/// How many values are below `low`, and how many from `low` to `high`; NaN is neither.
pub(super) fn counts<T: Value>(values: &[T], low: f64, high: f64) -> [u64; 2] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        return unsafe { counts_avx2(values, low, high) };
    }
    counts_of(values, low, high)
}

/// Appends the pixels that are not bad and lie from `low` to `high`, as doubles; NaN never does.
pub(super) fn gather(pixels: &[f32], bad: &[bool], low: f64, high: f64, to: &mut Vec<f64>) {
    let start = to.len();
    to.resize(start + pixels.len(), 0.0);
    let mut n = 0;
    let room = &mut to[start..];
    // Without branches: what is left out is written over by the next value.
    for (&v, &b) in pixels.iter().zip(bad) {
        let v = f64::from(v);
        room[n] = v;
        n += usize::from(!b & (v >= low) & (v <= high));
    }
    to.truncate(start + n);
}

/// Pixels that are asked together whether one of them is near the median.
const GROUP: usize = 32;

#[inline(always)]
fn good_of(pixels: &[f32], bad: &[bool], to: &mut [f32]) {
    for ((to, &v), &is_bad) in to.iter_mut().zip(pixels).zip(bad) {
        *to = if is_bad | !v.is_finite() { f32::NAN } else { v };
    }
}

#[inline(always)]
fn any_between(group: &[f32; GROUP], low: f32, high: f32) -> bool {
    let mut any = false;
    for &v in group {
        any |= (v >= low) & (v <= high);
    }
    any
}

#[inline(always)]
fn near_of(values: &[f32], low: f32, high: f32, to: &mut Vec<f32>) {
    let (groups, rest) = values.as_chunks::<GROUP>();
    for group in groups {
        if any_between(group, low, high) {
            to.extend(group.iter().filter(|&&v| (v >= low) & (v <= high)));
        }
    }
    to.extend(rest.iter().filter(|&&v| (v >= low) & (v <= high)));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn good_avx2(pixels: &[f32], bad: &[bool], to: &mut [f32]) {
    good_of(pixels, bad, to);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn near_avx2(values: &[f32], low: f32, high: f32, to: &mut Vec<f32>) {
    near_of(values, low, high, to);
}

/// A row with NaN for what is bad or not finite.
pub(super) fn good(pixels: &[f32], bad: &[bool], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        return unsafe { good_avx2(pixels, bad, to) };
    }
    good_of(pixels, bad, to);
}

/// Appends the values from `low` to `high`, of which there are few.
pub(super) fn near(values: &[f32], low: f32, high: f32, to: &mut Vec<f32>) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        return unsafe { near_avx2(values, low, high, to) };
    }
    near_of(values, low, high, to);
}

/// Puts the values from `low` to `high` into `to`, in their order; says how many are below.
pub(super) fn collect_between(values: &[f64], low: f64, high: f64, to: &mut Vec<f64>) -> usize {
    to.clear();
    to.resize(values.len(), 0.0);
    let (mut n, mut n_below) = (0, 0);
    // Without branches, which would be guessed wrong half of the time.
    let room = &mut to[..];
    for &v in values {
        room[n] = v;
        n += usize::from((v >= low) & (v <= high));
        n_below += usize::from(v < low);
    }
    to.truncate(n);
    n_below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_widths_give_the_same_bits() {
        let values: Vec<f64> = (0..1003).map(|i| f64::from((i * 7919) % 613 - 300) * 0.37).collect();
        for n in [0, 1, 7, 8, 9, 577, 1003] {
            let values = &values[..n];
            assert_eq!(moments(values, -50.0, 61.0, 3.1), moments_of(values, -50.0, 61.0, 3.1));
            let found = counts(values, -50.0, 61.0);
            assert_eq!(found, counts_of(values, -50.0, 61.0));
            let mut kept = Vec::new();
            assert_eq!(collect_between(values, -50.0, 61.0, &mut kept) as u64, found[0]);
            assert_eq!(kept.len() as u64, found[1]);
        }
        assert_eq!(moments(&[f32::NAN; 9], f64::NEG_INFINITY, f64::INFINITY, 0.0), Moments::default());
    }
}
