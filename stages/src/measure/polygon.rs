//! Polygons over pixels: area, centroid, and which pixel centres are inside.
//!
//! Inside is meant by the even-odd rule on one polygon alone. The rule is half open, so that two polygons that share
//! an edge never share a pixel: an edge meets the rows `least y <= y < greatest y`, and a point on a crossing
//! belongs to what is right of it.
//!
//! Polygons are lists of vertices `[x, y]`; the first vertex may be repeated at the end.

/// The edges, the closing one included.
fn edges(vertices: &[[f64; 2]]) -> impl Iterator<Item = ([f64; 2], [f64; 2])> + '_ {
    let closing = vertices.last().zip(vertices.first()).map(|(&a, &b)| (a, b));
    vertices.windows(2).map(|w| (w[0], w[1])).chain(closing)
}

/// Where the edge from `a` to `b` crosses the row `y`, if it does.
fn crossing(a: [f64; 2], b: [f64; 2], y: f64) -> Option<f64> {
    if (a[1] <= y) == (b[1] <= y) {
        return None;
    }
    // Taken from the end of lesser y, the crossing is exact where a vertex lies on the row.
    let (low, high) = if a[1] < b[1] { (a, b) } else { (b, a) };
    Some(low[0] + (y - low[1]) * (high[0] - low[0]) / (high[1] - low[1]))
}

/// Whether the edge from `a` to `b` crosses the row of a point at the point or left of it.
pub(crate) fn crosses_left_of(a: [f64; 2], b: [f64; 2], x: f64, y: f64) -> bool {
    crossing(a, b, y).is_some_and(|at| at <= x)
}

/// Whether a point is inside a polygon.
#[must_use]
pub fn contains(vertices: &[[f64; 2]], x: f64, y: f64) -> bool {
    edges(vertices).filter(|&(a, b)| crosses_left_of(a, b, x, y)).count() % 2 == 1
}

/// Shoelace area in square pixels: positive when `x` turns towards `y`, as contours run around high islands.
#[must_use]
pub fn signed_area(vertices: &[[f64; 2]]) -> f64 {
    moments(vertices).0 / 2.0
}

/// Centroid `[x, y]` of the area; `None` for a polygon without area.
#[must_use]
pub fn centroid(vertices: &[[f64; 2]]) -> Option<[f64; 2]> {
    let origin = vertices.first()?;
    let (twice_area, mx, my) = moments(vertices);
    let at = [origin[0] + mx / (3.0 * twice_area), origin[1] + my / (3.0 * twice_area)];
    (at[0].is_finite() && at[1].is_finite()).then_some(at)
}

/// Twice the area, and six times the first moments about the first vertex.
///
/// Relative to a vertex, because far from the origin the products cancel and cost most of the digits.
fn moments(vertices: &[[f64; 2]]) -> (f64, f64, f64) {
    let Some(&[x0, y0]) = vertices.first() else {
        return (0.0, 0.0, 0.0);
    };
    let mut sums = (0.0, 0.0, 0.0);
    for (a, b) in edges(vertices) {
        let (ax, ay, bx, by) = (a[0] - x0, a[1] - y0, b[0] - x0, b[1] - y0);
        let cross = ax * by - bx * ay;
        sums = (sums.0 + cross, sums.1 + (ax + bx) * cross, sums.2 + (ay + by) * cross);
    }
    sums
}

/// Least x, least y, greatest x, greatest y of the vertices; `None` without vertices or with one that is not finite.
#[must_use]
pub fn bounds(vertices: &[[f64; 2]]) -> Option<[f64; 4]> {
    let first = vertices.first()?;
    if vertices.iter().flatten().any(|v| !v.is_finite()) {
        return None;
    }
    let start = [first[0], first[1], first[0], first[1]];
    Some(vertices.iter().fold(start, |b, v| [b[0].min(v[0]), b[1].min(v[1]), b[2].max(v[0]), b[3].max(v[1])]))
}

