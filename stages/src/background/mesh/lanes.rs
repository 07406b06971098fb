//! Passes over the values of a box or a row that the compiler turns into vector code.
//!
//! Sums go through [`LANES`] partial sums in a fixed order, so that registers of every width give the same bits.

use std::cmp::Ordering;

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
    /// The smallest value that is not below a limit: comparing with it is comparing with the limit.
    fn at_least(limit: f64) -> Self;
    /// The largest value that is not above a limit.
    fn at_most(limit: f64) -> Self;
    fn is_between(self, low: Self, high: Self) -> bool;
    fn is_below(self, limit: Self) -> bool;
    fn order(&self, other: &Self) -> Ordering;
    /// See [`collect_between`].
    fn collect(values: &[Self], low: Self, high: Self, to: &mut Vec<Self>) {
        collect_of(values, low, high, to);
    }
}
impl Value for f64 {
    const NAN: Self = Self::NAN;
    #[inline(always)]
    fn double(self) -> f64 {
        self
    }
    fn at_least(limit: f64) -> Self {
        limit
    }
    fn at_most(limit: f64) -> Self {
        limit
    }
    #[inline(always)]
    fn is_between(self, low: Self, high: Self) -> bool {
        (self >= low) & (self <= high)
    }
    #[inline(always)]
    fn is_below(self, limit: Self) -> bool {
        self < limit
    }
    #[inline(always)]
    fn order(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }
}
impl Value for f32 {
    const NAN: Self = Self::NAN;
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
    fn at_least(limit: f64) -> Self {
        let near = limit as Self;
        if f64::from(near) < limit { near.next_up() } else { near }
    }
    fn at_most(limit: f64) -> Self {
        let near = limit as Self;
        if f64::from(near) > limit { near.next_down() } else { near }
    }
    #[inline(always)]
    fn is_between(self, low: Self, high: Self) -> bool {
        (self >= low) & (self <= high)
    }
    #[inline(always)]
    fn is_below(self, limit: Self) -> bool {
        self < limit
    }
    #[inline(always)]
    fn order(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }
    fn collect(values: &[Self], low: Self, high: Self, to: &mut Vec<Self>) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { collect_avx2(values, low, high, to) };
        }
        collect_of(values, low, high, to);
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
fn add_moments<T: Value>(sums: &mut [[f64; LANES]; 2], group: &[T; LANES], low: T, high: T, centre: f64) {
    for (k, v) in group.iter().enumerate() {
        let difference = if v.is_between(low, high) { v.double() - centre } else { 0.0 };
        sums[0][k] += difference;
        sums[1][k] += difference * difference;
    }
}

#[inline(always)]
fn moments_of<T: Value>(values: &[T], low: T, high: T, centre: f64) -> Moments {
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

/// Values that are counted side by side, and compared together with the limits of an interval.
const GROUP: usize = 32;

#[inline(always)]
fn counts_of<T: Value>(values: &[T], low: T, high: T) -> [u64; 2] {
    let mut totals = [0; 2];
    // Counters of 32 bits: as many as values in a register.
    for part in values.chunks(1 << 24) {
        let mut counts = [[0_u32; GROUP]; 2];
        let (groups, rest) = part.as_chunks::<GROUP>();
        for group in groups {
            for (k, v) in group.iter().enumerate() {
                counts[0][k] += u32::from(v.is_below(low));
                counts[1][k] += u32::from(v.is_between(low, high));
            }
        }
        for v in rest {
            counts[0][0] += u32::from(v.is_below(low));
            counts[1][0] += u32::from(v.is_between(low, high));
        }
        for (total, lanes) in totals.iter_mut().zip(&counts) {
            for &lane in lanes {
                *total += u64::from(lane);
            }
        }
    }
    totals
}

fn collect_of<T: Value>(values: &[T], low: T, high: T, to: &mut Vec<T>) {
    to.extend(values.iter().filter(|v| v.is_between(low, high)));
}

/// By hand: the compiler makes no vector code of a search for few among many.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn collect_avx2(values: &[f32], low: f32, high: f32, to: &mut Vec<f32>) {
    use std::arch::x86_64::*;
    let (groups, rest) = values.as_chunks::<8>();
    let (least, most) = (_mm256_set1_ps(low), _mm256_set1_ps(high));
    for group in groups {
        // SAFETY: the group has eight values.
        let v = unsafe { _mm256_loadu_ps(group.as_ptr()) };
        let is_between = _mm256_and_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(v, least), _mm256_cmp_ps::<_CMP_LE_OQ>(v, most));
        let mut bits = _mm256_movemask_ps(is_between) as u32;
        while bits != 0 {
            to.push(group[bits.trailing_zeros() as usize & 7]);
            bits &= bits - 1;
        }
    }
    collect_of(rest, low, high, to);
}

