//! Map projections: between the projection plane and the native sphere.
//!
//! Calabretta & Greisen (2002, A&A 395, 1077), section 5. With native longitude phi and latitude theta, a point of the
//! native sphere is `(cos theta cos phi, cos theta sin phi, sin theta)`; zenithal projections put it at
//! `x = R sin phi`, `y = -R cos phi`. Working with unit vectors instead of angles keeps full precision at the pole,
//! which is where zenithal images are.

use super::zpn::Zpn;

/// A projection with its parameters. Plane coordinates are in degrees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Projection {
    /// Gnomonic.
    Tan,
    /// Orthographic, slant with `[xi, eta]` not zero (PV_1, PV_2 of the latitude axis).
    Sin { slant: [f64; 2] },
    /// Zenithal equidistant.
    Arc,
    /// Zenithal polynomial.
    Zpn(Zpn),
    /// Plate carree.
    Car,
}

/// Rounding allowed at the border of a projection, in degrees.
const BORDER: f64 = 1e-11;

impl Projection {
    /// Three-letter code of CTYPE.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Tan => "TAN",
            Self::Sin { .. } => "SIN",
            Self::Arc => "ARC",
            Self::Zpn(_) => "ZPN",
            Self::Car => "CAR",
        }
    }

    /// Native latitude of the fiducial point in degrees.
    pub(crate) fn fiducial_theta(&self) -> f64 {
        if matches!(self, Self::Car) { 0.0 } else { 90.0 }
    }

    /// Native unit vector of a point of the plane; `None` outside the projection.
    pub(crate) fn to_native(&self, [x, y]: [f64; 2]) -> Option<[f64; 3]> {
        let native = match self {
            Self::Tan => {
                let (x, y) = (x.to_radians(), y.to_radians());
                let n = 1.0 / (1.0 + x * x + y * y).sqrt();
                [-y * n, x * n, n]
            }
            Self::Sin { slant } => slant_to_native(*slant, x.to_radians(), y.to_radians())?,
            Self::Arc => zenithal(x, y, libm::hypot(x, y).to_radians())?,
            Self::Zpn(zpn) => zenithal(x, y, zpn.zenith_distance(libm::hypot(x, y).to_radians())?)?,
            Self::Car => {
                if x.abs() > 180.0 + BORDER || y.abs() > 90.0 + BORDER {
                    return None;
                }
                super::sphere::to_vector(x, y.clamp(-90.0, 90.0))
            }
        };
        native.iter().all(|v| v.is_finite()).then_some(native)
    }

    /// Point of the plane of a native unit vector; `None` where the projection does not reach.
    pub(crate) fn to_plane(&self, [l, m, n]: [f64; 3]) -> Option<[f64; 2]> {
        let from_pole = || libm::atan2(libm::hypot(l, m), n);
        let plane = match self {
            Self::Tan => {
                if n <= 0.0 {
                    return None;
                }
                [(m / n).to_degrees(), (-l / n).to_degrees()]
            }
            Self::Sin { slant } => {
                let [xi, eta] = *slant;
                // Near side of the slanted plane: sin theta >= -(xi, -eta) . direction, equation 61 and its text.
                if n < eta * l - xi * m - BORDER.to_radians() {
                    return None;
                }
                let u = (l * l + m * m) / (1.0 + n); // 1 - sin theta without cancellation near the pole
                let u = if n > 0.0 { u } else { 1.0 - n };
                [(m + xi * u).to_degrees(), (eta * u - l).to_degrees()]
            }
            Self::Arc => radial(l, m, n, from_pole())?,
            Self::Zpn(zpn) => radial(l, m, n, zpn.radius(from_pole())?)?,
            Self::Car => [libm::atan2(m, l).to_degrees(), libm::atan2(n, libm::hypot(l, m)).to_degrees()],
        };
        plane.iter().all(|v| v.is_finite()).then_some(plane)
    }
}

/// Native vector of a direction in the plane and a zenith distance in radians.
fn zenithal(x: f64, y: f64, distance: f64) -> Option<[f64; 3]> {
    if distance > std::f64::consts::PI + BORDER.to_radians() {
        return None;
    }
    let radius = libm::hypot(x, y);
    if radius == 0.0 || distance == 0.0 {
        return Some([0.0, 0.0, 1.0]);
    }
    let s = libm::sin(distance) / radius;
    Some([-y * s, x * s, libm::cos(distance)])
}

/// Plane point in degrees of a native direction at a radius in radians.
fn radial(l: f64, m: f64, n: f64, radius: f64) -> Option<[f64; 2]> {
    let length = libm::hypot(l, m);
    if length == 0.0 {
        // The pole is one point; the point opposite to it is a circle, so it has no pixel. A polynomial with a
        // constant term spreads the pole over a circle too; its native longitude 0 is as good as any.
        return (n > 0.0).then(|| [0.0, 0.0 - radius.to_degrees()]);
    }
    let scale = radius.to_degrees() / length;
    Some([m * scale, -l * scale])
}

/// Inverse of equations 61: with u = 1 - sin theta, both plane coordinates are linear in u, and
/// cos^2 theta = 2u - u^2 makes a quadratic whose smaller root is the near side of the sphere.
fn slant_to_native([xi, eta]: [f64; 2], x: f64, y: f64) -> Option<[f64; 3]> {
    let r2 = x * x + y * y;
    let a = 1.0 + xi * xi + eta * eta;
    let b = 1.0 + xi * x + eta * y;
    let discriminant = b * b - a * r2;
    if discriminant < 0.0 || b < 0.0 {
        return None;
    }
    let root = b + discriminant.sqrt();
    let u = if r2 == 0.0 { 0.0 } else { r2 / root };
    Some([eta * u - y, x - xi * u, 1.0 - u])
}
