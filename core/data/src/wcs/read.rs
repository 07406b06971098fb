//! From header cards to a WCS.

use super::error::WcsError;
use super::keywords::Keywords;
use super::linear::{Distortion, LinearPlane};
use super::projection::Projection;
use super::read_distortion::{is_tan_with_tpv_terms, read_sip, read_tpv};
use super::read_frame::{Axes, read_frame};
use super::sphere::NativeSphere;
use super::system::{Plane, Wcs};
use super::zpn::{MAX_TERMS, Zpn};

/// What the messages offer.
pub(crate) const SUPPORTED: &str = "TAN (plain, TAN-SIP, TPV, or with SCAMP's PV terms), SIN, ARC, ZPN, CAR, and the plate solution of the Digitized Sky Survey";

/// Cards of distortions in lookup tables or records, which need more than the header or more than the conventions here.
const LOOKUP_CARDS: [&str; 6] = ["CPDIS1", "CPDIS2", "CQDIS1", "CQDIS2", "D2IMDIS1", "D2IMDIS2"];

/// Name of the coordinate, projection code and suffix of a CTYPE.
struct CoordinateType {
    name: String,
    code: Option<String>,
    suffix: Option<String>,
}

impl CoordinateType {
    fn read(keywords: &Keywords<'_>, key: &str) -> Option<Self> {
        let text = keywords.text(key)?;
        let mut parts = text.split('-').filter(|p| !p.is_empty()).map(|p| p.trim().to_owned());
        Some(Self { name: parts.next()?, code: parts.next(), suffix: parts.next() })
    }

    /// Whether this is longitude or latitude of any sphere, known here or not.
    fn is_celestial(&self) -> bool {
        matches!(self.name.as_str(), "RA" | "DEC")
            || (self.name.len() == 4 && (self.name.ends_with("LON") || self.name.ends_with("LAT")))
            || (self.name.len() == 4 && (self.name.ends_with("LN") || self.name.ends_with("LT")))
    }
}

/// Reads the projected WCS; `None` when the first two axes are not celestial.
pub(crate) fn read_projected(keywords: &Keywords<'_>) -> Result<Option<Wcs>, WcsError> {
    let types = [CoordinateType::read(keywords, "CTYPE1"), CoordinateType::read(keywords, "CTYPE2")];
    let is_celestial = types.each_ref().map(|t| t.as_ref().is_some_and(CoordinateType::is_celestial));
    if is_celestial == [false, false] {
        return Ok(None);
    }
    let written = ["CTYPE1", "CTYPE2"].map(|key| keywords.text(key).unwrap_or_default());
    let [Some(first), Some(second)] = types else { return Err(half_celestial(&written)) };
    if is_celestial != [true, true] {
        return Err(half_celestial(&written));
    }
    let axes = Axes::from_names(&first.name, &second.name, &written)?;
    let code = one_code(&first, &second, &written)?;
    if let Some(card) = LOOKUP_CARDS.iter().find(|key| keywords.has(key)) {
        return Err(WcsError::unsupported(
            format!("{card}: distortion by lookup table or record is not supported"),
            SUPPORTED,
        ));
    }

    let units = [unit_in_degrees(keywords, "CUNIT1")?, unit_in_degrees(keywords, "CUNIT2")?];
    let mut cd = read_matrix(keywords, &axes)?;
    let mut crval = [0.0; 2];
    let mut crpix = [0.0; 2];
    for (i, unit) in units.into_iter().enumerate() {
        // Zero is the standard's default for both.
        crval[i] = keywords.number(&format!("CRVAL{}", i + 1))?.unwrap_or(0.0) * unit;
        crpix[i] = keywords.number(&format!("CRPIX{}", i + 1))?.unwrap_or(0.0);
        cd[i] = cd[i].map(|v| v * unit);
    }
    let fiducial = if axes.latitude_first { [crval[1], crval[0]] } else { crval };

    let is_tpv = code == "TPV" || (code == "TAN" && first.suffix.is_none() && is_tan_with_tpv_terms(keywords));
    // TPV together with SIP describes one distortion twice; TPV is what CTYPE names.
    let distortion = if is_tpv {
        Distortion::Tpv(read_tpv(keywords)?)
    } else {
        read_sip(keywords)?.map_or(Distortion::None, Distortion::Sip)
    };
    // PV terms of TAN-SIP headers that were converted from SCAMP's repeat what SIP says.
    let has_redundant_pv = matches!(distortion, Distortion::Sip(_)) && code == "TAN" && is_tan_with_tpv_terms(keywords);
    let reads_pv = !is_tpv && !has_redundant_pv;
    let projection = if is_tpv { Projection::Tan } else { read_projection(&code, keywords, &axes)? };
    if reads_pv {
        check_fiducial(keywords, &axes, &projection, &written)?;
    }
    let pole = |term: usize, key: &str| -> Result<Option<f64>, WcsError> {
        let from_pv = if reads_pv { keywords.pv(axes.longitude(), term) } else { None };
        Ok(from_pv.or(keywords.number(key)?))
    };
    let sphere = NativeSphere::new(fiducial, pole(3, "LONPOLE")?, pole(4, "LATPOLE")?, projection.fiducial_theta())?;
    let plane = LinearPlane::new(crpix, cd, axes.latitude_first, distortion)?;
    let frame = read_frame(keywords, &axes)?;
    Ok(Some(Wcs::new(frame, Plane::Linear(plane), projection, sphere)))
}

