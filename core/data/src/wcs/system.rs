//! The world coordinate system of an image.

use serde::{Deserialize, Serialize};

use crate::header::{Card, Header};

use super::error::WcsError;
use super::frame::CelestialFrame;
use super::keywords::Keywords;
use super::linear::{Distortion, LinearPlane};
use super::plate::PlatePlane;
use super::projection::Projection;
use super::read::read_projected;
use super::read_plate::{has_plate_solution, read_plate};
use super::sphere::{Matrix, NativeSphere, rotate, rotate_back, to_angles, to_vector};
use super::write::write_cards;

/// From pixels to the projection plane.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plane {
    Linear(LinearPlane),
    Plate(PlatePlane),
}

impl Plane {
    fn to_plane(&self, pixel: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Linear(plane) => plane.to_plane(pixel),
            Self::Plate(plate) => plate.to_plane(pixel),
        }
    }

    fn to_pixel(&self, plane: [f64; 2]) -> Option<[f64; 2]> {
        match self {
            Self::Linear(linear) => linear.to_pixel(plane),
            Self::Plate(plate) => plate.to_pixel(plane),
        }
    }
}

/// The world coordinate system of an image: from pixels to the sky and back.
///
/// Pixel positions are zero-based with pixel centres at integers, `x` the column and `y` the row; CRPIX in cards is
/// one-based, as FITS has it. Angles are in degrees, longitudes between 0 and 360. Positions that the projection does not
/// reach, that an inverse does not converge for, and NaN give `None`.
///
/// It is stored as its header cards ([`Wcs::cards`]), so whatever is read back has passed the same checks.
///
/// ```
/// use skyloom_data::{CardValue, Header, Wcs};
///
/// let mut header = Header::new();
/// for (key, value) in [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")] {
///     header.set(key, CardValue::Text(value.to_owned()));
/// }
/// for (key, value) in [("CRPIX1", 101.0), ("CRPIX2", 51.0), ("CRVAL1", 10.0), ("CRVAL2", 20.0)] {
///     header.set(key, CardValue::Float(value));
/// }
/// header.set("CDELT1", CardValue::Float(-1e-4));
/// header.set("CDELT2", CardValue::Float(1e-4));
/// let wcs = Wcs::from_header(&header)?.expect("the header has a WCS");
///
/// let (ra, dec) = wcs.pixel_to_icrs(100.0, 50.0).expect("on the sky");
/// assert!((ra - 10.0).abs() < 1e-12 && (dec - 20.0).abs() < 1e-12);
/// let (x, y) = wcs.icrs_to_pixel(ra, dec).expect("on the plane");
/// assert!((x - 100.0).abs() < 1e-6 && (y - 50.0).abs() < 1e-6);
/// assert!((wcs.pixel_scale_arcsec() - 0.36).abs() < 1e-9);
/// # Ok::<(), skyloom_data::WcsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Card>", into = "Vec<Card>")]
pub struct Wcs {
    frame: CelestialFrame,
    plane: Plane,
    projection: Projection,
    sphere: NativeSphere,
    /// Rotation from the frame to ICRS; follows from the frame.
    to_icrs: Option<Matrix>,
}

impl Wcs {
    pub(crate) fn new(frame: CelestialFrame, plane: Plane, projection: Projection, sphere: NativeSphere) -> Self {
        Self { frame, plane, projection, sphere, to_icrs: frame.icrs_matrix() }
    }

    /// Reads the WCS of a header; `None` when it has none, that is when the first two axes are not celestial and there is
    /// no plate solution. A plate solution counts before CTYPE cards, which in such headers are an approximation to it.
    ///
    /// # Errors
    /// [`WcsError::Unsupported`] for projections, distortions and frames that are not known here, and
    /// [`WcsError::Invalid`] for cards that are missing, contradict each other, or are singular.
    pub fn from_header(header: &Header) -> Result<Option<Self>, WcsError> {
        let keywords = Keywords::new(header)?;
        if has_plate_solution(&keywords) {
            return read_plate(&keywords).map(Some);
        }
        read_projected(&keywords)
    }

    /// The cards that describe this WCS, in a fixed order, for a FITS header (one-based CRPIX).
    ///
    /// The matrix comes as CDi_j in degrees whatever form it was read in, and LONPOLE and LATPOLE hold the values in use.
    /// [`Wcs::from_header`] of these cards gives an equal WCS. Floats must be written with all their digits for that.
    #[must_use]
    pub fn cards(&self) -> Vec<Card> {
        write_cards(self)
    }

    /// The frame of [`Wcs::pixel_to_world`].
    #[must_use]
    pub fn frame(&self) -> CelestialFrame {
        self.frame
    }

    /// Longitude and latitude in the frame of the header, in degrees; `None` off the projection.
    #[must_use]
    pub fn pixel_to_world(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        self.pixel_to_vector(x, y).map(to_angles)
    }

    /// Zero-based pixel position of a longitude and latitude in the frame of the header; `None` off the projection.
    #[must_use]
    pub fn world_to_pixel(&self, lon: f64, lat: f64) -> Option<(f64, f64)> {
        self.vector_to_pixel(checked_vector(lon, lat)?)
    }

