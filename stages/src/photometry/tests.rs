use ndarray::Array2;
use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::{CardValue, Header, Image, Isophote, Isophotes, MaskBits, Table, TableBuilder, Wcs};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

/// Two squares of 4 x 4 pixels; the table names the second one first.
fn isophotes() -> Isophotes {
    let square = |x: f64, y: f64| {
        let vertices = vec![[x, y], [x + 4.0, y], [x + 4.0, y + 4.0], [x, y + 4.0], [x, y]];
        Isophote { level_sigma: 3.0, parent: None, vertices }
    };
    Isophotes { width: 20, height: 12, contours: vec![square(1.5, 1.5), square(10.5, 5.5)] }
}

fn objects(ids: Vec<i64>) -> Table {
    let n = ids.len();
    let centre = vec![4.0; n];
    TableBuilder::new()
        .int("id", "", "", ids)
        .float("x_light", "", "", centre.clone())
        .float("y_light", "", "", centre)
        .build()
        .unwrap()
}

fn band_image() -> Image {
    let mut image = Image::from_pixels(Array2::from_shape_fn((12, 20), |(y, x)| (x + y) as f32));
    image.meta.band = Some("r".to_owned());
    image.meta.zero_point = Some(22.5);
    image.meta.exposure_s = Some(10.0);
    image
}

fn stage() -> IsophotalPhotometry {
    IsophotalPhotometry { pixel_scale_arcsec: Some(0.5), ..IsophotalPhotometry::default() }
}

fn harness() -> Harness {
    let image = band_image();
    let noise = image.with_pixels(Array2::from_elem((12, 20), 3.0));
    let residual = image.with_pixels(image.pixels.mapv(|v| v - 10.0));
    Harness::new(stage())
        .input("table", objects(vec![1, 0]))
        .input("isophotes", isophotes())
        .input("image", image)
        .input("noise", noise)
        .input("residual", residual)
}

fn column(harness: &Harness, name: &str) -> Vec<f64> {
    harness.run().unwrap().get::<Table>("table").floats(name).unwrap()
}

#[test]
fn rejected_objects_get_what_they_would_get_in_a_table_of_their_own() {
    let images = |harness: Harness| {
        let image = band_image();
        let noise = image.with_pixels(Array2::from_elem((12, 20), 3.0));
        let residual = image.with_pixels(image.pixels.mapv(|v| v - 10.0));
        harness.input("isophotes", isophotes()).input("image", image).input("noise", noise).input("residual", residual)
    };
    let alone = |id: i64| images(Harness::new(stage()).input("table", objects(vec![id]))).run().unwrap();
    let both = Harness::new(stage()).input("table", objects(vec![1])).input("rejected", objects(vec![0]));
    let both = images(both).run().unwrap();
    assert_eq!(both.get::<Table>("table").batch(), alone(1).get::<Table>("table").batch());
    assert_eq!(both.get::<Table>("rejected").batch(), alone(0).get::<Table>("table").batch());
    // Without any, the same columns and no rows.
    let none = alone(1).get::<Table>("rejected");
    assert_eq!((none.n_rows(), none.batch().schema()), (0, both.get::<Table>("rejected").batch().schema()));
}

#[test]
fn a_rejected_row_without_a_contour_is_named_with_its_port() {
    let error = harness().input("rejected", objects(vec![0, 9])).run().unwrap_err();
    assert!(error.message.contains("row 1 of rejected has id 9"), "{}", error.message);
}

