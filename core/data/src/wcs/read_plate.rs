//! The plate cards of the Digitized Sky Survey.

use super::error::WcsError;
use super::keywords::Keywords;
use super::plate::{N_TERMS, PlatePlane};
use super::projection::Projection;
use super::read_frame::read_plate_frame;
use super::sphere::NativeSphere;
use super::system::{Plane, Wcs};

const PURPOSE: &str = "the plate solution of the Digitized Sky Survey";

/// Whether the header carries a plate solution.
pub(crate) fn has_plate_solution(keywords: &Keywords<'_>) -> bool {
    ["PLTRAH", "AMDX1", "AMDY1"].into_iter().all(|key| keywords.has(key))
}

/// Reads the plate solution.
pub(crate) fn read_plate(keywords: &Keywords<'_>) -> Result<Wcs, WcsError> {
    let pair = |keys: [&str; 2]| -> Result<[f64; 2], WcsError> {
        Ok([keywords.required(keys[0], PURPOSE)?, keywords.required(keys[1], PURPOSE)?])
    };
    let triple = |keys: [&str; 3]| -> Result<[f64; 3], WcsError> {
        let mut values = [0.0; 3];
        for (value, key) in values.iter_mut().zip(keys) {
            *value = keywords.required(key, PURPOSE)?;
        }
        Ok(values)
    };
    let polynomial = |name: &str| -> Result<Vec<f64>, WcsError> {
        if let Some(key) = (N_TERMS + 1..=20)
            .map(|m| format!("{name}{m}"))
            .find(|key| matches!(keywords.number(key), Ok(Some(v)) if v != 0.0))
        {
            return Err(WcsError::Unsupported(format!(
                "{key} is not 0: plate solutions that depend on a star's magnitude or colour are not supported, expected {name}1 to {name}{N_TERMS} alone; positions stay in pixels"
            )));
        }
        (1..=N_TERMS).map(|m| Ok(keywords.number(&format!("{name}{m}"))?.unwrap_or(0.0))).collect()
    };
    let plate = PlatePlane {
        right_ascension: triple(["PLTRAH", "PLTRAM", "PLTRAS"])?,
        is_south: keywords.text("PLTDECSN").is_some_and(|sign| sign.starts_with('-')),
        declination: triple(["PLTDECD", "PLTDECM", "PLTDECS"])?,
        corner: pair(["CNPIX1", "CNPIX2"])?,
        pixel_um: pair(["XPIXELSZ", "YPIXELSZ"])?,
        centre_um: pair(["PPO3", "PPO6"])?,
        axes: [polynomial("AMDX")?, polynomial("AMDY")?],
    };
    if !plate.is_regular() {
        return Err(WcsError::invalid(format!(
            "AMDX, AMDY, XPIXELSZ and YPIXELSZ are singular; {PURPOSE} needs independent axes: correct the cards"
        )));
    }
    let sphere = NativeSphere::new(plate.fiducial(), Some(180.0), None, Projection::Tan.fiducial_theta())?;
    Ok(Wcs::new(read_plate_frame(keywords)?, Plane::Plate(plate), Projection::Tan, sphere))
}
