use std::path::{Path, PathBuf};

use ndarray::Array2;
use serde_json::Value;
use skyloom_data::{Image, MaskBits, Table};
use skyloom_engine::{ErrorClass, Facets, FacetsOut, InputPath, Problems, Stage};
use skyloom_testkit::surveys::{CoaddPair, DecamExposure, RubinCalibration, RubinExposure, plane, tract_wcs};
use skyloom_testkit::{Harness, determinism_test, golden_test};
use tempfile::TempDir;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/exposures").join(name)
}

fn calexp() -> ReadExposure {
    ReadExposure::new(InputPath(fixture("calexp.fits.fz")), ExposureLayout::Afw)
}

fn decam() -> ReadExposure {
    ReadExposure {
        hdu: Some(skyloom_data::fits::HduChoice::Name("S29".into())),
        quality: Some(InputPath(fixture("decam_ood.fits.fz"))),
        weight: Some(InputPath(fixture("decam_oow.fits.fz"))),
        ..ReadExposure::new(InputPath(fixture("decam_ooi.fits.fz")), ExposureLayout::Decam)
    }
}

fn expected(survey: &str) -> Value {
    let text = std::fs::read_to_string(fixture("expected.json")).expect("the file");
    serde_json::from_str::<Value>(&text).expect("JSON")[survey].take()
}

/// Compares positions with astropy's, and the way back.
fn compare_sky(image: &Image, expected: &Value) {
    let wcs = image.wcs.as_ref().expect("a WCS");
    for point in expected["points"].as_array().expect("points") {
        let [x, y, lon, lat] = [0, 1, 2, 3].map(|i| point[i].as_f64().expect("a number"));
        let (a, d) = wcs.pixel_to_world(x, y).expect("on the sky");
        let (da, dd) = ((a - lon) * libm::cos(lat.to_radians()) * 3600.0, (d - lat) * 3600.0);
        assert!(libm::hypot(da, dd) < 1e-6, "{x} {y}: {da} {dd} arcsec");
        let back = wcs.world_to_pixel(lon, lat).expect("in the plane");
        assert!(libm::hypot(back.0 - x, back.1 - y) < 1e-5, "{x} {y}: {back:?}");
    }
}

fn compare_noise(noise: &Image, expected: &Value) {
    assert_eq!(noise.mask, None);
    for ((y, x), &sigma) in noise.pixels.indexed_iter() {
        match expected["sigma"][y][x].as_f64() {
            Some(known) => assert!((f64::from(sigma) / known - 1.0).abs() < 1e-7, "{x} {y}: {sigma} {known}"),
            None => assert!(sigma.is_nan(), "{x} {y}: {sigma}"),
        }
    }
}

fn metric(outcome: &skyloom_testkit::Outcome, name: &str) -> Option<f64> {
    outcome.metrics.iter().find(|(n, _)| n == name).map(|&(_, v)| v)
}

#[test]
fn a_compressed_exposure_is_read_as_astropy_reads_it() {
    let outcome = Harness::new(calexp()).threads(2).run().expect("it runs");
    let expected = expected("rubin");
    let image = outcome.get::<Image>("image");
    compare_sky(&image, &expected);
    compare_noise(&outcome.get::<Image>("noise"), &expected);
    assert_eq!(image.meta.band.as_deref(), Some("r"));
    assert!((image.meta.zero_point.expect("a zero point") - 27.0).abs() < 1e-12);
    assert_eq!(image.meta.exposure_s, Some(1.0), "the exposure time is in the pixels");
    assert_eq!(image.parent_origin(), (500.0, 1200.0));
    let frame = outcome.get::<Table>("frame");
    let of = |name: &str| frame.floats(name).expect("a column")[0];
    assert_eq!(["width", "height", "x0", "y0"].map(of), [40.0, 30.0, 500.0, 1200.0]);

    let (bad, none, full) = (MaskBits::BAD, MaskBits::NO_DATA, MaskBits::SATURATED);
    let mut mask = Array2::<u16>::zeros((30, 40));
    for (y, x, bits) in [(2, 3, bad), (5, 6, full), (0, 0, none), (12, 13, bad), (13, 13, none | full)] {
        mask[[y, x]] = bits;
    }
    // Variances that are none.
    mask[[7, 8]] = bad;
    mask[[7, 9]] = bad;
    mask[[7, 10]] = bad;
    assert_eq!(image.mask, Some(mask));
    assert_eq!((metric(&outcome, "n_no_noise"), metric(&outcome, "n_saturated")), (Some(3.0), Some(2.0)));
    let said: Vec<&str> = outcome.warnings.iter().map(String::as_str).collect();
    let expected = "mask planes that are not known here are left out: GREMLIN";
    assert!(said.contains(&expected), "{said:?}");
}

