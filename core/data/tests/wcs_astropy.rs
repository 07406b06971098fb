//! Agreement with astropy.wcs on the headers in `tests/fixtures/wcs` (see `make.py` there for how they were made).

#![allow(clippy::print_stdout)] // the largest difference per header, seen with --nocapture

use std::path::PathBuf;

use serde_json::Value;
use skyloom_data::{Card, CardValue, CelestialFrame, Header, Wcs};

/// The promise: a hundredth of the best catalogue positions, and well below what a centroid can be measured to.
const SKY_ARCSEC: f64 = 1e-3;
const PIXEL: f64 = 1e-3;

fn cases(file: &str) -> Vec<Value> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/wcs")).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let Value::Array(cases) = serde_json::from_str(&text).expect("JSON") else { panic!("{file}: not a list") };
    cases
}

fn header(case: &Value) -> Header {
    let card = |pair: &Value| Card {
        key: pair[0].as_str().expect("keyword").to_owned(),
        value: match &pair[1] {
            Value::String(t) => CardValue::Text(t.clone()),
            Value::Bool(b) => CardValue::Bool(*b),
            Value::Number(n) => match n.as_i64() {
                Some(i) => CardValue::Int(i),
                None => CardValue::Float(n.as_f64().expect("a number")),
            },
            _ => CardValue::Undefined,
        },
        comment: String::new(),
    };
    Header { cards: case["cards"].as_array().expect("cards").iter().map(card).collect() }
}

fn name(case: &Value) -> &str {
    case["name"].as_str().expect("name")
}

fn read(case: &Value) -> Wcs {
    Wcs::from_header(&header(case))
        .unwrap_or_else(|e| panic!("{}: {e}", name(case)))
        .unwrap_or_else(|| panic!("{}: no WCS found", name(case)))
}