#[test]
fn fluxes_magnitudes_and_brightnesses_follow_their_formulae() {
    let h = harness();
    // The squares hold columns 11..15 and rows 6..10, columns 2..6 and rows 2..6.
    assert_eq!(column(&h, "flux_r"), [16.0 * 20.0, 16.0 * 7.0]);
    assert_eq!(column(&h, "flux_err_r"), [12.0, 12.0]);
    let mag = |flux: f64| 22.5 - 2.5 * libm::log10(flux / 10.0);
    // 16 square pixels of a quarter of a square arcsecond.
    let expected: [(&str, [f64; 2]); 5] = [
        ("mag_r", [mag(320.0), mag(112.0)]),
        ("mag_err_r", [2.5 / std::f64::consts::LN_10 * 12.0 / 320.0, 2.5 / std::f64::consts::LN_10 * 12.0 / 112.0]),
        ("sb_r", [mag(320.0) + 2.5 * libm::log10(4.0), mag(112.0) + 2.5 * libm::log10(4.0)]),
        ("peak_sb_r", [mag(23.0) + 2.5 * libm::log10(0.25), mag(10.0) + 2.5 * libm::log10(0.25)]),
        ("mag_residual", [mag(160.0), f64::NAN]),
    ];
    for (name, values) in expected {
        for (found, expected) in column(&h, name).into_iter().zip(values) {
            assert!((found - expected).abs() < 1e-12 || (found.is_nan() && expected.is_nan()), "{name}: {found}");
        }
    }
}

#[test]
fn the_offset_shifts_magnitudes_and_the_band_names_the_columns() {
    let image = band_image();
    let run = |vega_offset| {
        let stage =
            IsophotalPhotometry { band: Some("Ks".to_owned()), vega_offset: VegaOffset::Same(vega_offset), ..stage() };
        let harness = Harness::new(stage).input("table", objects(vec![0])).input("isophotes", isophotes());
        harness.input("image", image.clone())
    };
    for name in ["mag_Ks", "sb_Ks", "peak_sb_Ks"] {
        assert!((column(&run(0.7), name)[0] - column(&run(0.0), name)[0] - 0.7).abs() < 1e-12);
    }
    // Without noise map there are no errors, without residual no residual magnitude.
    assert!(column(&run(0.0), "mag_err_Ks")[0].is_nan());
    assert!(run(0.0).run().unwrap().get::<Table>("table").floats("mag_residual").is_err());
}

#[test]
fn pixels_without_value_are_missing_and_said() {
    let mut image = band_image();
    image.pixels[[3, 3]] = f32::NAN;
    let mut mask = Array2::zeros((12, 20));
    mask[[2, 2]] = MaskBits::BAD;
    mask[[5, 5]] = MaskBits::CORE;
    image.mask = Some(mask);
    let harness = Harness::new(stage()).input("table", objects(vec![0])).input("isophotes", isophotes());
    let outcome = harness.input("image", image).run().unwrap();
    assert_eq!(outcome.get::<Table>("table").floats("flux_r").unwrap(), [112.0 - 6.0 - 4.0]);
    assert!(outcome.warnings.iter().any(|w| w.starts_with("1 of 1 objects")), "{:?}", outcome.warnings);
    let light =
        light_inside(&isophotes().contours[0].vertices, Array2::from_elem((12, 20), f32::NAN).view(), None, None);
    assert!(light.flux.is_nan() && light.peak.is_nan() && light.n_missing == 16);
}

#[test]
fn missing_facts_give_nan_and_a_warning() {
    let image = Image { meta: Default::default(), ..band_image() };
    let stage = IsophotalPhotometry { band: Some("r".to_owned()), ..IsophotalPhotometry::default() };
    let harness = Harness::new(stage).input("table", objects(vec![0])).input("isophotes", isophotes());
    let outcome = harness.clone().input("image", image.clone()).run().unwrap();
    assert!(outcome.get::<Table>("table").floats("sb_r").unwrap()[0].is_nan());
    assert_eq!(outcome.warnings.len(), 2);
    let nameless = Harness::new(IsophotalPhotometry::default())
        .input("table", objects(vec![0]))
        .input("isophotes", isophotes())
        .input("image", image);
    assert!(nameless.run().unwrap_err().message.contains("band"));
}

#[test]
fn an_id_without_contour_is_an_error_that_names_the_row() {
    for bad in [2, -1] {
        let harness = Harness::new(stage()).input("table", objects(vec![0, bad])).input("isophotes", isophotes());
        let error = harness.input("image", band_image()).run().unwrap_err();
        assert!(error.message.contains("row 1"), "{}", error.message);
    }
}

