//! Projected profiles of star clusters as distributions of radius: King, EFF, Plummer.

use serde::{Deserialize, Serialize};

/// Projected density of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClusterShape {
    /// King (1962, AJ 67, 471): `[(1 + r^2/r_c^2)^-1/2 - (1 + c^2)^-1/2]^2` out to the tidal radius `c r_c`.
    King,
    /// Elson, Fall and Freeman (1987, ApJ 323, 54): `(1 + r^2/a^2)^(-gamma/2)`: young clusters without a tidal edge.
    Eff,
    /// Plummer (1911): EFF with `gamma` = 4.
    Plummer,
}

impl ClusterShape {
    /// The word in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::King => "king",
            Self::Eff => "eff",
            Self::Plummer => "plummer",
        }
    }
}

/// EFF and Plummer clusters end at so many scale radii: 99.9 % of a Plummer cluster, 87 % of EFF with gamma 2.6. What lies
/// farther out would be single stars in the field.
const EDGE: f64 = 30.0;

/// A profile scaled to a half-light radius of 1, ready to be sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterProfile {
    shape: ClusterShape,
    /// `c` of a King profile, `gamma` of EFF.
    concentration: f64,
    /// Scale radius (`r_c`, `a`) in half-light radii.
    scale: f64,
}

impl ClusterProfile {
    /// A profile of half-light radius 1, its truncation included. `concentration` is `c = r_t/r_c` of King (above 1) or
    /// `gamma` of EFF (above 2); Plummer has none.
    #[must_use]
    pub fn new(shape: ClusterShape, concentration: f64) -> Self {
        let concentration = match shape {
            ClusterShape::King => concentration.max(1.01),
            ClusterShape::Eff => concentration.max(2.01),
            ClusterShape::Plummer => 4.0,
        };
        let unit = Self { shape, concentration, scale: 1.0 };
        Self { scale: 1.0 / unit.radius(0.5), ..unit }
    }

    /// Radius that holds the fraction `u` of the light, in half-light radii.
    #[must_use]
    pub fn radius(&self, u: f64) -> f64 {
        let u = u.clamp(0.0, 1.0);
        self.scale
            * match self.shape {
                ClusterShape::King => {
                    let total = king_light(self.concentration, self.concentration);
                    // The light within r grows with r: bisection to the last bits of an f32.
                    let (mut low, mut high) = (0.0, self.concentration);
                    for _ in 0..40 {
                        let middle = 0.5 * (low + high);
                        if king_light(middle, self.concentration) < u * total { low = middle } else { high = middle }
                    }
                    0.5 * (low + high)
                }
                ClusterShape::Eff | ClusterShape::Plummer => {
                    let power = 1.0 - 0.5 * self.concentration;
                    let total = 1.0 - libm::pow(1.0 + EDGE * EDGE, power);
                    (libm::pow(1.0 - u * total, 1.0 / power) - 1.0).max(0.0).sqrt()
                }
            }
    }

    /// Fraction of the light within `r` half-light radii.
    #[must_use]
    pub fn fraction(&self, r: f64) -> f64 {
        let r = r.max(0.0) / self.scale;
        match self.shape {
            ClusterShape::King => {
                king_light(r.min(self.concentration), self.concentration)
                    / king_light(self.concentration, self.concentration)
            }
            ClusterShape::Eff | ClusterShape::Plummer => {
                let power = 1.0 - 0.5 * self.concentration;
                let within = |r: f64| 1.0 - libm::pow(1.0 + r * r, power);
                within(r.min(EDGE)) / within(EDGE)
            }
        }
    }

    /// Radius beyond which there is no star, in half-light radii.
    #[must_use]
    pub fn edge(&self) -> f64 {
        self.radius(1.0)
    }
}

/// Light of a King profile within `r` core radii, up to a factor: the integral of `2 r Sigma(r)`.
fn king_light(r: f64, c: f64) -> f64 {
    let (x, root) = (r * r, (1.0 + c * c).sqrt());
    libm::log1p(x) - 4.0 * ((1.0 + x).sqrt() - 1.0) / root + x / (1.0 + c * c)
}

/// A point at radius `r` and angle `phi` of a round shape, on an ellipse of axis ratio `q` whose major axis points `pa`
/// radians from +x towards +y. The geometric mean of the semi-axes is `r`.
#[must_use]
pub fn shape_point(r: f64, phi: f64, q: f64, pa: f64) -> (f64, f64) {
    let (sin, cos) = libm::sincos(phi);
    let (u, v) = (r * cos / q.sqrt(), r * sin * q.sqrt());
    let (sin, cos) = libm::sincos(pa);
    (u * cos - v * sin, u * sin + v * cos)
}

/// Point `i` of `n` of equal light on a sunflower spiral: the fraction of light within it and its angle. Neighbouring points
/// are about equally far apart, so that points blurred by a PSF make a smooth object.
#[must_use]
pub fn sunflower(i: usize, n: usize) -> (f64, f64) {
    const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653_3;
    ((i as f64 + 0.5) / n as f64, GOLDEN_ANGLE * i as f64 % std::f64::consts::TAU)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_light_is_within_a_radius_of_one() {
        for (shape, concentration) in [
            (ClusterShape::King, 5.0),
            (ClusterShape::King, 30.0),
            (ClusterShape::Eff, 2.6),
            (ClusterShape::Plummer, 0.0),
        ] {
            let profile = ClusterProfile::new(shape, concentration);
            assert!((profile.radius(0.5) - 1.0).abs() < 1e-9, "{shape:?}");
            assert!(profile.radius(0.0) < 1e-5 && profile.edge() > 2.0);
            let radii: Vec<f64> = (0..=20).map(|i| profile.radius(f64::from(i) / 20.0)).collect();
            assert!(radii.is_sorted(), "{shape:?}: {radii:?}");
            for u in [0.1, 0.5, 0.9, 1.0] {
                assert!((profile.fraction(profile.radius(u)) - u).abs() < 1e-9, "{shape:?} {u}");
            }
        }
    }

    #[test]
    fn a_king_profile_falls_as_its_density_says() {
        // Light between two close radii over the area of the ring is the density; compared at two radii.
        let (c, d) = (10.0_f64, 1e-4);
        let density = |r: f64| (king_light(r + d, c) - king_light(r - d, c)) / (4.0 * r * d);
        let king = |r: f64| (1.0 / (1.0 + r * r).sqrt() - 1.0 / (1.0 + c * c).sqrt()).powi(2);
        assert!((density(3.0) / density(0.5) / (king(3.0) / king(0.5)) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn plummer_has_its_closed_form() {
        // R^2 = a^2 u / (1 - u) without truncation; the edge at 30 a holds 0.9989 of it.
        let profile = ClusterProfile::new(ClusterShape::Plummer, 0.0);
        assert!((profile.radius(0.8) / 2.0 - 1.0).abs() < 5e-3);
    }

    #[test]
    fn ellipses_keep_the_area() {
        let (x, y) = shape_point(2.0, 0.0, 0.25, 0.5);
        assert!((libm::hypot(x, y) - 4.0).abs() < 1e-12 && (libm::atan2(y, x) - 0.5).abs() < 1e-12);
        let (x, y) = shape_point(2.0, std::f64::consts::FRAC_PI_2, 0.25, 0.5);
        assert!((libm::hypot(x, y) - 1.0).abs() < 1e-12);
    }
}
