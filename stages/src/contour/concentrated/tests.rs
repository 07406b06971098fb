//! Tests of the walk and of the stage.

use ndarray::Array2;
use skyloom_data::facets::TableFacet;
use skyloom_data::{Image, Isophotes, MaskBits, Table, TableBuilder};
use skyloom_engine::{CancelToken, ErrorClass, Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, Outcome, determinism_test, golden_test};

use super::*;
use crate::measure::evidence::made_scene::{MadeScene, gaussian_star};
use crate::measure::polygon;

fn stage() -> Concentrated {
    Concentrated { fwhm_px: Some(2.6), edge_distance_px: 10.0, mag_limit: Some(24.0), ..Concentrated::default() }
}

fn harness(stage: Concentrated, image: Image) -> Harness {
    let noise = Image::from_pixels(Array2::ones(image.pixels.dim()));
    Harness::new(stage).input("image", image).input("noise", noise)
}

/// Light centres of what was found, in order of id.
fn found(outcome: &Outcome) -> Vec<[f64; 2]> {
    let table = outcome.get::<Table>("table");
    table.floats("x_light").unwrap().into_iter().zip(table.floats("y_light").unwrap()).map(|(x, y)| [x, y]).collect()
}

fn run(stage: Concentrated, image: Image) -> Vec<[f64; 2]> {
    found(&harness(stage, image).run().unwrap())
}

fn is_near(found: &[f64; 2], x: f64, y: f64, tolerance: f64) -> bool {
    libm::hypot(found[0] - x, found[1] - y) < tolerance
}

#[test]
fn a_cluster_in_the_open_is_found_once_with_its_pixels_inside_the_contour() {
    let scene = MadeScene::new(160, 140).cluster(70.0, 60.0, 5.0, 200);
    let outcome = harness(stage(), scene.image()).run().unwrap();
    let centres = found(&outcome);
    assert_eq!(centres.len(), 1, "{centres:?}");
    assert!(is_near(&centres[0], 70.0, 60.0, 1.5), "{centres:?}");
    let table = outcome.get::<Table>("table");
    let isophotes = outcome.get::<Isophotes>("isophotes");
    assert_eq!((table.ints("id").unwrap(), isophotes.contours.len()), (vec![Some(0)], 1));
    assert!(table.floats("r_geo").unwrap()[0] / table.floats("r_light").unwrap()[0] > 1.7);
    let spans = polygon::spans(&isophotes.contours[0].vertices, 160, 140);
    assert_eq!(polygon::pixels(&spans).count() as i64, table.ints("n_pixels").unwrap()[0].unwrap());
}

#[test]
fn a_cluster_in_a_flat_nebula_is_found_above_it_and_the_nebula_is_not() {
    // A disc of 40 px radius and 12 sigma, which is not concentrated; its own contour would hold the cluster.
    let nebula = |x: f64, y: f64| if libm::hypot(x - 100.0, y - 90.0) < 40.0 { 12.0 } else { 0.0 };
    let empty = MadeScene::new(220, 200).add(nebula);
    assert_eq!(run(stage(), empty.image()), Vec::<[f64; 2]>::new());
    let centres = run(stage(), MadeScene::new(220, 200).add(nebula).cluster(112.0, 80.0, 4.0, 300).image());
    assert_eq!(centres.len(), 1, "{centres:?}");
    assert!(is_near(&centres[0], 112.0, 80.0, 1.5), "{centres:?}");
}

#[test]
fn a_large_smooth_shell_is_climbed_and_gives_nothing() {
    let blob = |x: f64, y: f64| 30.0 * libm::exp(-0.5 * ((x - 100.0).powi(2) + (y - 100.0).powi(2)) / (14.0 * 14.0));
    let wide = Concentrated { noise_box_px: 512, ..stage() };
    assert_eq!(run(wide.clone(), MadeScene::new(200, 200).add(blob).image()), Vec::<[f64; 2]>::new());
    // The same light with the condition off is an object.
    let any = Concentrated { smooth_r_light_px: 1e3, ..wide };
    assert_eq!(run(any, MadeScene::new(200, 200).add(blob).image()).len(), 1);
}

#[test]
fn fainter_objects_and_those_at_the_edge_are_left_out() {
    let scene = MadeScene::new(160, 140).cluster(70.0, 60.0, 5.0, 200);
    let flux = 25.0 - 2.5 * libm::log10(200.0 * 60.0);
    let limit = |mag: f64| Concentrated { mag_limit: Some(mag), ..stage() };
    assert_eq!(run(limit(flux - 0.5), scene.image()).len(), 0);
    assert_eq!(run(limit(flux + 0.8), scene.image()).len(), 1);
    assert_eq!(run(Concentrated { edge_distance_px: 69.0, ..stage() }, scene.image()).len(), 0);
}

#[test]
fn without_a_zero_point_the_magnitude_limit_limits_nothing_and_says_so() {
    let mut image = MadeScene::new(60, 60).image();
    image.meta.zero_point = None;
    let outcome = harness(stage(), image).run().unwrap();
    assert!(outcome.warnings.iter().any(|w| w.contains("zero point")), "{:?}", outcome.warnings);
}