#[test]
fn an_empty_table_gains_the_columns() {
    let harness = Harness::new(stage()).input("table", objects(vec![])).input("isophotes", isophotes());
    let table = harness.input("image", band_image()).run().unwrap().get::<Table>("table");
    assert_eq!((table.n_rows(), table.column_names().len()), (0, 3 + 6));
}

#[test]
fn columns_are_inferred_and_missing_or_doubled_ones_are_reported() {
    let infer = |names: &[&str]| {
        let columns = Some(names.iter().map(|n| ((*n).to_owned(), ColumnKind::Float)).collect());
        let mut inputs = Facets::new();
        inputs.add("table", "meas.table", TableFacet { columns }.to_facet());
        inputs.add("image", "sky.image", skyloom_engine::Facet::new());
        let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
        IsophotalPhotometry { band: Some("r".to_owned()), ..stage() }.infer(&inputs, &mut outputs, &mut problems);
        let columns = TableFacet::from_facet(&outputs.get("table")).columns.unwrap();
        (columns.into_iter().map(|c| c.0).collect::<Vec<_>>(), problems.into_list().len())
    };
    let (names, problems) = infer(&["id", "x_light", "y_light"]);
    assert_eq!(names[3..], ["flux_r", "flux_err_r", "mag_r", "mag_err_r", "sb_r", "peak_sb_r"]);
    assert_eq!(problems, 0);
    assert_eq!(infer(&["id", "mag_r"]).1, 3);
}

#[test]
fn parameters_are_checked() {
    let mut problems = Problems::new();
    let bad = IsophotalPhotometry {
        band: Some(" ".to_owned()),
        bands: vec!["r".to_owned()],
        vega_offset: VegaOffset::ByBand([("r".to_owned(), f64::NAN)].into()),
        pixel_scale_arcsec: Some(0.0),
        ..stage()
    };
    bad.check(&mut problems);
    assert_eq!(problems.list().len(), 4);
}

fn of_band(band: &str, factor: f32) -> Image {
    let mut image = band_image();
    image.pixels.mapv_inplace(|v| v * factor);
    image.meta.band = Some(band.to_owned());
    image
}

fn three_bands() -> Harness {
    let stage = IsophotalPhotometry {
        vega_offset: VegaOffset::ByBand([("J".to_owned(), 0.5), ("Ks".to_owned(), -0.25)].into()),
        ..stage()
    };
    // The noise maps come in another order, and Y has none.
    Harness::new(stage)
        .input("table", objects(vec![1, 0]))
        .input("isophotes", isophotes())
        .input("image", of_band("Ks", 1.0))
        .input("image", of_band("J", 2.0))
        .input("image", of_band("Y", 3.0))
        .input("noise", of_band("J", 0.0).with_pixels(Array2::from_elem((12, 20), 5.0)))
        .input("noise", of_band("Ks", 0.0).with_pixels(Array2::from_elem((12, 20), 3.0)))
        .input("residual", of_band("Ks", 1.0))
}

#[test]
fn several_bands_have_their_own_columns_noise_and_offset() {
    let h = three_bands();
    for (name, expected) in
        [("flux_Ks", 320.0), ("flux_J", 640.0), ("flux_Y", 960.0), ("flux_err_Ks", 12.0), ("flux_err_J", 20.0)]
    {
        assert_eq!(column(&h, name)[0], expected, "{name}");
    }
    assert!(column(&h, "flux_err_Y")[0].is_nan());
    let mag = |flux: f64| 22.5 - 2.5 * libm::log10(flux / 10.0);
    for (name, expected) in [
        ("mag_Ks", mag(320.0) - 0.25),
        ("mag_J", mag(640.0) + 0.5),
        ("mag_Y", mag(960.0)),
        ("mag_residual", mag(320.0) - 0.25),
    ] {
        assert!((column(&h, name)[0] - expected).abs() < 1e-12, "{name}");
    }
    // A single band of the three gives the same numbers.
    let one = Harness::new(stage()).input("table", objects(vec![1, 0])).input("isophotes", isophotes());
    assert_eq!(column(&one.input("image", of_band("J", 2.0)), "flux_J"), column(&h, "flux_J"));
}