#[test]
fn which_planes_count_is_a_choice() {
    let stage = ReadExposure {
        saturated: Some(vec![]),
        bad: Some(vec!["SAT".into(), "CR".into()]),
        no_data: Some(vec!["GREMLIN".into()]),
        ..calexp()
    };
    let outcome = Harness::new(stage).run().expect("it runs");
    let mask = outcome.get::<Image>("image").mask.clone().expect("a mask");
    assert_eq!([mask[[5, 6]], mask[[9, 9]], mask[[2, 3]]], [MaskBits::BAD, MaskBits::BAD, 0]);
    assert_eq!(mask[[12, 13]], MaskBits::NO_DATA);
    // Planes that count by default were left out on purpose; GREMLIN counts here.
    assert_eq!(outcome.warnings.iter().filter(|w| w.contains("mask planes")).count(), 0);
}

#[test]
fn interpolated_pixels_keep_their_place_in_the_mask() {
    let list = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    let stage = ReadExposure { saturated: list(&[]), interpolated: list(&["SAT"]), ..calexp() };
    let outcome = Harness::new(stage).run().expect("it runs");
    let mask = outcome.get::<Image>("image").mask.clone().expect("a mask");
    let full = MaskBits::INTERPOLATED;
    assert_eq!([mask[[5, 6]], mask[[13, 13]], mask[[2, 3]]], [full, full | MaskBits::NO_DATA, MaskBits::BAD]);
    assert_eq!((metric(&outcome, "n_saturated"), metric(&outcome, "n_interpolated")), (Some(0.0), Some(2.0)));

    // Both lists count, and codes of DECam have it, too.
    let stage = ReadExposure { interpolated: list(&["SATURATED", "STREAK"]), ..decam() };
    let outcome = Harness::new(stage).run().expect("it runs");
    let mask = outcome.get::<Image>("image").mask.clone().expect("a mask");
    let row: Vec<u16> = (3..9).map(|x| mask[[3, x]]).collect();
    assert_eq!(row, [MaskBits::SATURATED | full, MaskBits::SATURATED, MaskBits::BAD, 0, 0, full]);
}

#[test]
fn a_decam_image_has_its_distortion_quality_and_weights() {
    let outcome = Harness::new(decam()).run().expect("it runs");
    let expected = expected("decam");
    let image = outcome.get::<Image>("image");
    compare_sky(&image, &expected);
    compare_noise(&outcome.get::<Image>("noise"), &expected);
    assert_eq!(image.meta.band.as_deref(), Some("g"));
    assert_eq!((image.meta.zero_point, image.meta.exposure_s), (Some(30.25), Some(1.0)));
    let mask = image.mask.as_ref().expect("a mask");
    let (bad, none, full) = (MaskBits::BAD, MaskBits::NO_DATA, MaskBits::SATURATED);
    let row: Vec<u16> = (0..10).map(|x| mask[[3, x]]).collect();
    assert_eq!(row, [0, bad, none, full, full, bad, 0, 0, 0, 0]);
    assert_eq!(mask[[4, 2]], bad, "no weight");
}

fn small(calibration: RubinCalibration) -> RubinExposure {
    RubinExposure {
        pixels: Array2::from_shape_fn((5, 6), |(y, x)| (y * 6 + x) as f32),
        mask: Array2::from_shape_fn((5, 6), |(y, x)| if (y, x) == (1, 2) { plane("SAT") | plane("STREAK") } else { 0 }),
        variance: Array2::from_elem((5, 6), 4.0),
        origin: (0, 0),
        wcs: tract_wcs(),
        band: "z".to_owned(),
        calibration,
        has_names: true,
    }
}

fn written(exposure: &RubinExposure) -> (TempDir, ReadExposure) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("exposure.fits");
    exposure.write(&path).expect("written");
    (folder, ReadExposure::new(InputPath(path), ExposureLayout::Afw))
}

