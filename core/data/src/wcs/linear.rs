//! From pixels to the projection plane: CRPIX, the CD matrix, and SIP or TPV distortion.

use super::error::WcsError;
use super::newton::{determinant, solve};
use super::sip::Sip;
use super::tpv::Tpv;

/// What bends the plane.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Distortion {
    None,
    Sip(Sip),
    Tpv(Tpv),
}

/// CRPIX and CD as in the header (one-based pixels, degrees), one row per world axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinearPlane {
    pub(crate) crpix: [f64; 2],
    pub(crate) cd: [[f64; 2]; 2],
    /// Whether the first world axis is the latitude.
    pub(crate) latitude_first: bool,
    pub(crate) distortion: Distortion,
}

impl LinearPlane {
    /// Checks the numbers.
    pub(crate) fn new(
        crpix: [f64; 2],
        cd: [[f64; 2]; 2],
        latitude_first: bool,
        distortion: Distortion,
    ) -> Result<Self, WcsError> {
        let length = |row: [f64; 2]| libm::hypot(row[0], row[1]);
        // Compared with the rows' lengths this is the sine of the angle between the axes.
        let sine = determinant(&cd) / (length(cd[0]) * length(cd[1]));
        if !sine.is_finite() || sine.abs() < 1e-12 {
            return Err(WcsError::invalid(format!(
                "the CD matrix (or PC and CDELT, or CDELT and CROTA) is singular: found [{:e} {:e}; {:e} {:e}] degrees per pixel; its rows must be independent and not zero: correct the cards or remove CTYPE to work in pixels",
                cd[0][0], cd[0][1], cd[1][0], cd[1][1]
            )));
        }
        Ok(Self { crpix, cd, latitude_first, distortion })
    }

    fn axes_to_plane(&self, [first, second]: [f64; 2]) -> [f64; 2] {
        if self.latitude_first { [second, first] } else { [first, second] }
    }

    /// Projection plane coordinates (x along longitude, y along latitude, degrees) of a zero-based pixel position.
    pub(crate) fn to_plane(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let mut offset = [x + 1.0 - self.crpix[0], y + 1.0 - self.crpix[1]];
        if let Distortion::Sip(sip) = &self.distortion {
            offset = sip.forward(offset);
        }
        let mut point = self.cd.map(|row| row[0] * offset[0] + row[1] * offset[1]);
        if let Distortion::Tpv(tpv) = &self.distortion {
            point = tpv.forward(point);
        }
        self.axes_to_plane(point)
    }

    /// Zero-based pixel position of projection plane coordinates.
    pub(crate) fn to_pixel(&self, plane: [f64; 2]) -> Option<[f64; 2]> {
        let mut point = self.axes_to_plane(plane);
        if let Distortion::Tpv(tpv) = &self.distortion {
            point = tpv.backward(point)?;
        }
        let mut offset = solve(&self.cd, point)?;
        if let Distortion::Sip(sip) = &self.distortion {
            offset = sip.backward(offset)?;
        }
        Some([offset[0] + self.crpix[0] - 1.0, offset[1] + self.crpix[1] - 1.0])
    }
}