#[test]
fn a_band_that_is_switched_off_falls_away_and_no_band_leaves_the_table_as_it_is() {
    let base = || Harness::new(stage()).input("table", objects(vec![0])).input("isophotes", isophotes());
    let table = base()
        .input("image", of_band("Ks", 1.0))
        .input("image", of_band("Y", 1.0))
        .run()
        .unwrap()
        .get::<Table>("table");
    assert_eq!(table.column_names().len(), 3 + 12);
    assert!(!table.has_column("mag_J"));
    assert_eq!(base().run().unwrap().get::<Table>("table").column_names().len(), 3);
    let twice = base().input("image", of_band("Ks", 1.0)).input("image", of_band("Ks", 1.0)).run().unwrap_err();
    assert!(twice.message.contains("two images of the band \"Ks\""), "{}", twice.message);
}

#[test]
fn the_columns_of_all_bands_are_known_before_the_run() {
    let facet = |band: &str| {
        let band = Some(band.to_owned());
        skyloom_data::facets::ImageFacet { width: Some(20), height: Some(12), band, ..Default::default() }.to_facet()
    };
    let infer = |bands: &[&str], noise: &[&str]| {
        let columns = Some(["id", "x_light", "y_light"].map(|n| (n.to_owned(), ColumnKind::Float)).to_vec());
        let mut inputs = Facets::new();
        inputs.add("table", "meas.table", TableFacet { columns }.to_facet());
        bands.iter().for_each(|band| inputs.add("image", "sky.image", facet(band)));
        noise.iter().for_each(|band| inputs.add("noise", "sky.noise", facet(band)));
        let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
        stage().infer(&inputs, &mut outputs, &mut problems);
        let columns = TableFacet::from_facet(&outputs.get("table")).columns.unwrap_or_default();
        (columns.into_iter().map(|c| c.0).collect::<Vec<_>>(), problems.into_list().len())
    };
    let (names, n) = infer(&["Ks", "J"], &["J", "Ks"]);
    assert_eq!((names.len(), n), (15, 0));
    assert_eq!((names[5].as_str(), names[11].as_str()), ("mag_Ks", "mag_J"));
    assert_eq!(infer(&["Ks", "Ks"], &[]).1, 1);
    assert_eq!(infer(&["Ks", "J"], &["H"]).1, 1);
}

#[test]
fn filling_gives_values_to_rows_that_have_none_and_leaves_the_others() {
    let first = harness().run().unwrap().get::<Table>("table");
    // As after contour.hierarchy: a row more, without photometry.
    let longer = Table::stack(&[&first.take(&[0]).unwrap(), &objects(vec![0])]).unwrap();
    let refill = |fill: bool, offset: f64| {
        let image = band_image();
        Harness::new(IsophotalPhotometry { fill, vega_offset: VegaOffset::Same(offset), ..stage() })
            .input("table", longer.clone())
            .input("isophotes", isophotes())
            .input("residual", image.with_pixels(image.pixels.mapv(|v| v - 10.0)))
            .input("image", image)
            .run()
    };
    let filled = refill(true, 0.5).unwrap().get::<Table>("table");
    assert_eq!(filled.column_names(), first.column_names());
    for (name, offset) in [("flux_r", 0.0), ("mag_r", 0.5), ("peak_sb_r", 0.5), ("mag_residual", 0.5)] {
        let (old, new) = (first.floats(name).unwrap(), filled.floats(name).unwrap());
        // Residual fluxes of the second object are negative: NaN is a value too.
        let expected = old[1] + offset;
        assert!(new[0] == old[0] && (new[1] == expected || (new[1].is_nan() && expected.is_nan())), "{name}: {new:?}");
    }
    assert!(refill(false, 0.0).unwrap_err().message.contains("flux_r"));
    let taken = crate::rules::expression::column_kinds(&longer);
    let count = |fill: bool| {
        let mut inputs = Facets::new();
        inputs.add("table", "t.table", TableFacet { columns: Some(taken.clone()) }.to_facet());
        inputs.add("image", "i.image", skyloom_data::facets::ImageFacet::default().to_facet());
        inputs.add("residual", "r.image", skyloom_data::facets::ImageFacet::default().to_facet());
        let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
        IsophotalPhotometry { fill, band: Some("r".to_owned()), ..stage() }.infer(&inputs, &mut outputs, &mut problems);
        (problems.list().len(), TableFacet::from_facet(&outputs.get("table")).columns.unwrap().len())
    };
    assert_eq!((count(true), count(false)), ((0, taken.len()), (7, taken.len())));
}

