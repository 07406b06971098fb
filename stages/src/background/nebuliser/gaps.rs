//! Filling the masked positions of a filtered line.

/// A line whose positions can be read and written, wherever they lie in memory.
pub(super) trait Line {
    fn get(&self, i: usize) -> f32;
    fn set(&mut self, i: usize, value: f32);
}

impl Line for [f32] {
    fn get(&self, i: usize) -> f32 {
        self[i]
    }
    fn set(&mut self, i: usize, value: f32) {
        self[i] = value;
    }
}

/// Fills the positions between the good neighbours `left` and `right`.
///
/// The original divides by `right - left + 1`, one more than straight interpolation would; `exact` divides by
/// `right - left`.
pub(super) fn fill_between(line: &mut (impl Line + ?Sized), left: usize, right: usize, exact: bool) {
    let (a, b) = (line.get(left), line.get(right));
    let span = (right - left + usize::from(!exact)) as f32;
    for i in left + 1..right {
        let weight = 1.0 - (i - left) as f32 / span;
        line.set(i, weight * a + (1.0 - weight) * b);
    }
}

/// Fills both ends of a line of `n` positions, after the gaps between `first` and `last` good position were filled.
///
/// A straight line runs through the end value with the slope to its inner neighbour; a single good value is
/// continued without slope.
pub(super) fn fill_ends(line: &mut (impl Line + ?Sized), first: usize, last: usize, n: usize) {
    let (head, tail) = if first < last {
        (line.get(first + 1) - line.get(first), line.get(last) - line.get(last - 1))
    } else {
        (0.0, 0.0)
    };
    let (a, b) = (line.get(first), line.get(last));
    for i in 0..first {
        line.set(i, a - head * (first - i) as f32);
    }
    for i in last + 1..n {
        line.set(i, b + tail * (i - last) as f32);
    }
}

/// Fills every position where `is_good` is false. A line without a good position becomes NaN: it has no background.
pub(super) fn fill_line(line: &mut [f32], is_good: impl Fn(usize) -> bool, exact: bool) {
    let mut first = None;
    let mut last = 0;
    for i in 0..line.len() {
        if !is_good(i) {
            continue;
        }
        if first.is_none() {
            first = Some(i);
        } else if i - last > 1 {
            fill_between(line, last, i, exact);
        }
        last = i;
    }
    match first {
        Some(first) => {
            let n = line.len();
            fill_ends(line, first, last, n);
        }
        None => line.fill(f32::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_bridged_with_the_offset_of_the_original() {
        let mut line = [0.0, 9.0, 9.0, 9.0, 8.0];
        fill_line(&mut line, |i| i == 0 || i == 4, false);
        // Denominator 4 - 0 + 1.
        assert_eq!(line.map(|v| (v * 10.0).round()), [0.0, 16.0, 32.0, 48.0, 80.0]);
        fill_line(&mut line, |i| i == 0 || i == 4, true);
        assert_eq!(line, [0.0, 2.0, 4.0, 6.0, 8.0]);
    }

    #[test]
    fn ends_are_continued_with_the_neighbouring_slope() {
        let mut line = [9.0, 9.0, 2.0, 3.0, 5.0, 9.0];
        fill_line(&mut line, |i| (2..5).contains(&i), false);
        assert_eq!(line, [0.0, 1.0, 2.0, 3.0, 5.0, 7.0]);
    }

    #[test]
    fn one_good_value_is_continued_flat_and_none_gives_nan() {
        let mut line = [9.0, 4.0, 9.0];
        fill_line(&mut line, |i| i == 1, false);
        assert_eq!(line, [4.0; 3]);
        fill_line(&mut line, |_| false, false);
        assert!(line.iter().all(|v| v.is_nan()));
    }
}