/// Angle between two directions in arcseconds.
fn separation(a: (f64, f64), b: (f64, f64)) -> f64 {
    let v = |(lon, lat): (f64, f64)| {
        let (lon, lat) = (lon.to_radians(), lat.to_radians());
        [libm::cos(lat) * libm::cos(lon), libm::cos(lat) * libm::sin(lon), libm::sin(lat)]
    };
    let (a, b) = (v(a), v(b));
    let chord = (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
    chord.to_degrees() * 3600.0
}

fn pair(a: &Value, b: &Value) -> Option<(f64, f64)> {
    Some((a.as_f64()?, b.as_f64()?))
}

/// Largest differences seen in one case: sky in the frame, ICRS, pixels back, pixels of sky positions.
#[derive(Default)]
struct Worst {
    sky: f64,
    icrs: f64,
    back: f64,
    pixel: f64,
}

fn compare(case: &Value) -> Worst {
    let wcs = read(case);
    let mut worst = Worst::default();
    for (i, point) in case["points"].as_array().expect("points").iter().enumerate() {
        let (x, y) = pair(&point[0], &point[1]).expect("a pixel");
        let found = wcs.pixel_to_world(x, y);
        let Some(expected) = pair(&point[2], &point[3]) else {
            assert_eq!(found, None, "{}: pixel {x} {y} is off the projection", name(case));
            continue;
        };
        let found = found.unwrap_or_else(|| panic!("{}: no sky position at {x} {y}", name(case)));
        assert!((0.0..360.0).contains(&found.0), "{}: longitude {}", name(case), found.0);
        worst.sky = worst.sky.max(separation(found, expected));
        // The inverse takes astropy's position, so it does not lean on the forward direction here.
        if let Some((bx, by)) = wcs.world_to_pixel(expected.0, expected.1) {
            worst.back = worst.back.max(libm::hypot(bx - x, by - y));
        } else {
            panic!("{}: no pixel at {expected:?}, which is {x} {y}", name(case));
        }
        let icrs = case["icrs"].get(i).map_or(expected, |v| pair(&v[0], &v[1]).expect("ICRS"));
        let found = wcs.pixel_to_icrs(x, y).expect("on the sky");
        worst.icrs = worst.icrs.max(separation(found, icrs));
        let (bx, by) = wcs.icrs_to_pixel(icrs.0, icrs.1).expect("on the plane");
        worst.back = worst.back.max(libm::hypot(bx - x, by - y));
    }
    for spot in case["sky"].as_array().unwrap_or(&Vec::new()) {
        let (lon, lat) = pair(&spot[0], &spot[1]).expect("a position");
        match (pair(&spot[2], &spot[3]), wcs.world_to_pixel(lon, lat)) {
            (Some((x, y)), Some((fx, fy))) => {
                // Near the horizon of TAN pixels run to infinity: compare relative to the distance.
                let size = 1.0f64.max(1e-6 * libm::hypot(x, y));
                worst.pixel = worst.pixel.max(libm::hypot(fx - x, fy - y) / size);
            }
            (None, None) => {}
            (expected, found) => {
                panic!("{}: {lon} {lat} is at {expected:?} for astropy and {found:?} here", name(case))
            }
        }
    }
    worst
}

fn check(file: &str) {
    println!("{:<50} {:>10} {:>10} {:>10} {:>10}", file, "arcsec", "icrs", "px back", "px sky");
    for case in cases(file).iter().filter(|c| !c["frame"].is_null()) {
        let w = compare(case);
        println!("{:<50} {:10.1e} {:10.1e} {:10.1e} {:10.1e}", name(case), w.sky, w.icrs, w.back, w.pixel);
        assert!(w.sky < SKY_ARCSEC && w.icrs < SKY_ARCSEC, "{}: {} and {} arcsec off", name(case), w.sky, w.icrs);
        assert!(w.back < PIXEL && w.pixel < PIXEL, "{}: {} and {} px off", name(case), w.back, w.pixel);
    }
}

#[test]
fn survey_headers_agree_with_astropy() {
    check("survey.json");
}

#[test]
fn made_headers_agree_with_astropy() {
    check("made.json");
}

#[test]
fn headers_without_celestial_axes_have_no_wcs() {
    let without: Vec<Value> = cases("survey.json").into_iter().filter(|c| c["frame"].is_null()).collect();
    assert!(!without.is_empty());
    for case in without {
        assert_eq!(Wcs::from_header(&header(&case)).expect("no error"), None, "{}", name(&case));
    }
}

#[test]
fn frames_are_recognised() {
    for case in cases("survey.json").iter().chain(&cases("made.json")).filter(|c| !c["frame"].is_null()) {
        let frame = match read(case).frame() {
            CelestialFrame::Icrs => "icrs",
            CelestialFrame::Fk5 { .. } => "fk5",
            CelestialFrame::Galactic => "galactic",
        };
        assert_eq!(frame, case["frame"].as_str().expect("frame"), "{}", name(case));
    }
}

#[test]
fn cards_and_serde_give_back_an_equal_wcs() {
    for case in cases("survey.json").iter().chain(&cases("made.json")).filter(|c| !c["frame"].is_null()) {
        let wcs = read(case);
        let again = Wcs::from_header(&Header { cards: wcs.cards() }).expect("valid").expect("a WCS");
        assert_eq!(again, wcs, "{}", name(case));
        assert_eq!(again.cards(), wcs.cards(), "{}", name(case));
        let ron = ron::to_string(&wcs).expect("RON");
        assert_eq!(ron::from_str::<Wcs>(&ron).expect("RON"), wcs, "{}", name(case));
        let json = serde_json::to_string(&wcs).expect("JSON");
        assert_eq!(serde_json::from_str::<Wcs>(&json).expect("JSON"), wcs, "{}", name(case));
    }
}

#[test]
fn a_cutout_sees_the_same_sky() {
    for case in cases("survey.json").iter().chain(&cases("made.json")).filter(|c| !c["frame"].is_null()) {
        let wcs = read(case);
        let part = wcs.cutout(137.0, 41.0);
        for (x, y) in [(137.0, 41.0), (400.25, 300.5)] {
            let (whole, cut) = (wcs.pixel_to_world(x, y), part.pixel_to_world(x - 137.0, y - 41.0));
            match (whole, cut) {
                // Moving CRPIX by whole pixels costs its last digit at most.
                (Some(a), Some(b)) => assert!(separation(a, b) < 1e-6, "{}: {a:?} {b:?}", name(case)),
                (a, b) => assert_eq!(a, b, "{}", name(case)),
            }
        }
    }
}

#[test]
fn pixel_area_agrees_with_the_corners_of_the_pixel() {
    for case in cases("survey.json").iter().chain(&cases("made.json")).filter(|c| !c["frame"].is_null()) {
        let wcs = read(case);
        let (x, y) = (210.0, 330.0);
        let area = wcs.pixel_area_arcsec2(x, y);
        let Some(centre) = wcs.pixel_to_world(x, y) else {
            assert!(area.is_nan(), "{}", name(case));
            continue;
        };
        let sides = [(x + 0.5, y), (x - 0.5, y), (x, y + 0.5), (x, y - 0.5)].map(|(x, y)| wcs.pixel_to_world(x, y));
        let [Some(right), Some(left), Some(top), Some(bottom)] = sides else { continue };
        // The parallelogram in the plane tangent at the centre.
        let tangent = |p: (f64, f64)| {
            let d = (p.0 - centre.0 + 540.0) % 360.0 - 180.0;
            (d * libm::cos(centre.1.to_radians()) * 3600.0, (p.1 - centre.1) * 3600.0)
        };
        if centre.1.abs() > 80.0 {
            continue; // this flat comparison fails at the poles, the area does not
        }
        let [r, l, t, b] = [right, left, top, bottom].map(tangent);
        let flat = ((r.0 - l.0) * (t.1 - b.1) - (r.1 - l.1) * (t.0 - b.0)).abs();
        // Pixels of up to half a degree are not flat.
        assert!((area / flat - 1.0).abs() < 1e-4, "{}: {area} {flat}", name(case));
    }
}