#[test]
fn pixels_around_saturated_ones_and_under_subtracted_stars_are_noise() {
    let scene = MadeScene::new(120, 120).add(|x, y| 400.0 * gaussian_star(x - 60.0, y - 60.0, 2.0));
    assert_eq!(run(stage(), scene.image()).len(), 1);
    let mut image = scene.image();
    let mut mask = Array2::zeros((120, 120));
    for (y, x) in [(60, 60), (60, 61), (58, 59), (58, 60), (62, 60), (62, 61)] {
        mask[[y, x]] = MaskBits::BAD;
    }
    image.mask = Some(mask);
    let guarded = Concentrated { guard_px: 6, ..stage() };
    assert_eq!(run(guarded, image).len(), 0);
    let star = MadeScene::new(120, 120).add(|x, y| 4e5 * gaussian_star(x - 60.0, y - 60.0, 2.0));
    let outcome = harness(stage(), scene.image())
        .input("with_stars", star.image())
        .input("residual", MadeScene::new(120, 120).image())
        .run()
        .unwrap();
    assert_eq!(found(&outcome).len(), 0);
}

#[test]
fn an_overdensity_of_stars_can_be_demanded() {
    let scene = MadeScene::new(160, 140).cluster(70.0, 60.0, 5.0, 200);
    let demanding = Concentrated { min_overdensity_sigma: Some(4.0), ..stage() };
    let crowded = scene.star_table();
    let run = |table: Table| harness(demanding.clone(), scene.image()).input("stars", table).run().unwrap();
    assert_eq!(found(&run(crowded.clone())).len(), 1);
    assert_eq!(found(&run(crowded.take(&[]).unwrap())).len(), 0);
    let error = harness(demanding.clone(), scene.image()).run().unwrap_err();
    assert!(error.message.contains("min_overdensity_sigma"), "{error}");
}

#[test]
fn pixels_without_value_hurt_nobody() {
    let mut image = MadeScene::new(160, 140).cluster(70.0, 60.0, 5.0, 200).image();
    image.pixels[[60, 71]] = f32::NAN;
    image.pixels[[10, 10]] = f32::INFINITY;
    let centres = run(stage(), image.clone());
    assert!(centres.len() == 1 && is_near(&centres[0], 70.0, 60.0, 1.5), "{centres:?}");
    image.pixels.fill(f32::NAN);
    assert_eq!(harness(stage(), image).run().unwrap_err().class, ErrorClass::Data);
    for shape in [(0, 5), (1, 1)] {
        let mut image = Image::from_pixels(Array2::zeros(shape));
        image.meta.zero_point = Some(25.0);
        assert_eq!(harness(stage(), image).run().unwrap_err().class, ErrorClass::Data);
    }
}

#[test]
fn the_table_holds_the_inferred_columns_even_without_rows() {
    let outcome = harness(stage(), MadeScene::new(100, 90).image()).run().unwrap();
    let table = outcome.get::<Table>("table");
    assert_eq!((table.n_rows(), outcome.get::<Isophotes>("isophotes").width), (0, 100));
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    stage().infer(&Facets::new(), &mut outputs, &mut problems);
    let inferred = TableFacet::from_facet(&outputs.get("table")).columns.unwrap();
    assert_eq!(table.column_names(), inferred.iter().map(|c| c.0.clone()).collect::<Vec<_>>());
}

#[test]
fn bad_parameters_are_all_reported() {
    let bad = Concentrated {
        levels_sigma: vec![3.0, 3.0],
        smooth_px: f64::NAN,
        noise_box_px: 1,
        noise_floor: 2.0,
        star_noise: -0.1,
        guard_px: 1000,
        guard_min_pixels: 0,
        min_area: 0,
        max_area: 0,
        min_concentration: f64::NAN,
        mag_limit: Some(f64::INFINITY),
        edge_distance_px: -1.0,
        smooth_r_light_px: f64::NAN,
        smooth_chi2: -1.0,
        min_overdensity_sigma: Some(f64::NAN),
        overdensity_mag: f64::NAN,
        fwhm_px: Some(0.0),
        sample: String::new(),
    };
    let mut problems = Problems::new();
    bad.check(&mut problems);
    assert_eq!(problems.list().len(), 17, "{problems:?}");
    let mut none = Problems::new();
    Concentrated::default().check(&mut none);
    assert!(none.is_empty());
}

fn example() -> Harness {
    let scene = MadeScene::new(160, 140)
        .cluster(50.0, 60.0, 4.0, 150)
        .cluster(110.0, 80.0, 6.0, 300)
        .add(|x, y| if libm::hypot(x - 100.0, y - 80.0) < 30.0 { 10.0 } else { 0.0 });
    let noise = TableBuilder::new().float("x", "", "", vec![1.0]).float("y", "", "", vec![1.0]);
    let stars = noise.float("mag", "", "", vec![15.0]).build().unwrap();
    harness(stage(), scene.image()).input("stars", stars)
}

determinism_test!(concentrated_is_deterministic, example());
golden_test!(concentrated_keeps_its_result, example(), version: 1, digest: "5deb082f12b0");

#[test]
fn a_pulled_token_stops_the_work() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(example().cancel(token).run().unwrap_err().class, ErrorClass::Cancelled);
}
