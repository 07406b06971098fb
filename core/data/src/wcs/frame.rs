//! Celestial frames and their way to ICRS.

use serde::{Deserialize, Serialize};

use super::sphere::{Matrix, multiply, rotate, rotate_back, sin_cos_deg, to_angles, to_vector, transpose};

/// The celestial frame that a header's coordinates belong to.
///
/// Conversions are pure rotations; no proper motion, parallax or aberration is involved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum CelestialFrame {
    /// International Celestial Reference System.
    Icrs,
    /// FK5 with mean equator and equinox of a Julian year.
    ///
    /// To ICRS: precession to J2000.0 by IAU 1976, the precession that defines the FK5 system (Lieske et al. 1977,
    /// A&A 58, 1; angles as in Lieske 1979, A&A 73, 282), then the frame bias between FK5 at J2000.0 and ICRS
    /// (xi_0 = 9.1, eta_0 = -19.9, d alpha_0 = -22.9 mas; USNO Circular 179), a turn of some 23 mas.
    /// Programs that precess FK5 by IAU 2006 instead differ by about 3 mas per year from J2000.0.
    Fk5 {
        /// Julian year of the equinox.
        equinox: f64,
    },
    /// Galactic longitude and latitude (IAU 1958), by way of FK5 at J2000.0: the pole at 192.8594812065348,
    /// 27.12825118085622 and the longitude 122.9319185680026 of the celestial pole.
    Galactic,
}

impl CelestialFrame {
    /// ICRS right ascension and declination of a longitude and latitude in this frame. All in degrees.
    #[must_use]
    pub fn to_icrs(self, lon: f64, lat: f64) -> (f64, f64) {
        match self.icrs_matrix() {
            None => (lon, lat),
            Some(m) => to_angles(rotate(&m, to_vector(lon, lat))),
        }
    }

    /// Longitude and latitude in this frame of an ICRS right ascension and declination. All in degrees.
    #[must_use]
    pub fn from_icrs(self, ra: f64, dec: f64) -> (f64, f64) {
        match self.icrs_matrix() {
            None => (ra, dec),
            Some(m) => to_angles(rotate_back(&m, to_vector(ra, dec))),
        }
    }

    /// Rotation from this frame to ICRS; `None` for ICRS itself, whose numbers then stay untouched.
    pub(crate) fn icrs_matrix(self) -> Option<Matrix> {
        match self {
            Self::Icrs => None,
            Self::Fk5 { equinox } => {
                let to_j2000 = transpose(&precession_from_j2000(equinox));
                Some(multiply(&transpose(&bias()), &to_j2000))
            }
            Self::Galactic => Some(multiply(&transpose(&bias()), &transpose(&galactic_from_fk5()))),
        }
    }
}

impl std::fmt::Display for CelestialFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Icrs => f.write_str("ICRS"),
            Self::Fk5 { equinox } => write!(f, "FK5 J{equinox:.1}"),
            Self::Galactic => f.write_str("galactic"),
        }
    }
}

/// Turn of the axes about x (0), y (1) or z (2) by an angle in degrees: what a vector's components become.
fn axes_turned(axis: usize, degrees: f64) -> Matrix {
    let (s, c) = sin_cos_deg(degrees);
    match axis {
        0 => [[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]],
        1 => [[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]],
        _ => [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]],
    }
}

/// ICRS to FK5 at J2000.0.
fn bias() -> Matrix {
    const MAS: f64 = 3_600_000.0;
    multiply(&axes_turned(0, 19.9 / MAS), &multiply(&axes_turned(1, 9.1 / MAS), &axes_turned(2, -22.9 / MAS)))
}

/// FK5 at J2000.0 to galactic.
fn galactic_from_fk5() -> Matrix {
    let to_pole = multiply(&axes_turned(1, 90.0 - 27.128_251_180_856_22), &axes_turned(2, 192.859_481_206_534_8));
    multiply(&axes_turned(2, 180.0 - 122.931_918_568_002_6), &to_pole)
}

/// Precession from J2000.0 to another equinox, IAU 1976.
fn precession_from_j2000(equinox: f64) -> Matrix {
    let t = (equinox - 2000.0) / 100.0; // Julian centuries
    let arcsec = |c: [f64; 3]| t * (c[0] + t * (c[1] + t * c[2])) / 3600.0;
    let zeta = arcsec([2306.2181, 0.30188, 0.017_998]);
    let z = arcsec([2306.2181, 1.09468, 0.018_203]);
    let theta = arcsec([2004.3109, -0.42665, -0.041_833]);
    multiply(&axes_turned(2, -z), &multiply(&axes_turned(1, theta), &axes_turned(2, -zeta)))
}
