//! What the WCS does with headers that are wrong, unusual or far from the sky it can describe.

use skyloom_data::{CardValue, CelestialFrame, Header, Wcs, WcsError};

enum Set {
    Text(&'static str),
    Number(f64),
    Remove,
}
use Set::{Number, Remove, Text};

/// A plain TAN header with changes.
fn header(changes: &[(&str, Set)]) -> Header {
    let mut header = Header::new();
    header.set("CTYPE1", CardValue::Text("RA---TAN".to_owned()));
    header.set("CTYPE2", CardValue::Text("DEC--TAN".to_owned()));
    for (key, value) in [
        ("CRPIX1", 100.0),
        ("CRPIX2", 200.0),
        ("CRVAL1", 150.0),
        ("CRVAL2", 2.0),
        ("CD1_1", -1e-4),
        ("CD1_2", 0.0),
        ("CD2_1", 0.0),
        ("CD2_2", 1e-4),
    ] {
        header.set(key, CardValue::Float(value));
    }
    for (key, value) in changes {
        match value {
            Text(t) => header.set(key, CardValue::Text((*t).to_owned())),
            Number(v) => header.set(key, CardValue::Float(*v)),
            Remove => header.cards.retain(|c| c.key != *key),
        }
    }
    header
}

fn wcs(changes: &[(&str, Set)]) -> Wcs {
    Wcs::from_header(&header(changes)).expect("valid").expect("a WCS")
}

fn error(changes: &[(&str, Set)]) -> WcsError {
    Wcs::from_header(&header(changes)).expect_err("an error")
}

fn unsupported(changes: &[(&str, Set)], parts: &[&str]) {
    let found = error(changes);
    let WcsError::Unsupported(message) = &found else { panic!("{found:?}") };
    assert!(parts.iter().all(|p| message.contains(p)), "{message} must contain {parts:?}");
}

fn invalid(changes: &[(&str, Set)], parts: &[&str]) {
    let found = error(changes);
    let WcsError::Invalid(message) = &found else { panic!("{found:?}") };
    assert!(parts.iter().all(|p| message.contains(p)), "{message} must contain {parts:?}");
}

fn both(first: &'static str, second: &'static str) -> [(&'static str, Set); 2] {
    [("CTYPE1", Text(first)), ("CTYPE2", Text(second))]
}

#[test]
fn unknown_projections_are_named_with_what_is_supported() {
    unsupported(&both("RA---TNX", "DEC--TNX"), &["RA---TNX", "TNX", "ZPN", "SIN", "TPV", "pixels"]);
    unsupported(&both("RA---AIT", "DEC--AIT"), &["AIT", "CAR"]);
    unsupported(&both("RA---TAN-TAB", "DEC--TAN-TAB"), &["TAB"]);
    unsupported(&both("RA", "DEC"), &["no projection"]);
}

#[test]
fn unknown_frames_are_named() {
    unsupported(&both("ELON-TAN", "ELAT-TAN"), &["ELON", "galactic"]);
    unsupported(&[("RADESYS", Text("FK4"))], &["RADESYS = 'FK4'", "FK5"]);
    unsupported(&[("RADECSYS", Text("GAPPT"))], &["RADECSYS = 'GAPPT'"]);
    unsupported(&[("EQUINOX", Number(1950.0))], &["EQUINOX = 1950", "FK4"]);
    unsupported(&[("EPOCH", Text("B1950.0"))], &["EPOCH = 1950", "FK4"]);
    invalid(&[("RADESYS", Text("FK5")), ("EQUINOX", Number(0.0))], &["EQUINOX = 0"]);
}

#[test]
fn radesys_and_equinox_follow_the_rules_of_the_standard() {
    let fk5 = |equinox| CelestialFrame::Fk5 { equinox };
    assert_eq!(wcs(&[]).frame(), CelestialFrame::Icrs);
    assert_eq!(wcs(&[("EQUINOX", Number(2000.0))]).frame(), fk5(2000.0));
    assert_eq!(wcs(&[("EQUINOX", Number(1984.0))]).frame(), fk5(1984.0));
    assert_eq!(wcs(&[("EQUINOX", Text("J2000"))]).frame(), fk5(2000.0));
    assert_eq!(wcs(&[("EPOCH", Number(2000.0))]).frame(), fk5(2000.0));
    assert_eq!(wcs(&[("RADESYS", Text("FK5"))]).frame(), fk5(2000.0));
    assert_eq!(wcs(&[("RADESYS", Text("fk5")), ("EQUINOX", Number(1975.0))]).frame(), fk5(1975.0));
    assert_eq!(wcs(&[("RADECSYS", Text("ICRS")), ("EQUINOX", Number(1950.0))]).frame(), CelestialFrame::Icrs);
    assert_eq!(wcs(&[("RADESYS", Text("ICRS")), ("RADECSYS", Text("FK4"))]).frame(), CelestialFrame::Icrs);
}

#[test]
fn contradictions_say_which_cards() {
    invalid(&[("CD2_1", Number(-1e-4)), ("CD1_2", Number(1e-4))], &["singular", "CD"]);
    invalid(&[("CD1_1", Number(0.0))], &["singular"]);
    invalid(&[("PC1_1", Number(1.0))], &["CDi_j", "PCi_j"]);
    invalid(&[("CD1_1", Remove), ("CD1_2", Remove), ("CD2_1", Remove), ("CD2_2", Remove)], &["CDELT1", "pixel scale"]);
    invalid(&[("CTYPE2", Text("DEC--SIN"))], &["DEC--SIN", "same"]);
    invalid(&[("CTYPE2", Text("GLAT-TAN"))], &["GLAT-TAN"]);
    invalid(&[("CTYPE2", Text("FREQ"))], &["FREQ", "celestial"]);
    invalid(&[("CTYPE2", Remove)], &["CTYPE2 = ''"]);
    invalid(&[("CUNIT1", Text("pixel"))], &["CUNIT1 = 'pixel'", "arcsec"]);
    invalid(&[("CRVAL2", Number(90.5))], &["90.5", "CRVAL"]);
    invalid(&[("CRVAL1", Text("12:30:00"))], &["CRVAL1 = '12:30:00'", "number"]);
    invalid(&[("CRPIX1", Number(f64::NAN))], &["CRPIX1", "finite"]);
    invalid(&[("A_ORDER", Number(2.0))], &["A_ORDER", "B_ORDER"]);
    invalid(&[("A_ORDER", Number(12.0)), ("B_ORDER", Number(2.0))], &["A_ORDER = 12"]);
    invalid(&both("RA---ZPN", "DEC--ZPN"), &["ZPN", "PV2_1"]);
    let mut car = both("RA---CAR", "DEC--CAR").to_vec_with(("LONPOLE", Number(95.0)));
    car.push(("CRVAL2", Number(20.0)));
    invalid(&car, &["LONPOLE = 95"]);
}

trait WithMore {
    fn to_vec_with(self, more: (&'static str, Set)) -> Vec<(&'static str, Set)>;
}

impl WithMore for [(&'static str, Set); 2] {
    fn to_vec_with(self, more: (&'static str, Set)) -> Vec<(&'static str, Set)> {
        self.into_iter().chain([more]).collect()
    }
}

#[test]
fn a_moved_fiducial_point_is_refused_with_a_hint_to_scamp() {
    unsupported(&[("PV1_1", Number(1.01)), ("PV2_1", Number(1.01))], &["PV1_1 = 1.01", "SCAMP", "TPV"]);
    wcs(&[("PV1_1", Number(0.0)), ("PV1_2", Number(90.0)), ("PV2_1", Number(1.0))]);
}

#[test]
fn distortion_in_lookup_tables_is_refused() {
    unsupported(&[("CPDIS1", Text("LOOKUP"))], &["CPDIS1", "lookup"]);
}

#[test]
fn headers_without_sky_axes_have_no_wcs() {
    for (first, second) in [("LINEAR", "LINEAR"), ("", ""), ("X", "Y"), ("WAVE", "FREQ")] {
        assert_eq!(Wcs::from_header(&header(&both(first, second))).expect("no error"), None, "{first}");
    }
    assert_eq!(Wcs::from_header(&Header::new()).expect("no error"), None);
}

#[test]
fn lower_case_and_padding_are_read_as_meant() {
    let plain = wcs(&[("CUNIT1", Text("deg")), ("CUNIT2", Text("deg"))]);
    assert_eq!(wcs(&[("CTYPE1", Text("ra---tan ")), ("CTYPE2", Text("dec--tan"))]), plain);
    assert_eq!(wcs(&[("CUNIT1", Text("DEGREES"))]), plain);
}

#[test]
fn the_last_of_repeated_cards_counts() {
    let mut repeated = header(&[]);
    let mut card = repeated.cards[4].clone();
    assert_eq!(card.key, "CRVAL1");
    card.value = CardValue::Text("151.5".to_owned());
    repeated.cards.push(card);
    let wcs = Wcs::from_header(&repeated).expect("valid").expect("a WCS");
    assert!((wcs.pixel_to_world(99.0, 199.0).expect("on the sky").0 - 151.5).abs() < 1e-12);
}

#[test]
fn positions_off_the_projection_and_not_numbers_are_none() {
    for (code, has_horizon) in [("TAN", true), ("SIN", true), ("ARC", false), ("CAR", false)] {
        let names: [&'static str; 2] = match code {
            "TAN" => ["RA---TAN", "DEC--TAN"],
            "SIN" => ["RA---SIN", "DEC--SIN"],
            "ARC" => ["RA---ARC", "DEC--ARC"],
            _ => ["RA---CAR", "DEC--CAR"],
        };
        let wcs = wcs(&both(names[0], names[1]));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (x, y) in [(bad, 0.0), (0.0, bad), (bad, bad)] {
                assert_eq!(wcs.pixel_to_world(x, y), None, "{code}");
                assert_eq!(wcs.pixel_to_icrs(x, y), None, "{code}");
                assert_eq!(wcs.world_to_pixel(x, y), None, "{code}");
                assert_eq!(wcs.icrs_to_pixel(x, y), None, "{code}");
                assert!(wcs.pixel_area_arcsec2(x, y).is_nan(), "{code}");
            }
        }
        assert_eq!(wcs.world_to_pixel(150.0, 91.0), None);
        assert_eq!(wcs.world_to_pixel(330.0, -3.0).is_none(), has_horizon, "{code}: behind the horizon");
        assert_eq!(wcs.pixel_to_world(1e8, 0.0).is_none(), code != "TAN", "{code}: outside the map");
    }
}

#[test]
fn tpv_without_terms_is_tan() {
    let tpv = wcs(&both("RA---TPV", "DEC--TPV"));
    let tan = wcs(&[]);
    assert_eq!(tpv.pixel_to_world(3.0, 5.0), tan.pixel_to_world(3.0, 5.0));
    assert!(tpv.is_distorted() && !tan.is_distorted());
}

#[test]
fn tpv_terms_stay_with_their_axis_when_the_latitude_comes_first() {
    let terms = |lon: &'static str, lat: &'static str| {
        let key = |axis: &str, m: &str| -> &'static str { Box::leak(format!("PV{axis}_{m}").into_boxed_str()) };
        vec![
            (key(lon, "1"), Number(1.01)),
            (key(lon, "5"), Number(0.1)),
            (key(lat, "2"), Number(0.002)),
            (key(lat, "7"), Number(-0.3)),
        ]
    };
    let mut usual = terms("1", "2");
    usual.extend(both("RA---TPV", "DEC--TPV"));
    let mut swapped = terms("2", "1");
    swapped.extend(both("DEC--TPV", "RA---TPV"));
    swapped.extend([("CRVAL1", Number(2.0)), ("CRVAL2", Number(150.0))]);
    swapped.extend([("CD1_1", Number(0.0)), ("CD1_2", Number(1e-4)), ("CD2_1", Number(-1e-4)), ("CD2_2", Number(0.0))]);
    let (usual, swapped) = (wcs(&usual), wcs(&swapped));
    for (x, y) in [(0.0, 0.0), (700.0, -30.0)] {
        assert_eq!(usual.pixel_to_world(x, y), swapped.pixel_to_world(x, y));
        let (lon, lat) = swapped.pixel_to_world(x, y).expect("on the sky");
        let (bx, by) = swapped.world_to_pixel(lon, lat).expect("on the plane");
        assert!(libm::hypot(bx - x, by - y) < 1e-6);
    }
}

#[test]
fn latpole_alone_decides_when_the_poles_are_at_right_angles_to_the_fiducial_point() {
    // Calabretta & Greisen 2002, section 2.4: theta_0 = 0, delta_0 = 0 and LONPOLE = 90 leave delta_p to LATPOLE.
    let mut changes = both("RA---CAR", "DEC--CAR").to_vec_with(("LONPOLE", Number(90.0)));
    changes.push(("LATPOLE", Number(33.0)));
    changes.push(("CRVAL2", Number(0.0)));
    let wcs = wcs(&changes);
    let (x, y) = wcs.reference_pixel();
    let (lon, lat) = wcs.pixel_to_world(x, y).expect("on the sky");
    assert!((lon - 150.0).abs() < 1e-12 && lat.abs() < 1e-12);
    // The native pole, 90 degrees up the y axis.
    let (_, lat) = wcs.pixel_to_world(x, y + 900_000.0).expect("on the sky");
    assert!((lat - 33.0).abs() < 1e-9, "{lat}");
}

#[test]
fn a_sip_polynomial_that_folds_over_gives_none_beyond_the_fold() {
    // u' = u - u^2 / 2000: no pixel is shown beyond u' = 500, and the fold is at u = 1000.
    let mut changes = both("RA---TAN-SIP", "DEC--TAN-SIP").to_vec_with(("A_ORDER", Number(2.0)));
    changes.extend([("B_ORDER", Number(0.0)), ("A_2_0", Number(-1.0 / 2000.0))]);
    let folded = wcs(&changes);
    let plain = wcs(&[]);
    let sky = |u: f64| plain.pixel_to_world(99.0 + u, 199.0).expect("on the sky");
    let (lon, lat) = sky(499.0);
    let (x, y) = folded.world_to_pixel(lon, lat).expect("before the fold");
    assert!((x - 99.0 - (1000.0 - libm::sqrt(2000.0))).abs() < 1e-6 && (y - 199.0).abs() < 1e-6, "{x} {y}");
    let (lon, lat) = sky(501.0);
    assert_eq!(folded.world_to_pixel(lon, lat), None);
}

#[test]
fn inverses_end_for_any_coefficients() {
    // A generator with a fixed sequence: the numbers need no quality, only variety.
    let mut state = 1u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
    };
    for round in 0..300 {
        let mut wild = header(&both(
            ["RA---TPV", "RA---TAN-SIP", "RA---ZPN"][round % 3],
            ["DEC--TPV", "DEC--TAN-SIP", "DEC--ZPN"][round % 3],
        ));
        let mut set = |key: String, value: f64| wild.set(&key, CardValue::Float(value));
        match round % 3 {
            0 => {
                for m in 0..40 {
                    set(format!("PV1_{m}"), 3.0 * next());
                    set(format!("PV2_{m}"), 3.0 * next());
                }
            }
            1 => {
                for name in ["A", "B"] {
                    set(format!("{name}_ORDER"), 4.0);
                    for (i, j) in [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (0, 4), (2, 2)] {
                        set(format!("{name}_{i}_{j}"), next() / 30f64.powi(i + j - 1));
                    }
                }
            }
            _ => {
                for m in 0..8 {
                    set(format!("PV2_{m}"), 10.0 * next());
                }
            }
        }
        let Ok(Some(wcs)) = Wcs::from_header(&wild) else { continue };
        for _ in 0..20 {
            let (x, y) = (1000.0 * next(), 1000.0 * next());
            if let Some((lon, lat)) = wcs.pixel_to_world(x, y)
                && let Some((bx, by)) = wcs.world_to_pixel(lon, lat)
            {
                // Another branch may answer, but it must be a true solution.
                let (lon2, lat2) = wcs.pixel_to_world(bx, by).expect("a solution");
                let d = ((lon2 - lon + 540.0) % 360.0 - 180.0) * libm::cos(lat.to_radians());
                assert!(libm::hypot(d, lat2 - lat) < 1e-6, "{round}: {lon} {lat} {lon2} {lat2}");
            }
            let _ = wcs.world_to_pixel(180.0 * next(), 90.0 * next());
            let _ = wcs.pixel_area_arcsec2(x, y);
        }
        assert!(!wcs.pixel_scale_arcsec().is_infinite());
    }
}

#[test]
fn frames_meet_known_directions() {
    // The galactic centre and pole in ICRS, to the 1e-4 degrees at which they are commonly quoted.
    let (ra, dec) = CelestialFrame::Galactic.to_icrs(0.0, 0.0);
    assert!((ra - 266.4050).abs() < 1e-4 && (dec + 28.9362).abs() < 1e-4, "{ra} {dec}");
    let (ra, dec) = CelestialFrame::Galactic.to_icrs(0.0, 90.0);
    assert!((ra - 192.8595).abs() < 1e-4 && (dec - 27.1283).abs() < 1e-4, "{ra} {dec}");
    // FK5 at J2000.0 and ICRS differ by some 23 mas in right ascension.
    let (ra, dec) = CelestialFrame::Fk5 { equinox: 2000.0 }.to_icrs(0.0, 0.0);
    let east = ((ra + 180.0) % 360.0 - 180.0) * 3.6e6;
    assert!((east + 22.9).abs() < 0.1 && dec.abs() * 3.6e6 < 25.0, "{east} {dec}");
    for frame in [CelestialFrame::Icrs, CelestialFrame::Fk5 { equinox: 1975.0 }, CelestialFrame::Galactic] {
        let (lon, lat) = frame.from_icrs(83.63, 22.01);
        let (ra, dec) = frame.to_icrs(lon, lat);
        assert!((ra - 83.63).abs() < 1e-12 && (dec - 22.01).abs() < 1e-12, "{frame}");
    }
}

#[test]
fn scale_and_area_are_those_of_the_matrix() {
    let wcs = wcs(&[("CD1_1", Number(-2e-4))]);
    let scale = 3600.0 * libm::sqrt(2e-8);
    assert!((wcs.pixel_scale_arcsec() / scale - 1.0).abs() < 1e-9);
    assert!((wcs.pixel_area_arcsec2(99.0, 199.0) / (scale * scale) - 1.0).abs() < 1e-9);
}

/// The plate cards of a sky survey frame, without the solution's higher terms.
fn plate() -> Header {
    let mut header = Header::new();
    for (key, value) in [
        ("PLTRAH", 8.0),
        ("PLTRAM", 55.0),
        ("PLTRAS", 55.0),
        ("PLTDECD", 11.0),
        ("PLTDECM", 26.0),
        ("PLTDECS", 58.0),
        ("CNPIX1", 6900.0),
        ("CNPIX2", 6900.0),
        ("XPIXELSZ", 25.0),
        ("YPIXELSZ", 25.0),
        ("PPO3", 175_000.0),
        ("PPO6", 175_000.0),
        ("AMDX1", 67.2),
        ("AMDY1", 67.2),
    ] {
        header.set(key, CardValue::Float(value));
    }
    header.set("PLTDECSN", CardValue::Text("-".to_owned()));
    header
}

#[test]
fn a_plate_solution_is_read_and_says_what_is_missing() {
    let wcs = Wcs::from_header(&plate()).expect("valid").expect("a WCS");
    let (x, y) = wcs.reference_pixel();
    assert_eq!((x, y), (99.5, 99.5));
    let (ra, dec) = wcs.pixel_to_world(x, y).expect("on the sky");
    assert!((ra - 15.0 * (8.0 + 55.0 / 60.0 + 55.0 / 3600.0)).abs() < 1e-9);
    assert!((dec + 11.0 + 26.0 / 60.0 + 58.0 / 3600.0).abs() < 1e-9);
    assert!((wcs.pixel_scale_arcsec() - 67.2 * 0.025).abs() < 1e-6);
    assert_eq!(wcs.frame(), CelestialFrame::Fk5 { equinox: 2000.0 });

    let mut without = plate();
    without.cards.retain(|c| c.key != "PPO6");
    let message = Wcs::from_header(&without).expect_err("an error").to_string();
    assert!(message.contains("PPO6") && message.contains("Digitized Sky Survey"), "{message}");
    let mut coloured = plate();
    coloured.set("AMDX14", CardValue::Float(0.1));
    let message = Wcs::from_header(&coloured).expect_err("an error").to_string();
    assert!(message.contains("AMDX14") && message.contains("magnitude"), "{message}");
}

#[test]
fn threads_may_share_a_wcs() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared(&wcs(&[]));
}