#[test]
fn every_documented_calibration_is_found() {
    let zero_point = |calibration, change: &dyn Fn(&mut ReadExposure)| {
        let (_folder, mut stage) = written(&small(calibration));
        change(&mut stage);
        let outcome = Harness::new(stage).run().expect("it runs");
        (outcome.get::<Image>("image").meta.zero_point, outcome.warnings.len())
    };
    let plain = |_: &mut ReadExposure| {};
    assert_eq!(zero_point(RubinCalibration::NanoJansky, &plain), (Some(31.4), 0));
    let (found, _) = zero_point(RubinCalibration::FluxMag0(6.309_573_444_801_93e10), &plain);
    assert!((found.expect("a zero point") - 27.0).abs() < 1e-9);
    let (found, _) = zero_point(RubinCalibration::PhotoCalib(57.543_993_733_715_7), &plain);
    assert!((found.expect("a zero point") - 27.0).abs() < 1e-9);
    assert_eq!(zero_point(RubinCalibration::PhotoCalib(-1.0), &plain), (None, 1), "it says so");
    assert_eq!(zero_point(RubinCalibration::Unknown, &|s| s.unit = Some("nJy".into())), (Some(31.4), 0));
    assert_eq!(zero_point(RubinCalibration::NanoJansky, &|s| s.zero_point = Some(30.0)), (Some(30.0), 0));
}

#[test]
fn files_of_the_first_years_have_hdus_without_names() {
    let (_folder, stage) = written(&RubinExposure { has_names: false, ..small(RubinCalibration::FluxMag0(1e10)) });
    let outcome = Harness::new(stage).run().expect("it runs");
    let image = outcome.get::<Image>("image");
    assert_eq!(image.mask.as_ref().map(|m| m[[1, 2]]), Some(MaskBits::SATURATED));
    assert!(outcome.get::<Image>("noise").pixels.iter().all(|&v| v == 2.0));
    assert_eq!(image.meta.zero_point, Some(25.0));
}

#[test]
fn both_patches_of_a_pair_see_the_same_sky_and_the_same_tract() {
    let pair = CoaddPair::new(1);
    let images: Vec<_> = (0..2)
        .map(|number| {
            let (_folder, stage) = written(&pair.patch(number));
            Harness::new(stage).run().expect("it runs").get::<Image>("image")
        })
        .collect();
    let (first, second) = (&images[0], &images[1]);
    let step = first.width() - skyloom_testkit::surveys::OVERLAP;
    assert_eq!(second.parent_origin().0 - first.parent_origin().0, step as f64);
    for (x, y) in [(400.0, 20.0), (559.0, 559.0)] {
        let sky = |image: &Image, x: f64| image.wcs.as_ref().expect("a WCS").pixel_to_icrs(x, y).expect("on the sky");
        let (a, b) = (sky(first, x), sky(second, x - step as f64));
        assert!((a.0 - b.0).abs() < 1e-10 && (a.1 - b.1).abs() < 1e-10, "{a:?} {b:?}");
        let (column, row) = (x as usize, y as usize);
        assert_eq!(first.pixels[[row, column]], second.pixels[[row, column - step]]);
    }
    assert!(first.mask.as_ref().is_some_and(|m| m[[0, 0]] & MaskBits::NO_DATA != 0));
    assert!(second.mask.iter().flatten().all(|bits| bits & MaskBits::NO_DATA == 0));
}

#[test]
fn one_pixel_is_enough() {
    let one = RubinExposure {
        pixels: Array2::from_elem((1, 1), f32::NAN),
        mask: Array2::from_elem((1, 1), plane("DETECTED")),
        variance: Array2::from_elem((1, 1), f32::INFINITY),
        ..small(RubinCalibration::NanoJansky)
    };
    let (_folder, stage) = written(&one);
    let outcome = Harness::new(stage).run().expect("it runs");
    assert_eq!(outcome.get::<Image>("image").mask, Some(Array2::from_elem((1, 1), MaskBits::NO_DATA)));
    assert!(outcome.get::<Image>("noise").pixels[[0, 0]].is_nan());
    assert_eq!(metric(&outcome, "n_no_noise"), Some(0.0));
}

fn codes(stage: &ReadExposure) -> Vec<String> {
    let mut problems = Problems::new();
    stage.check(&mut problems);
    stage.infer(&Facets::new(), &mut FacetsOut::new(), &mut problems);
    problems.into_list().into_iter().map(|p| format!("{} {:?}", p.code, p.place)).collect()
}

