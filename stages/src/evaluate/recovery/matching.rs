//! Which candidate is which planted object.

use skyloom_data::Isophote;

use crate::psf::PositionGrid;

/// A planted object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Planted {
    /// Centre, column, zero-based.
    pub x: f64,
    /// Centre, row.
    pub y: f64,
    /// True magnitude.
    pub mag: f64,
    /// Half-light radius in pixels.
    pub r_half: f64,
}

/// A candidate: a root isophote.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Its number in the table.
    pub id: i64,
    /// Light centre, column.
    pub x: f64,
    /// Light centre, row.
    pub y: f64,
    /// Measured magnitude; NaN where unknown.
    pub mag: f64,
    /// Radius of the isophote, `sqrt(area / pi)`.
    pub r_geo: f64,
    /// The isophote itself.
    pub contour: Option<&'a Isophote>,
}

/// Candidates sorted by place.
#[derive(Debug)]
pub struct Finder<'a> {
    candidates: &'a [Found<'a>],
    grid: PositionGrid,
    /// Farthest that any isophote reaches from its light centre.
    reach: f64,
}

impl<'a> Finder<'a> {
    /// Sorts candidates.
    #[must_use]
    pub fn new(candidates: &'a [Found<'a>]) -> Self {
        let reach = candidates.iter().map(Found::reach).filter(|r| r.is_finite()).fold(0.0, f64::max);
        let grid = PositionGrid::new(candidates.iter().map(|c| (c.x, c.y)), reach.clamp(10.0, 1000.0));
        Self { candidates, grid, reach }
    }

    /// The candidate that recovers an object, and the distance of its light centre; see [`super::Recovery`].
    #[must_use]
    pub fn find(&self, object: &Planted, min_distance: f64, max_excess: Option<f64>) -> Option<(usize, f64)> {
        let near = object.r_half.max(min_distance);
        let mut best: Option<(usize, f64)> = None;
        self.grid.visit_within(object.x, object.y, near.max(self.reach), |i, distance| {
            let candidate = &self.candidates[i];
            // NaN is no excess: a candidate without magnitude may still be the object.
            let is_others = max_excess.is_some_and(|excess| object.mag - candidate.mag > excess);
            let is_match = !is_others && (distance <= near || candidate.holds(object.x, object.y));
            // The nearest, of equally near ones the first.
            if is_match && best.is_none_or(|(j, d)| (distance, i) < (d, j)) {
                best = Some((i, distance));
            }
            true
        });
        best
    }
}

impl Found<'_> {
    fn reach(&self) -> f64 {
        match self.contour {
            Some(contour) => contour
                .vertices
                .iter()
                .map(|v| libm::hypot(v[0] - self.x, v[1] - self.y))
                .filter(|r| r.is_finite())
                .fold(0.0, f64::max),
            None => self.r_geo,
        }
    }

    /// Whether a point is inside the isophote, by the even-odd rule; without one inside the circle of its radius.
    fn holds(&self, x: f64, y: f64) -> bool {
        let Some(contour) = self.contour else {
            return libm::hypot(self.x - x, self.y - y) <= self.r_geo;
        };
        let mut is_inside = false;
        for pair in contour.vertices.windows(2) {
            let ([x0, y0], [x1, y1]) = (pair[0], pair[1]);
            if (y0 > y) != (y1 > y) && x < x0 + (y - y0) / (y1 - y0) * (x1 - x0) {
                is_inside = !is_inside;
            }
        }
        is_inside
    }
}
