//! The celestial frame of a header: axis names, RADESYS, EQUINOX.

use super::error::WcsError;
use super::frame::CelestialFrame;
use super::keywords::Keywords;

const FRAMES: &str = "ICRS, FK5 and galactic coordinates";

/// Which coordinates the first two axes hold.
pub(crate) struct Axes {
    pub(crate) is_galactic: bool,
    pub(crate) latitude_first: bool,
}

impl Axes {
    /// From the names of the two axes.
    pub(crate) fn from_names(first: &str, second: &str, written: &[String; 2]) -> Result<Self, WcsError> {
        let both = || format!("CTYPE1 = '{}', CTYPE2 = '{}'", written[0], written[1]);
        match (first, second) {
            ("RA", "DEC") => Ok(Self { is_galactic: false, latitude_first: false }),
            ("DEC", "RA") => Ok(Self { is_galactic: false, latitude_first: true }),
            ("GLON", "GLAT") => Ok(Self { is_galactic: true, latitude_first: false }),
            ("GLAT", "GLON") => Ok(Self { is_galactic: true, latitude_first: true }),
            ("RA" | "DEC" | "GLON" | "GLAT", "RA" | "DEC" | "GLON" | "GLAT") => Err(WcsError::invalid(format!(
                "{}: the axes are not longitude and latitude of one frame; expected RA and DEC, or GLON and GLAT: correct the cards",
                both()
            ))),
            _ => Err(WcsError::unsupported(format!("{}: this coordinate system is not supported", both()), FRAMES)),
        }
    }

    /// Number (1 or 2) of the longitude axis.
    pub(crate) fn longitude(&self) -> usize {
        if self.latitude_first { 2 } else { 1 }
    }

    /// Number (1 or 2) of the latitude axis.
    pub(crate) fn latitude(&self) -> usize {
        3 - self.longitude()
    }
}

/// RADESYS (or its old name RADECSYS) and EQUINOX (or EPOCH) by the rules of the standard: without RADESYS, no equinox
/// means ICRS, one before 1984 FK4, any other FK5.
pub(crate) fn read_frame(keywords: &Keywords<'_>, axes: &Axes) -> Result<CelestialFrame, WcsError> {
    if axes.is_galactic {
        return Ok(CelestialFrame::Galactic);
    }
    let equinox = match read_equinox(keywords, "EQUINOX")? {
        Some(equinox) => Some(("EQUINOX", equinox)),
        None => read_equinox(keywords, "EPOCH")?.map(|equinox| ("EPOCH", equinox)),
    };
    let radesys = ["RADESYS", "RADECSYS"].into_iter().find_map(|key| Some((key, keywords.text(key)?)));
    match (radesys, equinox) {
        (Some((_, system)), _) if system == "ICRS" => Ok(CelestialFrame::Icrs),
        (Some((_, system)), _) if system == "FK5" => fk5(equinox.map_or(2000.0, |(_, year)| year)),
        (Some((key, system)), _) => {
            Err(WcsError::unsupported(format!("{key} = '{system}': this frame is not supported"), FRAMES))
        }
        (None, None) => Ok(CelestialFrame::Icrs),
        (None, Some((key, year))) if year < 1984.0 => Err(WcsError::unsupported(
            format!("{key} = {year} without RADESYS means the FK4 frame, which is not supported"),
            FRAMES,
        )),
        (None, Some((_, year))) => fk5(year),
    }
}

/// The frame of a plate solution: the GSC is on FK5. EPOCH is the date of the exposure there, not the equinox.
pub(crate) fn read_plate_frame(keywords: &Keywords<'_>) -> Result<CelestialFrame, WcsError> {
    match read_equinox(keywords, "EQUINOX")? {
        Some(year) if year < 1984.0 => Err(WcsError::unsupported(
            format!("EQUINOX = {year} of a plate solution means the FK4 frame, which is not supported"),
            FRAMES,
        )),
        year => fk5(year.unwrap_or(2000.0)),
    }
}

/// A year, also as `J2000.0` or `B1950`.
fn read_equinox(keywords: &Keywords<'_>, key: &str) -> Result<Option<f64>, WcsError> {
    if let Some(text) = keywords.text(key)
        && let Some(year) = text.strip_prefix(['J', 'B']).and_then(|digits| digits.trim().parse::<f64>().ok())
    {
        return Ok(Some(year));
    }
    keywords.number(key)
}

/// FK5 with an equinox for which the precession polynomials are meant.
fn fk5(equinox: f64) -> Result<CelestialFrame, WcsError> {
    if (1800.0..=2200.0).contains(&equinox) {
        Ok(CelestialFrame::Fk5 { equinox })
    } else {
        Err(WcsError::invalid(format!("EQUINOX = {equinox}; expected a year between 1800 and 2200: correct the card")))
    }
}
