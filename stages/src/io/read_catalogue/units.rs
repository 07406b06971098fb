//! Units of catalogue columns, and the numbers that turn them into ours.

/// What a column of ours holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Angle in degrees.
    Degrees,
    /// Small angle in arcseconds.
    Arcseconds,
    /// Small angle in milliarcseconds.
    Milliarcseconds,
    /// Magnitude, or error of one.
    Magnitude,
    /// Position or length in pixels.
    Pixels,
    /// Share of 1.
    Fraction,
    /// Anything else: taken as it is.
    Plain,
}

impl Quantity {
    /// What a column of this name holds.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "ra" | "dec" => Self::Degrees,
            "x" | "y" => Self::Pixels,
            "parallax" | "parallax_error" => Self::Milliarcseconds,
            "prob" => Self::Fraction,
            "mag" => Self::Magnitude,
            _ if name.starts_with("mag_") => Self::Magnitude,
            _ if name.ends_with("_deg") => Self::Degrees,
            _ if name.ends_with("_arcsec") => Self::Arcseconds,
            _ if name.ends_with("_mas") => Self::Milliarcseconds,
            _ if name.ends_with("_px") => Self::Pixels,
            _ => Self::Plain,
        }
    }

    /// Our unit of it; empty where there is none.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Degrees => "deg",
            Self::Arcseconds => "arcsec",
            Self::Milliarcseconds => "mas",
            Self::Magnitude => "mag",
            Self::Pixels => "pix",
            Self::Fraction | Self::Plain => "",
        }
    }
}

/// How values become ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Conversion {
    /// Times a factor.
    Factor(f64),
    /// A flux with this AB zero point (magnitude of one unit); `None` for a unit that has none of its own.
    Flux(Option<f64>),
    /// Text `h m s`, separated by colons, blanks or letters.
    Hours,
    /// Text `d m s`.
    DegreesMinutes,
    /// 1 less the value: extendedness as a probability of being a star.
    OneLess,
}

/// Units that are understood, for messages.
pub(super) fn known(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Degrees | Quantity::Arcseconds | Quantity::Milliarcseconds => {
            "deg, rad, hourangle, arcmin, arcsec, mas, uas, hms (text), dms (text)"
        }
        Quantity::Magnitude => {
            "mag, mmag, a flux (Jy, mJy, uJy, nJy, maggy, nanomaggy), or with flux_zero_point count, adu, electron"
        }
        Quantity::Pixels => "pix",
        Quantity::Fraction => "no unit, %, or extendedness",
        Quantity::Plain => "any unit",
    }
}

/// How a column in `unit` becomes ours; `None` when the unit is not understood. No unit means our unit.
pub(super) fn conversion(unit: &str, quantity: Quantity) -> Option<Conversion> {
    let unit = unit.trim().trim_matches(['\'', '"']);
    let lower = unit.to_ascii_lowercase();
    match quantity {
        Quantity::Plain => Some(Conversion::Factor(1.0)),
        _ if unit.is_empty() => Some(Conversion::Factor(1.0)),
        Quantity::Pixels => {
            matches!(lower.as_str(), "pix" | "px" | "pixel" | "pixels").then_some(Conversion::Factor(1.0))
        }
        Quantity::Fraction => match lower.as_str() {
            "%" => Some(Conversion::Factor(0.01)),
            "extendedness" => Some(Conversion::OneLess),
            _ => None,
        },
        Quantity::Magnitude => magnitude(unit, &lower),
        Quantity::Degrees | Quantity::Arcseconds | Quantity::Milliarcseconds => angle(&lower, quantity),
    }
}