#[test]
fn what_is_wrong_is_said_before_any_pixel_is_read() {
    let (folder, stage) = written(&small(RubinCalibration::NanoJansky));
    assert_eq!(codes(&stage), Vec::<String>::new());
    let with = |change: &dyn Fn(&mut ReadExposure)| {
        let mut stage = stage.clone();
        change(&mut stage);
        codes(&stage)
    };
    assert_eq!(with(&|s| s.saturated = Some(vec!["SATUR".into()])).len(), 1);
    assert_eq!(with(&|s| s.interpolated = Some(vec!["SATUR".into()])).len(), 1);
    assert_eq!(with(&|s| s.bad = Some(vec![" ".into()])).len(), 2);
    assert_eq!(with(&|s| s.exposure_s = Some(0.0)).len(), 1);
    assert_eq!(with(&|s| s.zero_point = Some(f64::NAN)).len(), 1);
    assert_eq!(with(&|s| s.band = Some("µ".into())).len(), 1);
    assert_eq!(with(&|s| s.keep_cards = vec!["LTV3".into(), "BUNIT".into()]).len(), 1);
    assert_eq!(with(&|s| s.quality = Some(s.path.clone())).len(), 1);
    assert!(with(&|s| s.path = InputPath("nowhere.fits".into()))[0].starts_with("missing-file"));

    // A plain image is no exposure, and a mask plane must name its bits.
    let plain = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/fits/float32.fits");
    assert!(with(&|s| s.path = InputPath(plain.clone()))[0].starts_with("unknown-hdu"));
    let bytes = std::fs::read(folder.path().join("exposure.fits")).expect("the file");
    let nameless: Vec<u8> = bytes
        .chunks(80)
        .flat_map(|record| {
            let mut record = record.to_vec();
            if record.starts_with(b"MP_") || record.starts_with(b"HIERARCH MP_") {
                record.fill(b' ');
                record[..7].copy_from_slice(b"COMMENT");
            }
            record
        })
        .collect();
    let path = folder.path().join("nameless.fits");
    std::fs::write(&path, nameless).expect("written");
    assert!(with(&|s| s.path = InputPath(path.clone()))[0].starts_with("malformed-fits"));
    let failed = Harness::new(ReadExposure::new(InputPath(path), ExposureLayout::Afw)).run().expect_err("an error");
    assert_eq!(failed.class, ErrorClass::Data);
}

#[test]
fn planes_of_another_shape_are_refused() {
    let folder = TempDir::new().expect("a folder");
    let exposure = |size: (usize, usize)| DecamExposure {
        detector: "S29".into(),
        pixels: Array2::from_elem(size, 5.0),
        quality: Array2::from_elem(size, 64),
        weight: Array2::from_elem(size, 0.25),
        wcs: tract_wcs(),
        zero_point: 25.0,
        version: "V2.9".into(),
    };
    let [image, quality, weight] = exposure((7, 8)).write(folder.path(), "a").expect("written").map(InputPath);
    let [other, ..] = exposure((8, 7)).write(folder.path(), "b").expect("written").map(InputPath);
    let stage = ReadExposure {
        hdu: Some(skyloom_data::fits::HduChoice::Index(2)),
        quality: Some(quality),
        weight: Some(weight),
        ..ReadExposure::new(image, ExposureLayout::Decam)
    };
    assert_eq!(codes(&stage), Vec::<String>::new());
    let outcome = Harness::new(stage.clone()).run().expect("it runs");
    let image = outcome.get::<Image>("image");
    // Bits before version 3.5: 64 is a bleed trail.
    assert!(image.mask.iter().flatten().all(|&bits| bits == MaskBits::SATURATED));
    assert!(outcome.get::<Image>("noise").pixels.iter().all(|&v| v == 2.0));
    let wrong = ReadExposure { path: other, ..stage };
    assert!(codes(&wrong)[0].starts_with("shape-mismatch"), "{:?}", codes(&wrong));
}

determinism_test!(a_compressed_exposure_is_deterministic, Harness::new(calexp()));
golden_test!(a_compressed_exposure_is_frozen, Harness::new(calexp()), version: 1, digest: "9f8d6214e906");
determinism_test!(a_decam_image_is_deterministic, Harness::new(decam()));
golden_test!(a_decam_image_is_frozen, Harness::new(decam()), version: 1, digest: "be5601afb390");
