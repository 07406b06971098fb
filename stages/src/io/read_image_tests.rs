use std::path::{Path, PathBuf};

use skyloom_data::MaskBits;
use skyloom_engine::{ErrorClass, StageProblem};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

fn fixture(name: &str) -> InputPath {
    InputPath(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/fits").join(name))
}

fn stage(name: &str) -> ReadImage {
    ReadImage::new(fixture(name))
}

impl ReadImage {
    fn new_at(path: PathBuf) -> Self {
        Self::new(InputPath(path))
    }
}

fn problems_of(stage: &ReadImage) -> Vec<StageProblem> {
    let mut problems = Problems::new();
    stage.check(&mut problems);
    stage.infer(&Facets::new(), &mut FacetsOut::new(), &mut problems);
    problems.into_list()
}

fn codes(stage: &ReadImage) -> Vec<(&'static str, Place)> {
    problems_of(stage).into_iter().map(|p| (p.code, p.place)).collect()
}

fn param(name: &str) -> Place {
    Place::Param(name.to_owned())
}

determinism_test!(reading_a_compressed_image_is_deterministic, Harness::new(masked()));
determinism_test!(reading_a_plain_image_is_deterministic, Harness::new(stage("float32.fits")));
golden_test!(reading_gives_the_frozen_image, Harness::new(masked()), version: 2, digest: "bea638beddc3");

fn masked() -> ReadImage {
    ReadImage {
        confidence: Some(fixture("rice_float_dither2.fits.fz")),
        saturation: Some(1050.0),
        zero_point: Some(22.5),
        keep_cards: vec!["FILTER2".into()],
        ..stage("rice_float_dither1.fits.fz")
    }
}

#[test]
fn the_image_arrives_with_mask_and_facts() {
    let outcome = Harness::new(masked()).run().expect("it runs");
    let image = outcome.get::<Image>("image");
    assert_eq!((image.width(), image.height()), (47, 50));
    assert_eq!(
        (image.meta.band.as_deref(), image.meta.exposure_s, image.meta.zero_point),
        (Some("J"), Some(10.0), Some(22.5))
    );
    let mask = image.mask.as_ref().expect("some pixels are masked");
    assert_eq!(mask[[10, 5]], MaskBits::NO_DATA | MaskBits::BAD);
    assert_eq!(mask[[20, 25]], MaskBits::BAD);
    assert!(mask.iter().any(|&m| m == MaskBits::SATURATED));
    assert_eq!(
        outcome.warnings,
        ["not in the header, so not kept: FILTER2", "8 of 2350 pixels have no value (NaN or BLANK) and are masked"]
    );
    let metric = |name: &str| outcome.metrics.iter().find(|(n, _)| n == name).map(|&(_, v)| v);
    assert_eq!((metric("n_no_data"), metric("n_bad")), (Some(8.0), Some(18.0)));
}

#[test]
fn the_frame_says_where_a_cut_out_lies() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = std::fs::read(fixture("float32.fits").as_path()).expect("it reads");
    let frame = |cards: &[&str]| {
        let mut bytes = bytes.clone();
        let end = bytes.chunks(80).position(|record| record.starts_with(b"END ")).expect("the end of the header");
        for (i, card) in cards.iter().chain(&["END"]).enumerate() {
            bytes[80 * (end + i)..80 * (end + i + 1)].copy_from_slice(format!("{card:80}").as_bytes());
        }
        let path = folder.path().join("part.fits");
        std::fs::write(&path, bytes).expect("it can be written");
        let table = Harness::new(ReadImage::new_at(path)).run().expect("it runs").get::<Table>("frame");
        ["x0", "y0", "width", "height"].map(|name| table.floats(name).expect("a column")[0])
    };
    let [.., width, height] = frame(&[]);
    assert_eq!(frame(&[])[..2], [0.0, 0.0]);
    let cards = ["LTV1    =               -500.0", "LTV2    =                 12.5"];
    assert_eq!(frame(&cards), [500.0, -12.5, width, height]);
    assert_eq!(frame(&cards[..1]), [500.0, 0.0, width, height]);
    let image = Harness::new(stage("float32.fits")).run().expect("it runs").get::<Image>("image");
    assert_eq!([width, height], [image.width() as f64, image.height() as f64]);
}

#[test]
fn infer_knows_shape_band_and_unit_before_any_pixel() {
    let mut outputs = FacetsOut::new();
    let mut problems = Problems::new();
    let stage = ReadImage { unit: Some("adu".into()), ..stage("extensions.fits.gz") };
    stage.infer(&Facets::new(), &mut outputs, &mut problems);
    assert!(problems.is_empty());
    let facet = ImageFacet::from_facet(&outputs.get("image"));
    assert_eq!((facet.width, facet.height), (Some(5), Some(4)));
    assert_eq!((facet.band.as_deref(), facet.unit.as_deref()), (Some("Ks"), Some("adu")));
    assert!(stage.estimate(&Facets::new()).peak_bytes >= 5 * 4 * 6);
}

#[test]
fn files_that_cannot_be_read_are_problems_of_their_parameter() {
    assert_eq!(codes(&stage("none.fits")), [("missing-file", param("path"))]);
    assert_eq!(codes(&stage("make.py")), [("not-fits", param("path"))]);
    assert_eq!(codes(&stage("")), [("not-a-file", param("path"))]);
    assert_eq!(codes(&stage("cube.fits")), [("not-2d-image", param("path"))]);
    assert_eq!(codes(&stage("table_only.fits")), [("no-image", param("path"))]);
    let named = ReadImage { hdu: Some(HduChoice::Name("Sky".into())), ..stage("extensions.fits") };
    assert_eq!(codes(&named), [("unknown-hdu", param("path"))]);
    let other_shape = ReadImage { confidence: Some(fixture("one_pixel.fits")), ..stage("float32.fits") };
    assert_eq!(codes(&other_shape), [("shape-mismatch", param("confidence"))]);
    let both = ReadImage { confidence: Some(fixture("none.fits")), ..stage("none.fits") };
    assert_eq!(codes(&both), [("missing-file", param("path")), ("missing-file", param("confidence"))]);
    assert!(problems_of(&stage("none.fits"))[0].found.contains("none.fits"));
}