fn angle(unit: &str, quantity: Quantity) -> Option<Conversion> {
    // Factors between units of an arc are exact where they are integers; one division rounds once.
    let (per_degree, factor) = match unit {
        "deg" | "degree" | "degrees" => (1.0, 1.0),
        "rad" | "radian" | "radians" => (1.0, 180.0 / std::f64::consts::PI),
        "hourangle" | "hour" | "hours" | "h" | "hr" => (1.0, 15.0),
        "arcmin" | "arcminute" => (60.0, 1.0),
        "arcsec" | "arcsecond" | "as" => (3600.0, 1.0),
        "mas" | "milliarcsec" | "marcsec" => (3_600_000.0, 1.0),
        "uas" | "uarcsec" | "microarcsec" => (3_600_000_000.0, 1.0),
        "hms" | "h:m:s" | "hh:mm:ss" if quantity == Quantity::Degrees => return Some(Conversion::Hours),
        "dms" | "d:m:s" | "dd:mm:ss" if quantity == Quantity::Degrees => return Some(Conversion::DegreesMinutes),
        _ => return None,
    };
    let ours = match quantity {
        Quantity::Arcseconds => 3600.0,
        Quantity::Milliarcseconds => 3_600_000.0,
        _ => 1.0,
    };
    Some(Conversion::Factor(factor * ours / per_degree))
}

fn magnitude(unit: &str, lower: &str) -> Option<Conversion> {
    if lower == "mmag" || lower == "millimag" {
        return Some(Conversion::Factor(0.001));
    }
    if matches!(lower, "mag" | "mags" | "magnitude" | "abmag" | "vegamag") || lower.starts_with("mag(") {
        return Some(Conversion::Factor(1.0));
    }
    // AB: 3631 Jy is magnitude 0, 8.90 mag is 1 Jy; a maggy is the flux of magnitude 0.
    let zero_point = match (unit, lower) {
        ("Jy", _) => 8.9,
        ("mJy", _) => 16.4,
        ("uJy" | "\u{b5}Jy" | "\u{3bc}Jy", _) => 23.9,
        ("nJy", _) => 31.4,
        (_, "maggy" | "maggies") => 0.0,
        (_, "nanomaggy" | "nanomaggies" | "nmgy") => 22.5,
        (_, "count" | "counts" | "ct" | "adu" | "dn" | "electron" | "electrons" | "e-" | "photon" | "ph") => {
            return Some(Conversion::Flux(None));
        }
        (_, "count/s" | "counts/s" | "ct/s" | "adu/s" | "dn/s" | "electron/s" | "e-/s" | "ct s-1" | "ph/s") => {
            return Some(Conversion::Flux(None));
        }
        _ => return None,
    };
    Some(Conversion::Flux(Some(zero_point)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood_as_surveys_spell_them() {
        let factor = |unit: &str, name: &str| match conversion(unit, Quantity::of(name)) {
            Some(Conversion::Factor(f)) => f,
            other => panic!("{unit}: {other:?}"),
        };
        assert_eq!(factor("hourangle", "ra"), 15.0);
        assert_eq!(factor("rad", "dec"), 180.0 / std::f64::consts::PI);
        assert_eq!(factor("arcsec", "parallax"), 1000.0);
        assert_eq!(factor("uas", "parallax_error"), 0.001);
        assert_eq!(factor("arcmin", "radius_arcsec"), 60.0);
        assert_eq!(factor("mmag", "mag_err"), 0.001);
        assert_eq!(factor("'mag'", "mag_J"), 1.0);
        assert_eq!(factor("", "x"), 1.0);
        assert_eq!(conversion("nJy", Quantity::Magnitude), Some(Conversion::Flux(Some(31.4))));
        assert_eq!(conversion("MJy", Quantity::Magnitude), None);
        assert_eq!(conversion("adu", Quantity::Magnitude), Some(Conversion::Flux(None)));
        assert_eq!(conversion("mag", Quantity::Degrees), None);
        assert_eq!(conversion("h:m:s", Quantity::Degrees), Some(Conversion::Hours));
        assert_eq!(conversion("h:m:s", Quantity::Milliarcseconds), None);
        assert_eq!(conversion("extendedness", Quantity::of("prob")), Some(Conversion::OneLess));
        assert_eq!(conversion("extendedness", Quantity::Magnitude), None);
    }
}