/// A run of pixels of one row: columns `x_start..x_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Row.
    pub y: usize,
    /// First column.
    pub x_start: usize,
    /// Column after the last one.
    pub x_end: usize,
}

/// The pixels of a `width` x `height` image whose centres are inside the polygon, as runs in raster order.
///
/// Work and memory grow with the number of rows that edges cross, not with the area. A polygon with a vertex that is not finite
/// holds no pixel.
#[must_use]
pub fn spans(vertices: &[[f64; 2]], width: usize, height: usize) -> Vec<Span> {
    if bounds(vertices).is_none() {
        return Vec::new();
    }
    let mut crossings: Vec<(usize, f64)> = Vec::new();
    for (a, b) in edges(vertices) {
        // Saturating casts: rows outside the image are clipped, not visited.
        let first = a[1].min(b[1]).ceil().max(0.0) as usize;
        let end = (a[1].max(b[1]).ceil().max(0.0) as usize).min(height);
        crossings.extend((first..end).filter_map(|y| crossing(a, b, y as f64).map(|x| (y, x))));
    }
    crossings.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    crossings
        .chunks_exact(2)
        .map(|pair| {
            let column = |x: f64| (x.ceil().max(0.0) as usize).min(width);
            Span { y: pair[0].0, x_start: column(pair[0].1), x_end: column(pair[1].1) }
        })
        .filter(|span| span.x_start < span.x_end)
        .collect()
}

/// The pixels of [`spans`], as `(x, y)` in raster order.
pub fn pixels(spans: &[Span]) -> impl Iterator<Item = (usize, usize)> + '_ {
    spans.iter().flat_map(|span| (span.x_start..span.x_end).map(move |x| (x, span.y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [[f64; 2]; 5] = [[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0], [1.0, 1.0]];

    #[test]
    fn a_pixel_on_an_edge_belongs_to_the_polygon_on_its_right_or_below() {
        let inside: Vec<_> = pixels(&spans(&SQUARE, 10, 10)).collect();
        assert_eq!(inside, [(1, 1), (2, 1), (1, 2), (2, 2)]);
        for y in 0..5 {
            for x in 0..5 {
                assert_eq!(contains(&SQUARE, f64::from(x), f64::from(y)), inside.contains(&(x as usize, y as usize)));
            }
        }
    }

    #[test]
    fn a_figure_of_eight_follows_the_even_odd_rule() {
        let inner = [
            [0.5, 0.5],
            [6.5, 0.5],
            [6.5, 6.5],
            [0.5, 6.5],
            [0.5, 0.5],
            [2.5, 2.5],
            [4.5, 2.5],
            [4.5, 4.5],
            [2.5, 4.5],
            [2.5, 2.5],
        ];
        let n = pixels(&spans(&inner, 10, 10)).count();
        assert_eq!(n, 36 - 4);
        assert!(!contains(&inner, 3.0, 3.0));
        assert!(contains(&inner, 1.0, 3.0));
    }

    #[test]
    fn rows_and_columns_outside_the_image_are_clipped() {
        let large = [[-1e30, -1e30], [1e30, -1e30], [1e30, 1e30], [-1e30, 1e30]];
        assert_eq!(pixels(&spans(&large, 3, 2)).count(), 6);
        assert!(spans(&large, 0, 2).is_empty());
        assert!(spans(&[[f64::NAN, 0.0], [1.0, 5.0], [3.0, 3.0]], 9, 9).is_empty());
        assert!(spans(&[], 9, 9).is_empty());
    }

    #[test]
    fn area_and_centroid_do_not_lose_digits_far_from_the_origin() {
        let far: Vec<_> = SQUARE.iter().map(|v| [v[0] + 59_000.0, v[1] + 59_000.0]).collect();
        assert_eq!(signed_area(&far), 4.0);
        assert_eq!(centroid(&far), Some([59_002.0, 59_002.0]));
        assert_eq!(centroid(&SQUARE[..1]), None);
        assert_eq!(centroid(&[]), None);
    }
}
