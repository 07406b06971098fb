//! Unit vectors, and the rotation between a projection's native sphere and the sky.

use super::error::WcsError;

/// A rotation, row by row.
pub(crate) type Matrix = [[f64; 3]; 3];

/// Sine and cosine of an angle in degrees, exact at multiples of 90, where frames are most often aligned.
pub(crate) fn sin_cos_deg(angle: f64) -> (f64, f64) {
    let turn = angle % 360.0;
    let quarters = turn / 90.0;
    if quarters.fract() == 0.0 {
        return match (quarters as i64).rem_euclid(4) {
            0 => (0.0, 1.0),
            1 => (1.0, 0.0),
            2 => (0.0, -1.0),
            _ => (-1.0, 0.0),
        };
    }
    let radians = turn.to_radians();
    (libm::sin(radians), libm::cos(radians))
}

/// Unit vector of longitude and latitude in degrees.
pub(crate) fn to_vector(lon: f64, lat: f64) -> [f64; 3] {
    let (sin_lon, cos_lon) = sin_cos_deg(lon);
    let (sin_lat, cos_lat) = sin_cos_deg(lat);
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

/// Longitude in `0 <= lon < 360` and latitude, in degrees. The arc tangent keeps full precision at the poles,
/// where an arc sine loses half of the digits.
pub(crate) fn to_angles(v: [f64; 3]) -> (f64, f64) {
    let mut lon = libm::atan2(v[1], v[0]).to_degrees();
    if lon < 0.0 {
        lon += 360.0;
    }
    if lon >= 360.0 {
        lon = 0.0; // a tiny negative angle plus 360 rounds to 360; this also turns -0 into 0
    }
    (lon + 0.0, libm::atan2(v[2], libm::hypot(v[0], v[1])).to_degrees())
}

/// `m v`.
pub(crate) fn rotate(m: &Matrix, v: [f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|i| m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2])
}

/// `m` transposed times `v`: the inverse of a rotation.
pub(crate) fn rotate_back(m: &Matrix, v: [f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|i| m[0][i] * v[0] + m[1][i] * v[1] + m[2][i] * v[2])
}

/// `a b`.
pub(crate) fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j]))
}

/// The inverse of a rotation.
pub(crate) fn transpose(m: &Matrix) -> Matrix {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| m[j][i]))
}

/// Where the native sphere of a projection sits on the sky (Calabretta & Greisen 2002, A&A 395, 1077, section 2).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NativeSphere {
    /// Longitude and latitude of the fiducial point in degrees (CRVAL): alpha_0, delta_0.
    pub(crate) fiducial: [f64; 2],
    /// Native longitude of the celestial pole in degrees (LONPOLE): phi_p.
    pub(crate) lonpole: f64,
    /// Latitude of the native pole in degrees (LATPOLE after the choice among two solutions): delta_p.
    pub(crate) latpole: f64,
    /// Rotation from native to celestial unit vectors.
    to_sky: Matrix,
}

/// Angles closer than this (degrees) to a limit are taken as the limit: header values carry rounding.
const TOLERANCE: f64 = 1e-10;

impl NativeSphere {
    /// Places the sphere. `fiducial_theta` is the native latitude of the fiducial point: 90 for zenithal projections,
    /// 0 for CAR; its native longitude is 0.
    pub(crate) fn new(
        fiducial: [f64; 2],
        lonpole: Option<f64>,
        latpole: Option<f64>,
        fiducial_theta: f64,
    ) -> Result<Self, WcsError> {
        let [lon0, lat0] = fiducial;
        if lat0.abs() > 90.0 {
            return Err(WcsError::invalid(format!(
                "CRVAL: the latitude of the reference point is {lat0}; it must be between -90 and 90 degrees: correct the card"
            )));
        }
        let lonpole = lonpole.unwrap_or(if lat0 >= fiducial_theta { 0.0 } else { 180.0 });
        let (pole_lon, pole_lat) = if fiducial_theta == 90.0 {
            (lon0, lat0)
        } else {
            let pole_lat = latitude_of_pole(lat0, lonpole, latpole.unwrap_or(90.0), fiducial_theta)?;
            (longitude_of_pole(fiducial, lonpole, pole_lat, fiducial_theta), pole_lat)
        };
        Ok(Self { fiducial, lonpole, latpole: pole_lat, to_sky: rotation(pole_lon, pole_lat, lonpole) })
    }