fn half_celestial(written: &[String; 2]) -> WcsError {
    WcsError::invalid(format!(
        "CTYPE1 = '{}', CTYPE2 = '{}': one axis is celestial and the other is not; expected longitude and latitude on the first two axes: correct the cards or remove them to work in pixels",
        written[0], written[1]
    ))
}

/// The projection code, which both axes must share.
fn one_code(first: &CoordinateType, second: &CoordinateType, written: &[String; 2]) -> Result<String, WcsError> {
    let both = format!("CTYPE1 = '{}', CTYPE2 = '{}'", written[0], written[1]);
    let (Some(code), Some(other)) = (&first.code, &second.code) else {
        return Err(WcsError::unsupported(format!("{both}: no projection is named"), SUPPORTED));
    };
    if code != other || first.suffix != second.suffix {
        return Err(WcsError::invalid(format!(
            "{both}: the axes name different projections; they must be the same: correct the cards"
        )));
    }
    if !matches!(code.as_str(), "TAN" | "TPV" | "SIN" | "ARC" | "ZPN" | "CAR") {
        return Err(WcsError::unsupported(format!("{both}: projection {code} is not supported"), SUPPORTED));
    }
    match first.suffix.as_deref() {
        None | Some("SIP") => Ok(code.clone()),
        Some(suffix) => Err(WcsError::unsupported(format!("{both}: distortion {suffix} is not supported"), SUPPORTED)),
    }
}

fn read_projection(code: &str, keywords: &Keywords<'_>, axes: &Axes) -> Result<Projection, WcsError> {
    let latitude = axes.latitude();
    Ok(match code {
        "SIN" => Projection::Sin { slant: [1, 2].map(|m| keywords.pv(latitude, m).unwrap_or(0.0)) },
        "ARC" => Projection::Arc,
        "CAR" => Projection::Car,
        "ZPN" => {
            let coefficients =
                match keywords.last_pv(latitude) {
                    Some(last) if last >= MAX_TERMS => {
                        return Err(WcsError::invalid(format!(
                            "PV{latitude}_{last}: ZPN has terms up to {}: correct the card",
                            MAX_TERMS - 1
                        )));
                    }
                    Some(last) => (0..=last).map(|m| keywords.pv(latitude, m).unwrap_or(0.0)).collect(),
                    // Before the standard the same numbers were called PROJPm.
                    None => (0..10)
                        .map(|m| Ok(keywords.number(&format!("PROJP{m}"))?.unwrap_or(0.0)))
                        .collect::<Result<_, WcsError>>()?,
                };
            Projection::Zpn(Zpn::new(coefficients)?)
        }
        _ => Projection::Tan,
    })
}

/// PV of the longitude axis may move the fiducial point of a projection, which nobody does on purpose in images.
fn check_fiducial(
    keywords: &Keywords<'_>,
    axes: &Axes,
    projection: &Projection,
    written: &[String; 2],
) -> Result<(), WcsError> {
    let axis = axes.longitude();
    let usual = [0.0, 0.0, projection.fiducial_theta()];
    for (term, usual) in usual.into_iter().enumerate() {
        if let Some(value) = keywords.pv(axis, term).filter(|v| *v != usual) {
            return Err(WcsError::Unsupported(format!(
                "PV{axis}_{term} = {value} with CTYPE1 = '{}': it moves the fiducial point of the projection, which is not supported; if it is a distortion term of SCAMP, CTYPE must say TPV instead of {}; positions stay in pixels",
                written[0],
                projection.code()
            )));
        }
    }
    match keywords.last_pv(axis) {
        Some(term) if term > 4 => Err(WcsError::invalid(format!(
            "PV{axis}_{term}: {} has no such term, the longitude axis ends at 4; distortion terms belong to CTYPE TPV: correct the cards",
            projection.code()
        ))),
        _ => Ok(()),
    }
}

