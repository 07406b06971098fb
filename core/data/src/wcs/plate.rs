//! The plate solution of the Digitized Sky Survey.
//!
//! Positions on the plate in millimetres, `x = (PPO3 - XPIXELSZ X) / 1000` and `y = (YPIXELSZ Y - PPO6) / 1000` with the
//! plate pixel `X = column + CNPIX1 - 0.5` for a one-based column, give standard coordinates in arcseconds by the
//! polynomials AMDX and AMDY, and these the sky by a TAN projection about the plate centre PLTRA, PLTDEC
//! (Lasker et al. 1990, AJ 99, 2019; Guide Star Catalog documentation).

use super::newton::{Value, determinant, invert};
use super::sip::powers;

/// Number of coefficients that depend on position alone; AMDX14 to AMDX20 are for magnitudes and colours.
pub(crate) const N_TERMS: usize = 13;

/// Powers of the axis's own coordinate, of the other one, and of x^2 + y^2, for AMDX1..13 (AMDY1..13 with x and y swapped).
const TERMS: [[usize; 3]; N_TERMS] = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 0],
    [2, 0, 0],
    [1, 1, 0],
    [0, 2, 0],
    [0, 0, 1],
    [3, 0, 0],
    [2, 1, 0],
    [1, 2, 0],
    [0, 3, 0],
    [1, 0, 1],
    [1, 0, 2],
];

/// The numbers of the plate cards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlatePlane {
    /// PLTRAH, PLTRAM, PLTRAS.
    pub(crate) right_ascension: [f64; 3],
    /// PLTDECSN is a minus.
    pub(crate) is_south: bool,
    /// PLTDECD, PLTDECM, PLTDECS.
    pub(crate) declination: [f64; 3],
    /// CNPIX1, CNPIX2: plate pixel of the frame's corner.
    pub(crate) corner: [f64; 2],
    /// XPIXELSZ, YPIXELSZ in micrometres.
    pub(crate) pixel_um: [f64; 2],
    /// PPO3, PPO6 in micrometres.
    pub(crate) centre_um: [f64; 2],
    /// AMDX1..13, AMDY1..13.
    pub(crate) axes: [Vec<f64>; 2],
}

impl PlatePlane {
    /// Value of one axis's polynomial in arcseconds and its derivatives by the own and the other coordinate.
    fn value(coefficients: &[f64], own: f64, other: f64) -> [f64; 3] {
        let (pa, pb) = (powers::<4>(own), powers::<4>(other));
        let r2 = own * own + other * other;
        let mut sum = [0.0; 3];
        for (&c, &[i, j, k]) in coefficients.iter().zip(&TERMS) {
            if c == 0.0 {
                continue;
            }
            let around = [1.0, r2, r2 * r2][k];
            let by_r2 = [0.0, 1.0, 2.0 * r2][k];
            let term = pa[i] * pb[j];
            sum[0] += c * term * around;
            let by_own = if i > 0 { i as f64 * pa[i - 1] * pb[j] } else { 0.0 };
            let by_other = if j > 0 { j as f64 * pa[i] * pb[j - 1] } else { 0.0 };
            sum[1] += c * (by_own * around + term * by_r2 * 2.0 * own);
            sum[2] += c * (by_other * around + term * by_r2 * 2.0 * other);
        }
        sum
    }

    fn mapping(&self, [x, y]: [f64; 2]) -> Value {
        let first = Self::value(&self.axes[0], x, y);
        let second = Self::value(&self.axes[1], y, x);
        ([first[0], second[0]], [[first[1], first[2]], [second[2], second[1]]])
    }

    /// Right ascension and declination of the plate centre in degrees.
    pub(crate) fn fiducial(&self) -> [f64; 2] {
        let sum = |[whole, minutes, seconds]: [f64; 3]| whole + minutes / 60.0 + seconds / 3600.0;
        let dec = sum(self.declination);
        [15.0 * sum(self.right_ascension), if self.is_south { -dec } else { dec }]
    }

    /// Whether the solution has an inverse near the plate centre.
    pub(crate) fn is_regular(&self) -> bool {
        let det = determinant(&self.mapping([0.0, 0.0]).1);
        det.is_finite() && det != 0.0 && self.pixel_um.iter().all(|v| *v != 0.0)
    }

    /// Standard coordinates in degrees of a zero-based pixel position.
    pub(crate) fn to_plane(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let plate = [x + 0.5 + self.corner[0], y + 0.5 + self.corner[1]];
        let mm = [
            (self.centre_um[0] - self.pixel_um[0] * plate[0]) / 1000.0,
            (self.pixel_um[1] * plate[1] - self.centre_um[1]) / 1000.0,
        ];
        self.mapping(mm).0.map(|arcsec| arcsec / 3600.0)
    }

    /// Zero-based pixel position of standard coordinates in degrees.
    pub(crate) fn to_pixel(&self, plane: [f64; 2]) -> Option<[f64; 2]> {
        // A millionth of a micrometre; plate pixels have 15 to 25 micrometres.
        let mm = invert(plane.map(|v| v * 3600.0), [0.0, 0.0], [0.0, 0.0], 1e-9, |p| self.mapping(p))?;
        Some([
            (self.centre_um[0] - 1000.0 * mm[0]) / self.pixel_um[0] - self.corner[0] - 0.5,
            (self.centre_um[1] + 1000.0 * mm[1]) / self.pixel_um[1] - self.corner[1] - 0.5,
        ])
    }

    /// Zero-based pixel position of the plate centre.
    pub(crate) fn centre_pixel(&self) -> [f64; 2] {
        [0, 1].map(|i| self.centre_um[i] / self.pixel_um[i] - self.corner[i] - 0.5)
    }
}