    /// Celestial unit vector of a native one.
    pub(crate) fn to_sky(&self, native: [f64; 3]) -> [f64; 3] {
        rotate(&self.to_sky, native)
    }

    /// Native unit vector of a celestial one.
    pub(crate) fn to_native(&self, sky: [f64; 3]) -> [f64; 3] {
        rotate_back(&self.to_sky, sky)
    }
}

/// delta_p of equation 8: of its two solutions the valid one closest to LATPOLE.
fn latitude_of_pole(lat0: f64, lonpole: f64, latpole: f64, theta0: f64) -> Result<f64, WcsError> {
    let (sin_lat0, cos_lat0) = sin_cos_deg(lat0);
    let (sin_theta0, cos_theta0) = sin_cos_deg(theta0);
    let (sin_phi, cos_phi) = sin_cos_deg(lonpole);
    let impossible = || {
        WcsError::invalid(format!(
            "LONPOLE = {lonpole} is impossible with a reference latitude of {lat0} degrees: no rotation of the sphere has both; correct LONPOLE or leave it out"
        ))
    };
    let length = libm::hypot(cos_theta0 * cos_phi, sin_theta0);
    if length == 0.0 {
        // The fiducial point is 90 degrees from both poles: LATPOLE alone decides.
        return if sin_lat0 == 0.0 { Ok(latpole.clamp(-90.0, 90.0)) } else { Err(impossible()) };
    }
    let middle = libm::atan2(sin_theta0, cos_theta0 * cos_phi).to_degrees();
    // arccos(sin delta_0 / length) as an arc tangent, which is precise also where the cosine is near 1.
    let across = cos_lat0 * cos_lat0 - (cos_theta0 * sin_phi).powi(2);
    if across < -TOLERANCE {
        return Err(impossible());
    }
    let half = libm::atan2(across.max(0.0).sqrt(), sin_lat0).to_degrees();
    let solutions = [middle + half, middle - half].map(|v| {
        let v = if v > 180.0 { v - 360.0 } else { v };
        if v < -180.0 { v + 360.0 } else { v }
    });
    let nearest_first = if (latpole - solutions[0]).abs() < (latpole - solutions[1]).abs() { [0, 1] } else { [1, 0] };
    nearest_first
        .into_iter()
        .map(|i| solutions[i])
        .find(|v| v.abs() < 90.0 + TOLERANCE)
        .map(|v| v.clamp(-90.0, 90.0))
        .ok_or_else(impossible)
}

/// alpha_p of equations 9 and 10, with the special cases of the text below them.
fn longitude_of_pole(fiducial: [f64; 2], lonpole: f64, pole_lat: f64, theta0: f64) -> f64 {
    let [lon0, lat0] = fiducial;
    let (sin_lat0, cos_lat0) = sin_cos_deg(lat0);
    let (sin_pole, cos_pole) = sin_cos_deg(pole_lat);
    let (sin_theta0, cos_theta0) = sin_cos_deg(theta0);
    if cos_lat0.abs() < TOLERANCE {
        lon0
    } else if cos_pole.abs() < TOLERANCE {
        if pole_lat > 0.0 { lon0 + lonpole - 180.0 } else { lon0 - lonpole }
    } else {
        let (sin_phi, _) = sin_cos_deg(lonpole);
        let y = sin_phi * cos_theta0 / cos_lat0;
        let x = (sin_theta0 - sin_pole * sin_lat0) / (cos_pole * cos_lat0);
        lon0 - libm::atan2(y, x).to_degrees()
    }
}

/// Equation 2 as a matrix.
fn rotation(pole_lon: f64, pole_lat: f64, lonpole: f64) -> Matrix {
    let (sin_a, cos_a) = sin_cos_deg(pole_lon);
    let (sin_d, cos_d) = sin_cos_deg(pole_lat);
    let (sin_p, cos_p) = sin_cos_deg(lonpole);
    // Native longitude counted from the celestial pole, then tilted so that the native pole has latitude delta_p,
    // then turned to its longitude alpha_p.
    let from_pole = [[cos_p, sin_p, 0.0], [-sin_p, cos_p, 0.0], [0.0, 0.0, 1.0]];
    let tilt = [[-sin_d, 0.0, cos_d], [0.0, -1.0, 0.0], [cos_d, 0.0, sin_d]];
    let turn = [[cos_a, -sin_a, 0.0], [sin_a, cos_a, 0.0], [0.0, 0.0, 1.0]];
    multiply(&turn, &multiply(&tilt, &from_pole))
}
