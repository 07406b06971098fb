//! Whether an outline meets a circle or another outline.

use crate::measure::polygon;

/// A circle or an outline, in pixels.
#[derive(Debug, Clone, PartialEq)]
pub enum Region<'a> {
    /// Centre and radius; radius 0 is a point.
    Circle {
        /// Column of the centre.
        x: f64,
        /// Row of the centre.
        y: f64,
        /// Radius.
        radius: f64,
    },
    /// A closed outline, vertices `[x, y]`.
    Outline(&'a [[f64; 2]]),
}

impl Region<'_> {
    /// Least x, least y, greatest x, greatest y; `None` when it is nowhere.
    #[must_use]
    pub fn bounds(&self) -> Option<[f64; 4]> {
        match self {
            Self::Circle { x, y, radius } => {
                let bounds = [x - radius, y - radius, x + radius, y + radius];
                (*radius >= 0.0 && bounds.iter().all(|v| v.is_finite())).then_some(bounds)
            }
            Self::Outline(vertices) => polygon::bounds(vertices),
        }
    }

    /// Whether the region and the area of a polygon have a point in common.
    #[must_use]
    pub fn meets(&self, vertices: &[[f64; 2]]) -> bool {
        match self {
            Self::Circle { x, y, radius } => {
                polygon::contains(vertices, *x, *y) || edges(vertices).any(|(a, b)| distance(a, b, [*x, *y]) <= *radius)
            }
            Self::Outline(other) => {
                let inside =
                    |a: &[[f64; 2]], b: &[[f64; 2]]| b.first().is_some_and(|v| polygon::contains(a, v[0], v[1]));
                inside(vertices, other)
                    || inside(other, vertices)
                    || edges(vertices).any(|(a, b)| edges(other).any(|(c, d)| cross(a, b, c, d)))
            }
        }
    }
}

/// Whether two boxes touch.
#[must_use]
pub fn boxes_touch(a: &[f64; 4], b: &[f64; 4]) -> bool {
    a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3]
}

fn edges(vertices: &[[f64; 2]]) -> impl Iterator<Item = ([f64; 2], [f64; 2])> + '_ {
    let closing = vertices.last().zip(vertices.first()).map(|(&a, &b)| (a, b));
    vertices.windows(2).map(|w| (w[0], w[1])).chain(closing)
}

/// Distance of a point from a segment.
fn distance(a: [f64; 2], b: [f64; 2], p: [f64; 2]) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let square = dx * dx + dy * dy;
    let t = if square > 0.0 { (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / square).clamp(0.0, 1.0) } else { 0.0 };
    libm::hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy)
}

/// Whether two segments have a point in common.
fn cross(a: [f64; 2], b: [f64; 2], c: [f64; 2], d: [f64; 2]) -> bool {
    let side = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    let is_between = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| {
        r[0] >= p[0].min(q[0]) && r[0] <= p[0].max(q[0]) && r[1] >= p[1].min(q[1]) && r[1] <= p[1].max(q[1])
    };
    let (s1, s2, s3, s4) = (side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b));
    let differ = |s: f64, t: f64| (s > 0.0 && t < 0.0) || (s < 0.0 && t > 0.0);
    (differ(s1, s2) && differ(s3, s4))
        || (s1 == 0.0 && is_between(a, b, c))
        || (s2 == 0.0 && is_between(a, b, d))
        || (s3 == 0.0 && is_between(c, d, a))
        || (s4 == 0.0 && is_between(c, d, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, y: f64, side: f64) -> Vec<[f64; 2]> {
        vec![[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    }

    #[test]
    fn circles_meet_from_inside_outside_and_around() {
        let outline = square(10.0, 10.0, 4.0);
        let circle = |x, y, radius| Region::Circle { x, y, radius };
        for (region, meets) in [
            (circle(12.0, 12.0, 0.0), true),
            (circle(7.0, 12.0, 2.9), false),
            (circle(7.0, 12.0, 3.0), true),
            (circle(7.0, 7.0, 4.2), false),
            (circle(7.0, 7.0, 4.3), true),
            (circle(12.0, 12.0, 100.0), true),
            (circle(f64::NAN, 12.0, 100.0), false),
        ] {
            assert_eq!(region.meets(&outline), meets, "{region:?}");
        }
    }

    #[test]
    fn outlines_meet_when_they_cross_touch_or_contain() {
        let outline = square(10.0, 10.0, 4.0);
        for (other, meets) in [
            (square(13.0, 13.0, 4.0), true),
            (square(14.0, 10.0, 4.0), true),
            (square(15.0, 10.0, 4.0), false),
            (square(0.0, 0.0, 40.0), true),
            (square(11.0, 11.0, 1.0), true),
            // A cross: no vertex of one lies in the other.
            (vec![[11.0, 0.0], [12.0, 0.0], [12.0, 30.0], [11.0, 30.0]], true),
        ] {
            assert_eq!(Region::Outline(&other).meets(&outline), meets, "{other:?}");
        }
        assert!(!Region::Outline(&[]).meets(&outline));
        assert!(Region::Circle { x: 1.0, y: 2.0, radius: f64::NAN }.bounds().is_none());
    }
}