/// Degrees per unit of an axis.
fn unit_in_degrees(keywords: &Keywords<'_>, key: &str) -> Result<f64, WcsError> {
    let Some(unit) = keywords.text(key) else { return Ok(1.0) };
    match unit.as_str() {
        "DEG" | "DEGREE" | "DEGREES" => Ok(1.0),
        "ARCMIN" => Ok(1.0 / 60.0),
        "ARCSEC" => Ok(1.0 / 3600.0),
        "MAS" => Ok(1.0 / 3_600_000.0),
        "RAD" | "RADIAN" | "RADIANS" => Ok(1f64.to_degrees()),
        _ => Err(WcsError::invalid(format!(
            "{key} = '{}' is not a unit of angle known here; expected deg, arcmin, arcsec, mas or rad: correct the card",
            unit.to_lowercase()
        ))),
    }
}

/// The matrix from pixel offsets to the axes in their units: CD, or PC and CDELT, or CDELT and CROTA.
fn read_matrix(keywords: &Keywords<'_>, axes: &Axes) -> Result<[[f64; 2]; 2], WcsError> {
    let read = |names: &dyn Fn(usize, usize) -> Vec<String>| -> Result<[[Option<f64>; 2]; 2], WcsError> {
        let mut found = [[None; 2]; 2];
        for (i, row) in found.iter_mut().enumerate() {
            for (j, cell) in row.iter_mut().enumerate() {
                for name in names(i + 1, j + 1) {
                    *cell = (*cell).or(keywords.number(&name)?);
                }
            }
        }
        Ok(found)
    };
    let is_any = |m: &[[Option<f64>; 2]; 2]| m.iter().flatten().any(Option::is_some);
    let cd = read(&|i, j| vec![format!("CD{i}_{j}")])?;
    let pc = read(&|i, j| vec![format!("PC{i}_{j}"), format!("PC{i:03}{j:03}")])?;
    let cdelt = [keywords.number("CDELT1")?, keywords.number("CDELT2")?];
    let given_cd = cd.map(|row| row.map(|v| v.unwrap_or(0.0)));
    let step = cdelt.map(|v| v.unwrap_or(1.0));
    let given_pc = [0, 1].map(|i| [0, 1].map(|j| step[i] * pc[i][j].unwrap_or(f64::from(u8::from(i == j)))));
    match (is_any(&cd), is_any(&pc), cdelt) {
        (true, true, _) => {
            let size = given_cd.iter().flatten().fold(0.0, |m: f64, v| m.max(v.abs()));
            let is_same =
                given_cd.iter().flatten().zip(given_pc.iter().flatten()).all(|(a, b)| (a - b).abs() <= 1e-9 * size);
            is_same.then_some(given_cd).ok_or_else(|| {
                WcsError::invalid(
                    "CDi_j and PCi_j are both in the header and differ; the standard allows one of them: remove the wrong set",
                )
            })
        }
        // CDELT and CROTA beside CD are left-overs for old programs.
        (true, false, _) => Ok(given_cd),
        (false, true, _) => Ok(given_pc),
        (false, false, [Some(dx), Some(dy)]) => {
            let angle = keywords.number(&format!("CROTA{}", axes.latitude()))?.unwrap_or(0.0);
            let (s, c) = super::sphere::sin_cos_deg(angle);
            // The angle turns longitude towards latitude, so its sign depends on which axis is the latitude.
            let s = if axes.latitude_first { -s } else { s };
            Ok([[dx * c, -dy * s], [dx * s, dy * c]])
        }
        (false, false, _) => Err(WcsError::invalid(
            "CTYPE names a projection, but there is no pixel scale; expected CDi_j, or CDELT1 and CDELT2 (with PCi_j or CROTA2): add the cards or remove CTYPE to work in pixels",
        )),
    }
}
