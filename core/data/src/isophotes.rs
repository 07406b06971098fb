//! Isophotes: closed contours at one or more levels, and the tree they form.

/// One closed contour.
#[derive(Debug, Clone, PartialEq)]
pub struct Isophote {
    /// Level in units of the local noise.
    pub level_sigma: f64,
    /// Index of the contour of the highest lower level that contains this one; `None` for a root.
    pub parent: Option<usize>,
    /// Vertices `[x, y]` in pixels, zero-based; the first is repeated at the end.
    pub vertices: Vec<[f64; 2]>,
}

/// A set of isophotes of one image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Isophotes {
    /// Image columns.
    pub width: usize,
    /// Image rows.
    pub height: usize,
    /// The contours, ordered by level, then by first vertex in raster order (y, then x). A candidate's `id` is its index here.
    pub contours: Vec<Isophote>,
}

impl Isophote {
    /// Signed shoelace area in px^2: positive around high islands, negative around holes.
    #[must_use]
    pub fn signed_area(&self) -> f64 {
        let twice = self.vertices.windows(2).map(|w| w[0][0] * w[1][1] - w[1][0] * w[0][1]).fold(0.0, |a, b| a + b);
        twice / 2.0
    }
}