/// A function for the widest registers that the processor has; the same bits with each.
macro_rules! dispatch {
    ($(#[$doc:meta])* $name:ident, $body:ident, $avx2:ident, $avx512:ident
     ($($arg:ident: $type:ty),*) -> $result:ty) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn $avx2<T: Value>($($arg: $type),*) -> $result {
            $body($($arg),*)
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn $avx512<T: Value>($($arg: $type),*) -> $result {
            $body($($arg),*)
        }

        $(#[$doc])*
        pub(super) fn $name<T: Value>($($arg: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                if has_avx512() {
                    // SAFETY: the processor has the features.
                    return unsafe { $avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has the feature.
                    return unsafe { $avx2($($arg),*) };
                }
            }
            $body($($arg),*)
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

dispatch!(
    /// Sums of the values from `low` to `high`, both included, about a centre; NaN takes no part.
    moments, moments_of, moments_avx2, moments_avx512(values: &[T], low: T, high: T, centre: f64) -> Moments
);
dispatch!(
    /// How many values are below `low`, and how many from `low` to `high`; NaN is neither.
    counts, counts_of, counts_avx2, counts_avx512(values: &[T], low: T, high: T) -> [u64; 2]
);
/// Appends the values from `low` to `high`, of which there are few, in their order.
pub(super) fn collect_between<T: Value>(values: &[T], low: T, high: T, to: &mut Vec<T>) {
    T::collect(values, low, high, to);
}

#[inline(always)]
fn all_good_of(pixels: &[f32], bad: &[bool], low: f32, high: f32) -> bool {
    let (mut any_bad, mut all_between) = (false, true);
    for &b in bad {
        any_bad |= b;
    }
    for v in pixels {
        all_between &= v.is_between(low, high);
    }
    all_between & !any_bad
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn all_good_avx2(pixels: &[f32], bad: &[bool], low: f32, high: f32) -> bool {
    all_good_of(pixels, bad, low, high)
}

/// Whether no pixel is bad and all lie from `low` to `high`.
fn all_good(pixels: &[f32], bad: &[bool], low: f32, high: f32) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        return unsafe { all_good_avx2(pixels, bad, low, high) };
    }
    all_good_of(pixels, bad, low, high)
}

/// Appends the pixels that are not bad and lie from `low` to `high`; NaN never does.
pub(super) fn gather(pixels: &[f32], bad: &[bool], low: f32, high: f32, to: &mut Vec<f32>) {
    if all_good(pixels, bad, low, high) {
        to.extend_from_slice(pixels);
        return;
    }
    let start = to.len();
    to.resize(start + pixels.len(), 0.0);
    let mut n = 0;
    let room = &mut to[start..];
    // Without branches: what is left out is written over by the next value.
    for (&v, &b) in pixels.iter().zip(bad) {
        room[n] = v;
        n += usize::from(!b & v.is_between(low, high));
    }
    to.truncate(start + n);
}

#[inline(always)]
fn good_of(pixels: &[f32], bad: &[bool], to: &mut [f32]) {
    for ((to, &v), &is_bad) in to.iter_mut().zip(pixels).zip(bad) {
        *to = if is_bad | !v.is_finite() { f32::NAN } else { v };
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn good_avx2(pixels: &[f32], bad: &[bool], to: &mut [f32]) {
    good_of(pixels, bad, to);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_widths_give_the_same_bits() {
        let values: Vec<f64> = (0..1003).map(|i| f64::from((i * 7919) % 613 - 300) * 0.37).collect();
        let singles: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        for n in [0, 1, 7, 8, 9, 31, 32, 577, 1003] {
            same_bits(&values[..n], -50.0, 61.0);
            same_bits(&singles[..n], -50.0, 61.0);
        }
        assert_eq!(moments(&[f32::NAN; 9], f32::NEG_INFINITY, f32::INFINITY, 0.0), Moments::default());
    }

    fn same_bits<T: Value + PartialEq + std::fmt::Debug>(values: &[T], low: T, high: T) {
        let (sums, found, mut kept) = (moments_of(values, low, high, 3.1), counts_of(values, low, high), Vec::new());
        collect_of(values, low, high, &mut kept);
        let expected: Vec<T> = values.iter().copied().filter(|v| v.is_between(low, high)).collect();
        assert_eq!(kept, expected);
        assert_eq!(found, [values.iter().filter(|v| v.is_below(low)).count() as u64, kept.len() as u64]);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature.
                unsafe {
                    assert_eq!(moments_avx2(values, low, high, 3.1), sums);
                    assert_eq!(counts_avx2(values, low, high), found);
                }
            }
            if has_avx512() {
                // SAFETY: the processor has the features.
                unsafe {
                    assert_eq!(moments_avx512(values, low, high, 3.1), sums);
                    assert_eq!(counts_avx512(values, low, high), found);
                }
            }
        }
        let mut again = Vec::new();
        collect_between(values, low, high, &mut again);
        assert_eq!((moments(values, low, high, 3.1), counts(values, low, high), again), (sums, found, kept));
    }

    #[test]
    fn limits_of_singles_are_those_of_doubles() {
        let next = f64::from(1.0_f32.next_up());
        for limit in [0.5 * (1.0 + next), 1.0, -0.1, 1e300, -1e300, 1e-60, f64::INFINITY, f64::NEG_INFINITY] {
            for v in [1.0_f32, 1.0_f32.next_up(), -0.1, 0.0, f32::MAX, f32::MIN, f32::from_bits(1)] {
                assert_eq!(v >= f32::at_least(limit), f64::from(v) >= limit, "{v} {limit}");
                assert_eq!(v <= f32::at_most(limit), f64::from(v) <= limit, "{v} {limit}");
                assert_eq!(v < f32::at_least(limit), f64::from(v) < limit, "{v} {limit}");
            }
        }
        assert!(f32::at_least(f64::NAN).is_nan());
    }
}
