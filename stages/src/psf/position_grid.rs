//! Positions sorted into square buckets: which stars lie near a point.

/// An index over positions. Positions that are not finite are left out.
#[derive(Debug, Clone)]
pub struct PositionGrid {
    x0: f64,
    y0: f64,
    bucket: f64,
    n_x: usize,
    n_y: usize,
    /// `entries[starts[b]..starts[b + 1]]` lie in bucket `b`.
    starts: Vec<usize>,
    entries: Vec<(usize, f64, f64)>,
}

impl PositionGrid {
    /// Sorts positions into buckets of about `bucket` pixels; the buckets grow when the positions spread far.
    #[must_use]
    pub fn new(positions: impl Iterator<Item = (f64, f64)>, bucket: f64) -> Self {
        let mut all: Vec<(usize, f64, f64)> = positions
            .enumerate()
            .map(|(i, (x, y))| (i, x, y))
            .filter(|(_, x, y)| x.is_finite() && y.is_finite())
            .collect();
        let fold = |f: fn(f64, f64) -> f64, start: f64, axis: fn(&(usize, f64, f64)) -> f64| {
            all.iter().map(axis).fold(start, f)
        };
        let (x0, x1) = (fold(f64::min, f64::INFINITY, |e| e.1), fold(f64::max, f64::NEG_INFINITY, |e| e.1));
        let (y0, y1) = (fold(f64::min, f64::INFINITY, |e| e.2), fold(f64::max, f64::NEG_INFINITY, |e| e.2));
        if all.is_empty() {
            return Self { x0: 0.0, y0: 0.0, bucket: 1.0, n_x: 1, n_y: 1, starts: vec![0, 0], entries: all };
        }
        // At most 8192 buckets per axis: a stray position far outside must not cost memory.
        let bucket = bucket.max(1.0).max((x1 - x0).max(y1 - y0) / 8192.0);
        let (n_x, n_y) = (((x1 - x0) / bucket) as usize + 1, ((y1 - y0) / bucket) as usize + 1);
        let index = |e: &(usize, f64, f64)| ((e.2 - y0) / bucket) as usize * n_x + ((e.1 - x0) / bucket) as usize;
        let mut starts = vec![0; n_x * n_y + 1];
        for entry in &all {
            starts[index(entry) + 1] += 1;
        }
        for b in 1..starts.len() {
            starts[b] += starts[b - 1];
        }
        // Stable: inside a bucket the entries keep their order.
        all.sort_by_key(index);
        Self { x0, y0, bucket, n_x, n_y, starts, entries: all }
    }

    /// Calls `found` with index and distance of every position within `radius`, in a fixed order, until it returns false.
    pub fn visit_within(&self, x: f64, y: f64, radius: f64, mut found: impl FnMut(usize, f64) -> bool) {
        let span = |v: f64, low: f64, n: usize| {
            let first = ((v - radius - low) / self.bucket).floor().max(0.0) as usize;
            let last = ((v + radius - low) / self.bucket).floor();
            (first, if last < 0.0 { 0 } else { (last as usize + 1).min(n) })
        };
        let ((bx0, bx1), (by0, by1)) = (span(x, self.x0, self.n_x), span(y, self.y0, self.n_y));
        for by in by0..by1 {
            for bx in bx0..bx1 {
                let b = by * self.n_x + bx;
                for &(i, px, py) in &self.entries[self.starts[b]..self.starts[b + 1]] {
                    let square = (px - x) * (px - x) + (py - y) * (py - y);
                    if square <= radius * radius && !found(i, square.sqrt()) {
                        return;
                    }
                }
            }
        }
    }

    /// Whether a position within `radius` meets a condition.
    #[must_use]
    pub fn any_within(&self, x: f64, y: f64, radius: f64, mut is_wanted: impl FnMut(usize) -> bool) -> bool {
        let mut any = false;
        self.visit_within(x, y, radius, |i, _| {
            any = is_wanted(i);
            !any
        });
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_those_within_the_radius_and_none_is_missed() {
        let points: Vec<(f64, f64)> =
            (0..300).map(|i| (f64::from(i * 37 % 101) * 1.7 - 20.0, f64::from(i * 53 % 89) * 0.9)).collect();
        let grid = PositionGrid::new(points.iter().copied(), 10.0);
        for &(x, y) in &[(0.0, 0.0), (-25.0, 3.0), (75.3, 40.1), (500.0, 500.0)] {
            for radius in [0.5, 7.0, 33.0] {
                let mut found = Vec::new();
                grid.visit_within(x, y, radius, |i, _| {
                    found.push(i);
                    true
                });
                found.sort_unstable();
                let near = |p: &(f64, f64)| (p.0 - x).powi(2) + (p.1 - y).powi(2) <= radius * radius;
                let expected: Vec<usize> = (0..points.len()).filter(|&i| near(&points[i])).collect();
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn no_positions_and_stray_positions_are_harmless() {
        let none = PositionGrid::new(std::iter::empty(), 5.0);
        assert!(!none.any_within(0.0, 0.0, 10.0, |_| true));
        let stray = PositionGrid::new([(0.0, 0.0), (1e12, 5.0), (f64::NAN, 1.0)].into_iter(), 5.0);
        assert!(stray.any_within(0.0, 0.0, 1.0, |i| i == 0));
    }
}
