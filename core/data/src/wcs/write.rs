//! From a WCS to header cards.

use crate::header::{Card, CardValue};

use super::frame::CelestialFrame;
use super::linear::{Distortion, LinearPlane};
use super::plate::PlatePlane;
use super::projection::Projection;
use super::sip::SipPolynomial;
use super::system::{Plane, Wcs};

/// Cards in a fixed order.
struct Cards(Vec<Card>);

impl Cards {
    fn push(&mut self, key: impl Into<String>, value: CardValue, comment: &str) {
        self.0.push(Card { key: key.into(), value, comment: comment.to_owned() });
    }

    fn float(&mut self, key: impl Into<String>, value: f64, comment: &str) {
        self.push(key, CardValue::Float(value), comment);
    }

    /// An integer where the number is one: what other programs expect of counts.
    fn count(&mut self, key: &str, value: f64, comment: &str) {
        let is_whole = value.fract() == 0.0 && value.abs() < 1e15;
        self.push(key, if is_whole { CardValue::Int(value as i64) } else { CardValue::Float(value) }, comment);
    }

    fn text(&mut self, key: impl Into<String>, value: impl Into<String>, comment: &str) {
        self.push(key, CardValue::Text(value.into()), comment);
    }
}

/// All cards of a WCS.
pub(crate) fn write_cards(wcs: &Wcs) -> Vec<Card> {
    let mut cards = Cards(Vec::new());
    match wcs.plane() {
        Plane::Linear(plane) => write_projected(&mut cards, wcs, plane),
        Plane::Plate(plate) => write_plate(&mut cards, plate),
    }
    match wcs.frame() {
        CelestialFrame::Icrs => cards.text("RADESYS", "ICRS", "celestial frame"),
        CelestialFrame::Fk5 { equinox } => {
            cards.text("RADESYS", "FK5", "celestial frame");
            cards.float("EQUINOX", equinox, "[yr] equinox");
        }
        CelestialFrame::Galactic => {}
    }
    cards.0
}

fn write_projected(cards: &mut Cards, wcs: &Wcs, plane: &LinearPlane) {
    let (code, suffix) = match &plane.distortion {
        Distortion::None => (wcs.projection().code(), ""),
        Distortion::Sip(_) => (wcs.projection().code(), "-SIP"),
        Distortion::Tpv(_) => ("TPV", ""),
    };
    let mut names = if wcs.frame() == CelestialFrame::Galactic { ["GLON", "GLAT"] } else { ["RA--", "DEC-"] };
    let sphere = wcs.sphere();
    let mut crval = sphere.fiducial;
    if plane.latitude_first {
        names.reverse();
        crval.reverse();
    }
    for (i, name) in (1..).zip(names) {
        cards.text(format!("CTYPE{i}"), format!("{name}-{code}{suffix}"), "coordinate and projection");
    }
    for i in [1, 2] {
        cards.text(format!("CUNIT{i}"), "deg", "unit of CRVAL and CD");
    }
    for (i, value) in (1..).zip(plane.crpix) {
        cards.float(format!("CRPIX{i}"), value, "[px] reference pixel");
    }
    for (i, value) in (1..).zip(crval) {
        cards.float(format!("CRVAL{i}"), value, "[deg] reference point");
    }
    for (i, row) in (1..).zip(plane.cd) {
        for (j, value) in (1..).zip(row) {
            cards.float(format!("CD{i}_{j}"), value, "[deg/px]");
        }
    }
    cards.float("LONPOLE", sphere.lonpole, "[deg] native longitude of the celestial pole");
    cards.float("LATPOLE", sphere.latpole, "[deg] latitude of the native pole");
    let latitude = if plane.latitude_first { 1 } else { 2 };
    match wcs.projection() {
        Projection::Sin { slant } if *slant != [0.0, 0.0] => {
            for (m, value) in (1..).zip(slant) {
                cards.float(format!("PV{latitude}_{m}"), *value, "slant of SIN");
            }
        }
        Projection::Zpn(zpn) => {
            for (m, value) in zpn.coefficients.iter().enumerate() {
                cards.float(format!("PV{latitude}_{m}"), *value, "term of ZPN");
            }
        }
        _ => {}
    }
    match &plane.distortion {
        Distortion::None => {}
        Distortion::Sip(sip) => {
            write_sip(cards, "A", &sip.a);
            write_sip(cards, "B", &sip.b);
            if let Some((ap, bp)) = &sip.inverse {
                write_sip(cards, "AP", ap);
                write_sip(cards, "BP", bp);
            }
        }
        Distortion::Tpv(tpv) => {
            for (i, axis) in (1..).zip(&tpv.axes) {
                // The linear term is always written: programs differ in its default.
                for (m, value) in axis.iter().enumerate().filter(|(m, v)| *m == 1 || **v != 0.0) {
                    cards.float(format!("PV{i}_{m}"), *value, "term of TPV");
                }
            }
        }
    }
}

fn write_sip(cards: &mut Cards, name: &str, polynomial: &SipPolynomial) {
    cards.push(format!("{name}_ORDER"), CardValue::Int(polynomial.order as i64), "order of SIP polynomial");
    for &(i, j, value) in &polynomial.terms {
        cards.float(format!("{name}_{i}_{j}"), value, "term of SIP");
    }
}

fn write_plate(cards: &mut Cards, plate: &PlatePlane) {
    let [hours, minutes, seconds] = plate.right_ascension;
    cards.count("PLTRAH", hours, "[h] plate centre");
    cards.count("PLTRAM", minutes, "[min] plate centre");
    cards.float("PLTRAS", seconds, "[s] plate centre");
    let [degrees, minutes, seconds] = plate.declination;
    cards.text("PLTDECSN", if plate.is_south { "-" } else { "+" }, "sign of declination");
    cards.count("PLTDECD", degrees, "[deg] plate centre");
    cards.count("PLTDECM", minutes, "[arcmin] plate centre");
    cards.float("PLTDECS", seconds, "[arcsec] plate centre");
    cards.count("CNPIX1", plate.corner[0], "[px] corner of the frame on the plate");
    cards.count("CNPIX2", plate.corner[1], "[px] corner of the frame on the plate");
    cards.float("XPIXELSZ", plate.pixel_um[0], "[um] pixel size");
    cards.float("YPIXELSZ", plate.pixel_um[1], "[um] pixel size");
    // PPO1, 2, 4 and 5 are zero by definition; readers expect them.
    for (m, value) in (1..).zip([0.0, 0.0, plate.centre_um[0], 0.0, 0.0, plate.centre_um[1]]) {
        cards.float(format!("PPO{m}"), value, "[um] plate centre");
    }
    for (name, axis) in ["AMDX", "AMDY"].into_iter().zip(&plate.axes) {
        // Twenty terms, because readers expect the whole set; the last seven are for magnitudes and colours.
        for m in 0..20 {
            let value = axis.get(m).copied().unwrap_or(0.0);
            cards.float(format!("{name}{}", m + 1), value, "plate solution");
        }
    }
}
