//! Tests of the evidence on made objects.

use ndarray::Array2;
use skyloom_data::facets::TableFacet;
use skyloom_data::{Image, Isophote, Isophotes, MaskBits, Table, TableBuilder};
use skyloom_engine::{CancelToken, ErrorClass, Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::made_scene::MadeScene;
use super::*;

fn circle(x: f64, y: f64, radius: f64) -> Isophote {
    let vertex = |i: usize| {
        let angle = 2.0 * std::f64::consts::PI * (i % 48) as f64 / 48.0;
        [x + radius * libm::cos(angle), y + radius * libm::sin(angle)]
    };
    Isophote { level_sigma: 3.0, parent: None, vertices: (0..=48).map(vertex).collect() }
}

fn objects(isophotes: &Isophotes, r_light: f64) -> Table {
    let n = isophotes.contours.len();
    TableBuilder::new()
        .int("id", "", "", (0..n as i64).collect())
        .float(
            "r_geo",
            "pix",
            "",
            isophotes.contours.iter().map(|c| (c.signed_area() / std::f64::consts::PI).sqrt()).collect(),
        )
        .float("r_light", "pix", "", vec![r_light; n])
        .build()
        .unwrap()
}

fn harness_of(scene: &MadeScene, circles: &[(f64, f64, f64)]) -> Harness {
    let image = scene.image();
    let contours = circles.iter().map(|&(x, y, r)| circle(x, y, r)).collect();
    let isophotes = Isophotes { width: image.width(), height: image.height(), contours };
    let noise = Image::from_pixels(Array2::ones(image.pixels.dim()));
    Harness::new(MeasureEvidence::default())
        .input("table", objects(&isophotes, 3.0))
        .input("isophotes", isophotes)
        .input("image", image)
        .input("noise", noise)
        .input("psf", scene.psf())
}

fn table(harness: &Harness) -> Table {
    (*harness.run().unwrap().get::<Table>("table")).clone()
}

fn column(harness: &Harness, name: &str) -> Vec<f64> {
    table(harness).floats(name).unwrap()
}

/// A single star, a blend of two, a compact cluster.
fn compact() -> (MadeScene, [(f64, f64, f64); 3]) {
    let scene = MadeScene::new(180, 60)
        .star(30.3, 30.1, 3000.0)
        .star(78.6, 29.7, 3000.0)
        .star(81.9, 30.8, 2000.0)
        .cluster(140.0, 30.0, 2.0, 60);
    (scene, [(30.0, 30.0, 6.0), (80.0, 30.0, 7.0), (140.0, 30.0, 8.0)])
}

#[test]
fn stars_and_blends_of_two_are_explained_by_the_psf_and_clusters_are_not() {
    let (scene, circles) = compact();
    let misfit = column(&harness_of(&scene, &circles), "psf_misfit");
    assert!(misfit[0] < 0.05 && misfit[1] < 0.08, "{misfit:?}");
    assert!(misfit[2] > 0.15, "{misfit:?}");
}

#[test]
fn a_galaxy_is_smooth_and_a_cluster_of_stars_is_not() {
    let galaxy = |x: f64, y: f64| {
        let q = ((x - 40.0) / 5.0).powi(2) + ((y - 40.0) / 3.0).powi(2);
        150.0 * libm::pow(1.0 + q, -2.0)
    };
    let scene = MadeScene::new(140, 80).add(galaxy).cluster(100.0, 40.0, 5.0, 200);
    let chi2 = column(&harness_of(&scene, &[(40.0, 40.0, 9.0), (100.0, 40.0, 9.0)]), "smooth_chi2");
    assert!(chi2[0] > 0.7 && chi2[0] < 1.3, "{chi2:?}");
    assert!(chi2[1] > 2.0, "{chi2:?}");
}

#[test]
fn a_star_on_a_galaxy_counts_fully_in_the_misfit() {
    let galaxy = |x: f64, y: f64| {
        let q = ((x - 40.0).powi(2) + (y - 40.0).powi(2)) / 25.0;
        100.0 * libm::pow(1.0 + q, -2.0)
    };
    let scene = MadeScene::new(80, 80).add(galaxy).star(46.0, 40.0, 150.0);
    let chi2 = column(&harness_of(&scene, &[(40.0, 40.0, 9.0)]), "smooth_chi2");
    // The star alone, squared, over the pixels of the fit: 3.3; a model that bends to it would hide a part.
    assert!(chi2[0] > 2.5 && chi2[0] < 4.5, "{chi2:?}");
}

#[test]
fn light_of_subtracted_stars_is_compared_with_what_is_left() {
    let (scene, circles) = compact();
    let with = MadeScene::new(180, 60).star(30.0, 30.0, 12_000.0);
    let without = MadeScene::new(180, 60);
    let harness = harness_of(&scene, &circles).input("with_stars", with.image()).input("residual", without.image());
    let ratio = column(&harness, "star_light_ratio");
    assert!((ratio[0] - 4.0).abs() < 0.3 && ratio[1].abs() < 0.01, "{ratio:?}");
    assert!(column(&harness_of(&scene, &circles), "star_light_ratio").iter().all(|v| v.is_nan()));
}

fn catalogue() -> Table {
    TableBuilder::new()
        .float("x", "px", "", vec![140.0, 141.0, 139.0, 30.0])
        .float("y", "px", "", vec![30.0, 31.0, 29.0, 30.0])
        .float("mag", "mag", "", vec![17.0, 17.5, 18.0, 16.0])
        .float("prob", "", "", vec![0.1, 0.9, 0.9, f64::NAN])
        .float("mag_J", "mag", "", vec![18.2, 18.0, 18.5, 16.5])
        .build()
        .unwrap()
}

#[test]
fn the_catalogue_tells_entries_the_brightest_extended_one_and_its_colour() {
    let (scene, circles) = compact();
    let mut harness = harness_of(&scene, &circles).input("stars", catalogue());
    let found = table(&harness);
    assert_eq!(found.ints("n_catalogue").unwrap(), [Some(1), Some(0), Some(3)]);
    let share = found.floats("extended_fraction").unwrap();
    let expected = libm::exp10(0.4 * (25.0 - 17.0)) / found.floats("flux_left").unwrap()[2];
    assert!(share[0] == 0.0 && (share[2] - expected).abs() < 1e-9, "{share:?}");
    assert!(found.floats("extended_colour").unwrap()[2].is_nan());
    assert!(found.floats("overdensity_sigma").unwrap()[2] > 2.9);
    let stage = MeasureEvidence { colour_band: Some("J".to_owned()), ..MeasureEvidence::default() };
    harness = rebuilt(stage, &scene, &circles).input("stars", catalogue());
    assert!((column(&harness, "extended_colour")[2] - 1.2).abs() < 1e-9);
    let stage = MeasureEvidence { colour_band: Some("H".to_owned()), ..MeasureEvidence::default() };
    let outcome = rebuilt(stage, &scene, &circles).input("stars", catalogue()).run().unwrap();
    assert!(outcome.warnings.iter().any(|w| w.contains("mag_H")));
    // Without a catalogue nothing is known, and rules that ask are false.
    let none = table(&harness_of(&scene, &circles));
    assert_eq!(none.ints("n_catalogue").unwrap(), [None; 3]);
    assert!(none.floats("extended_fraction").unwrap().iter().all(|v| v.is_nan()));
}

fn rebuilt(stage: MeasureEvidence, scene: &MadeScene, circles: &[(f64, f64, f64)]) -> Harness {
    let image = scene.image();
    let contours = circles.iter().map(|&(x, y, r)| circle(x, y, r)).collect();
    let isophotes = Isophotes { width: image.width(), height: image.height(), contours };
    let noise = Image::from_pixels(Array2::ones(image.pixels.dim()));
    Harness::new(stage)
        .input("table", objects(&isophotes, 3.0))
        .input("isophotes", isophotes)
        .input("image", image)
        .input("noise", noise)
}

#[test]
fn bad_pixels_near_the_peak_are_counted_and_hurt_no_fit() {
    let (scene, circles) = compact();
    let mut image = scene.image();
    let mut mask = Array2::zeros(image.pixels.dim());
    mask[[31, 31]] = MaskBits::SATURATED;
    image.pixels[[28, 30]] = f32::NAN;
    image.pixels[[31, 31]] = 1e9;
    image.mask = Some(mask);
    let isophotes =
        Isophotes { width: 180, height: 60, contours: circles.iter().map(|&(x, y, r)| circle(x, y, r)).collect() };
    let harness = Harness::new(MeasureEvidence::default())
        .input("table", objects(&isophotes, 3.0))
        .input("isophotes", isophotes)
        .input("image", image)
        .input("noise", Image::from_pixels(Array2::ones((60, 180))))
        .input("psf", scene.psf());
    assert_eq!(table(&harness).ints("n_bad_near_peak").unwrap(), [Some(2), Some(0), Some(0)]);
    let misfit = column(&harness, "psf_misfit");
    assert!(misfit[0] < 0.05, "{misfit:?}");
}

#[test]
fn objects_without_light_or_at_the_edge_are_rows_with_unknown_values() {
    let dark = MadeScene::new(60, 50).add(|_, _| -100.0);
    let harness = harness_of(&dark, &[(30.0, 25.0, 5.0), (2.0, 2.0, 4.0)]);
    let found = table(&harness);
    assert!(found.floats("flux_left").unwrap().iter().all(|v| v.is_nan()));
    let bright = MadeScene::new(60, 50).star(2.0, 2.0, 500.0);
    let found = table(&harness_of(&bright, &[(2.0, 2.0, 4.0)]));
    assert!(found.floats("psf_misfit").unwrap()[0].is_nan() && found.floats("smooth_chi2").unwrap()[0].is_nan());
    assert!(found.floats("flux_left").unwrap()[0] > 300.0);
    let magnitude = found.floats("mag_left").unwrap()[0];
    assert!((magnitude - (25.0 - 2.5 * libm::log10(found.floats("flux_left").unwrap()[0]))).abs() < 1e-9);
}

#[test]
fn no_objects_give_no_rows_with_the_inferred_columns() {
    for shape in [(1, 1), (0, 3), (40, 40)] {
        let mut image = Image::from_pixels(Array2::zeros(shape));
        image.meta.zero_point = Some(25.0);
        let isophotes = Isophotes { width: shape.1, height: shape.0, contours: Vec::new() };
        let input = objects(&isophotes, 3.0);
        let harness = Harness::new(MeasureEvidence::default())
            .input("table", input.clone())
            .input("isophotes", isophotes)
            .input("noise", image.clone())
            .input("image", image);
        let found = table(&harness);
        let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
        let kinds = ["id", "r_geo", "r_light"].map(|n| (n.to_owned(), skyloom_data::facets::ColumnKind::Float));
        let mut inputs = Facets::new();
        inputs.add("table", "test.table", TableFacet { columns: Some(kinds.to_vec()) }.to_facet());
        MeasureEvidence::default().infer(&inputs, &mut outputs, &mut problems);
        let inferred = TableFacet::from_facet(&outputs.get("table")).columns.unwrap();
        assert_eq!(found.column_names(), inferred.iter().map(|c| c.0.clone()).collect::<Vec<_>>());
        assert_eq!(found.n_rows(), 0);
    }
}

#[test]
fn half_of_the_star_light_is_a_mistake_before_the_run() {
    let mut inputs = Facets::new();
    inputs.add("with_stars", "test.image", skyloom_engine::Facet::new());
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    MeasureEvidence::default().infer(&inputs, &mut outputs, &mut problems);
    assert_eq!(problems.list().len(), 1, "{problems:?}");
}

#[test]
fn bad_parameters_are_all_reported() {
    let bad = MeasureEvidence {
        peak_smooth_px: f64::NAN,
        psf_max_r_light_px: -1.0,
        bad_reach_px: 1000,
        min_prob: 2.0,
        max_sharp: f64::NAN,
        colour_band: None,
        overdensity_mag: f64::INFINITY,
    };
    let mut problems = Problems::new();
    bad.check(&mut problems);
    assert_eq!(problems.list().len(), 6, "{problems:?}");
}

fn example() -> Harness {
    let (scene, circles) = compact();
    harness_of(&scene, &circles).input("stars", catalogue())
}

determinism_test!(evidence_is_deterministic, example());
golden_test!(evidence_keeps_its_result, example(), version: 3, digest: "ad0756782892");

#[test]
fn a_pulled_token_stops_the_work() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(example().cancel(token).run().unwrap_err().class, ErrorClass::Cancelled);
}