/// A tangential projection with pixels of 0.4 arcsec.
fn sky() -> Wcs {
    let mut header = Header::new();
    for (key, value) in [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")] {
        header.set(key, CardValue::Text(value.to_owned()));
    }
    let scale = 0.4 / 3600.0;
    for (key, value) in [("CRPIX1", 10.0), ("CRPIX2", 6.0), ("CRVAL1", 323.0), ("CRVAL2", -0.8)] {
        header.set(key, CardValue::Float(value));
    }
    for (key, value) in [("CD1_1", -scale), ("CD1_2", 0.0), ("CD2_1", 0.0), ("CD2_2", scale)] {
        header.set(key, CardValue::Float(value));
    }
    Wcs::from_header(&header).unwrap().unwrap()
}

/// Two bands of one sky; the second is cut so that its pixel (0, 0) lies at `(dx, dy)` of the first.
fn shifted(dx: f64, dy: f64) -> (Table, Vec<String>) {
    let first = Image { wcs: Some(sky()), ..band_image() };
    let mut second =
        first.with_pixels(Array2::from_shape_fn((12, 20), |(y, x)| (x as f64 + dx + y as f64 + dy) as f32));
    second.wcs = Some(sky().cutout(dx, dy));
    second.meta.band = Some("g".to_owned());
    let outcome = Harness::new(IsophotalPhotometry::default())
        .input("table", objects(vec![1, 0]))
        .input("isophotes", isophotes())
        .input("image", first)
        .input("image", second)
        .run()
        .unwrap();
    ((*outcome.get::<Table>("table")).clone(), outcome.warnings)
}

#[test]
fn contours_follow_the_sky_to_bands_with_other_pixels() {
    let (table, warnings) = shifted(1.0, -2.0);
    let (r, g) = (table.floats("flux_r").unwrap(), table.floats("flux_g").unwrap());
    assert_eq!(r, [16.0 * 20.0, 16.0 * 7.0]);
    // Both squares still lie on the second image, whose pixels have the same values at the same place of the sky.
    assert_eq!(g, r);
    assert!(warnings.is_empty(), "{warnings:?}");
    // Less than a hundredth of a pixel is no shift.
    assert_eq!(shifted(0.005, 0.0).0.floats("flux_r").unwrap(), r);
}

#[test]
fn what_lies_beyond_the_other_band_is_missing_and_said() {
    let (table, warnings) = shifted(3.0, 0.0);
    let (r, g) = (table.floats("flux_r").unwrap(), table.floats("flux_g").unwrap());
    assert_eq!(g[0], r[0]);
    // Column 2 of the square at columns 2..6 is gone: rows 2..6 of it held 4 + 5 + 6 + 7.
    assert_eq!(g[1], r[1] - 22.0);
    assert!(warnings.iter().any(|w| w.starts_with("1 of 2 objects")), "{warnings:?}");
    let (table, _) = shifted(100.0, 0.0);
    assert!(table.floats("mag_g").unwrap().iter().all(|m| m.is_nan()));
}

determinism_test!(photometry_of_several_bands_is_deterministic, three_bands());
determinism_test!(photometry_is_deterministic, harness());
golden_test!(photometry_keeps_its_result, harness(), version: 4, digest: "0cd532cfccf9");