#[test]
fn senseless_parameters_are_all_reported() {
    let stage = ReadImage {
        exposure_s: Some(f64::NAN),
        zero_point: Some(f64::INFINITY),
        saturation: Some(f64::NAN),
        band: Some(" r".into()),
        unit: Some("µJy".into()),
        keep_cards: vec!["OBJECT".into(), "naxis1".into(), "CRVAL1".into(), "EXPTIME".into()],
        confidence_hdu: Some(HduChoice::Index(1)),
        ..stage("float32.fits")
    };
    let places: Vec<Place> = problems_of(&stage).into_iter().map(|p| p.place).collect();
    let names =
        ["exposure_s", "zero_point", "saturation", "band", "unit", "keep_cards.1", "keep_cards.2", "keep_cards.3"];
    let mut expected: Vec<Place> = names.iter().map(|n| param(n)).collect();
    expected.push(param("confidence_hdu"));
    assert_eq!(places, expected);
}

#[test]
fn a_comment_in_the_header_changes_the_fingerprint_and_not_the_product() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = |name: &str, from: &str, to: &str| {
        let bytes = std::fs::read(fixture("extensions.fits").as_path()).expect("it reads");
        let text: Vec<u8> = String::from_utf8(bytes[..2880].to_vec()).expect("ASCII").replacen(from, to, 1).into();
        let path = dir.path().join(name);
        std::fs::write(&path, [&text, &bytes[2880..]].concat()).expect("it can be written");
        let stage = ReadImage { keep_cards: vec!["DATE-OBS".into()], ..ReadImage::new_at(path) };
        let mut digest = DigestBuilder::new();
        stage.fingerprint(&mut digest).expect("it reads");
        let outcome = Harness::new(stage).run().expect("it runs");
        (digest.parts().to_vec(), outcome.digests().expect("it encodes"))
    };
    let (file_a, product_a) = run("a.fits", "in quotes, as SDSS has it", "in quotes, as SDSS has it");
    let (file_b, product_b) = run("b.fits", "in quotes, as SDSS has it", "in quotes, as SDSS HAS it");
    let (file_c, product_c) = run("c.fits", "53.907456", "53.907457");
    assert!(file_a != file_b && file_a != file_c);
    assert_eq!(product_a, product_b);
    assert_ne!(product_a, product_c, "a value that is carried on does change the product");
}

#[test]
fn a_truncated_file_is_a_data_error_that_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["float32.fits", "extensions.fits.gz"] {
        let bytes = std::fs::read(fixture(name).as_path()).expect("it reads");
        let path = dir.path().join(name);
        std::fs::write(&path, &bytes[..bytes.len() - 100]).expect("it can be written");
        let error = Harness::new(ReadImage::new_at(path)).run().expect_err("it ends early");
        assert_eq!(error.class, ErrorClass::Data);
        assert!(error.message.contains("ends early") && error.message.contains(name), "{error}");
    }
    let error = Harness::new(stage("none.fits")).run().expect_err("it is missing");
    assert_eq!(error.class, ErrorClass::Io);
    assert!(stage("none.fits").fingerprint(&mut DigestBuilder::new()).is_err());
}

#[test]
fn one_pixel_and_no_pixel_with_a_value_are_images() {
    let one = Harness::new(stage("one_pixel.fits")).run().expect("it runs");
    assert_eq!(one.get::<Image>("image").pixels[[0, 0]], 4.25);
    let nan = Harness::new(stage("all_nan.fits")).run().expect("it runs");
    assert_eq!(nan.warnings, ["none of the 12 pixels has a value"]);
    assert!(nan.get::<Image>("image").bad_pixels().iter().all(|&b| b));
}

#[test]
fn a_cancelled_run_stops() {
    let token = skyloom_engine::CancelToken::new();
    token.cancel();
    let error = Harness::new(stage("float32.fits")).cancel(token).run().expect_err("cancelled");
    assert_eq!(error.class, ErrorClass::Cancelled);
}

#[test]
fn the_hdu_is_an_index_or_a_name_in_the_graph_file() {
    let ron = ron_options();
    let read = |text: &str| -> ReadImage { ron.from_str(text).expect("it parses") };
    assert_eq!(read(r#"(path: "a.fits", hdu: 2)"#).hdu, Some(HduChoice::Index(2)));
    assert_eq!(read(r#"(path: "a.fits", hdu: "SCI")"#).hdu, Some(HduChoice::Name("SCI".into())));
    let full = read(r#"(path: "a.fits", confidence: "b.fits", exposure_s: 1.0, zero_point: 22.5, band: "r")"#);
    assert_eq!((full.exposure_s, full.zero_point, full.band.as_deref()), (Some(1.0), Some(22.5), Some("r")));
    assert_eq!(read(r#"(path: "a.fits")"#), ReadImage::new("a.fits"));
    assert!(ron.from_str::<ReadImage>(r#"(path: "a.fits", hud: 2)"#).is_err());
    assert!(ron.from_str::<ReadImage>(r#"(path: "a.fits", hdu: -1)"#).is_err());
}

fn ron_options() -> ron::Options {
    use ron::extensions::Extensions;
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_NEWTYPES)
}