    /// ICRS right ascension and declination in degrees of a zero-based pixel position; `None` off the projection.
    ///
    /// How other frames become ICRS is said at [`CelestialFrame`].
    #[must_use]
    pub fn pixel_to_icrs(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let v = self.pixel_to_vector(x, y)?;
        Some(to_angles(self.to_icrs.as_ref().map_or(v, |m| rotate(m, v))))
    }

    /// Zero-based pixel position of ICRS coordinates in degrees; `None` off the projection.
    #[must_use]
    pub fn icrs_to_pixel(&self, ra: f64, dec: f64) -> Option<(f64, f64)> {
        let v = checked_vector(ra, dec)?;
        self.vector_to_pixel(self.to_icrs.as_ref().map_or(v, |m| rotate_back(m, v)))
    }

    /// Area on the sky of the pixel at a position, in square arcseconds; NaN off the projection.
    ///
    /// From the vectors between the middles of opposite pixel sides, so distortion and projection are both in it.
    #[must_use]
    pub fn pixel_area_arcsec2(&self, x: f64, y: f64) -> f64 {
        let side = |dx: f64, dy: f64| -> Option<[f64; 3]> {
            let a = self.pixel_to_vector(x - dx, y - dy)?;
            let b = self.pixel_to_vector(x + dx, y + dy)?;
            Some([b[0] - a[0], b[1] - a[1], b[2] - a[2]])
        };
        let (Some(a), Some(b)) = (side(0.5, 0.0), side(0.0, 0.5)) else { return f64::NAN };
        let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let steradian = (cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2]).sqrt();
        steradian * (1f64.to_degrees() * 3600.0).powi(2)
    }

    /// Pixel scale in arcseconds per pixel at the reference point: the square root of a pixel's area there.
    ///
    /// Far from the reference point, or with strong distortion, use [`Wcs::pixel_area_arcsec2`] at the position instead.
    #[must_use]
    pub fn pixel_scale_arcsec(&self) -> f64 {
        let (x, y) = self.reference_pixel();
        let area = self.pixel_area_arcsec2(x, y);
        match &self.plane {
            // A ZPN with a constant term leaves a hole around its reference point.
            Plane::Linear(plane) if area.is_nan() => super::newton::determinant(&plane.cd).abs().sqrt() * 3600.0,
            _ => area.sqrt(),
        }
    }

    /// Zero-based pixel position of the reference point (CRPIX - 1, or the plate centre), often far outside the image.
    #[must_use]
    pub fn reference_pixel(&self) -> (f64, f64) {
        match &self.plane {
            Plane::Linear(plane) => (plane.crpix[0] - 1.0, plane.crpix[1] - 1.0),
            Plane::Plate(plate) => plate.centre_pixel().into(),
        }
    }

    /// The WCS of a part of the image whose pixel (0, 0) is pixel (`x0`, `y0`) of this image.
    ///
    /// Distortion polynomials are about the reference pixel, so they move along with it.
    #[must_use]
    pub fn cutout(&self, x0: f64, y0: f64) -> Self {
        let mut part = self.clone();
        match &mut part.plane {
            Plane::Linear(plane) => {
                plane.crpix[0] -= x0;
                plane.crpix[1] -= y0;
            }
            Plane::Plate(plate) => {
                plate.corner[0] += x0;
                plate.corner[1] += y0;
            }
        }
        part
    }

    /// Whether the mapping is more than a projection: SIP, TPV or a plate solution.
    #[must_use]
    pub fn is_distorted(&self) -> bool {
        !matches!(&self.plane, Plane::Linear(plane) if plane.distortion == Distortion::None)
    }

    pub(crate) fn plane(&self) -> &Plane {
        &self.plane
    }

    pub(crate) fn projection(&self) -> &Projection {
        &self.projection
    }

    pub(crate) fn sphere(&self) -> &NativeSphere {
        &self.sphere
    }

    /// Unit vector in the header's frame.
    fn pixel_to_vector(&self, x: f64, y: f64) -> Option<[f64; 3]> {
        // A NaN or an infinity stays NaN or infinity through the polynomials and is refused by the projection.
        let native = self.projection.to_native(self.plane.to_plane([x, y]))?;
        Some(self.sphere.to_sky(native))
    }

    fn vector_to_pixel(&self, v: [f64; 3]) -> Option<(f64, f64)> {
        let plane = self.projection.to_plane(self.sphere.to_native(v))?;
        let [x, y] = self.plane.to_pixel(plane)?;
        (x.is_finite() && y.is_finite()).then_some((x, y))
    }
}

fn checked_vector(lon: f64, lat: f64) -> Option<[f64; 3]> {
    (lon.is_finite() && lat.abs() <= 90.0).then(|| to_vector(lon, lat))
}

impl From<Wcs> for Vec<Card> {
    fn from(wcs: Wcs) -> Self {
        wcs.cards()
    }
}

impl TryFrom<Vec<Card>> for Wcs {
    type Error = WcsError;

    fn try_from(cards: Vec<Card>) -> Result<Self, WcsError> {
        Self::from_header(&Header { cards })?
            .ok_or_else(|| WcsError::invalid("the stored cards hold no WCS; expected CTYPE1 and CTYPE2"))
    }
}
