//! Behaviour of the selection on made stars, and on the simulated scene of the notes.

use ndarray::Array2;
use skyloom_data::{Image, MaskBits, PsfModel, Table, TableBuilder};
use skyloom_engine::{CancelToken, ErrorClass, Facets, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::count::CountScratch;
use super::*;
use crate::contour::{ContourOptions, find_contours};
use crate::psf::made_sky::{SHAPE, Star, add_stars, grid_sky, noise_at, star_table};

fn harness(stage: SelectIsolated, image: Image, noise: Image, stars: Table) -> Harness {
    Harness::new(stage).input("image", image).input("noise", noise).input("stars", stars)
}

fn metric(outcome: &skyloom_testkit::Outcome, name: &str) -> f64 {
    outcome.metrics.iter().find(|m| m.0 == name).unwrap_or_else(|| panic!("no metric {name}")).1
}

fn ids(table: &Table) -> Vec<i64> {
    table.ints("id").expect("a column").into_iter().flatten().collect()
}

#[test]
fn counting_contours_equals_tracing_them() {
    let options = ContourOptions { drop_holes: true, ..ContourOptions::default() };
    let mut scratch = CountScratch::default();
    for case in 0..200 {
        let (width, height) = (2 + case % 11, 2 + case % 7);
        // Single pixels, rough fields with saddles and holes, and smooth fields with few islands.
        let rough = |y: usize, x: usize| noise_at(case * 997 + y * width + x);
        let values = Array2::from_shape_fn((height, width), |(y, x)| match case % 3 {
            0 => rough(y, x),
            1 => rough(y, x).signum() * (1.0 + 0.01 * rough(y, x)),
            _ => libm::sin(0.9 * x as f64 + 0.1 * case as f64) + libm::cos(1.1 * y as f64) + 0.1 * rough(y, x),
        });
        for level in [-1.5, -0.7, 0.0, 0.4, 1.2, 9.0] {
            let traced = find_contours(values.view(), level, None, &options).len();
            for limit in [0, 1, 1000] {
                let counted = count_contours(values.view(), level, limit, &mut scratch);
                assert_eq!(counted, traced.min(limit + 1), "case {case}, level {level}, limit {limit}");
            }
        }
    }
    assert_eq!(count_contours(Array2::ones((1, 5)).view(), 0.5, 1, &mut scratch), 0);
    assert_eq!(count_contours(Array2::zeros((0, 0)).view(), 0.5, 1, &mut scratch), 0);
}

#[test]
fn stars_alone_are_taken_and_stars_with_company_are_not() {
    let (mut image, noise, mut stars) = grid_sky(200, 200, 50, 300.0);
    // A neighbour of 10 sigma on star 0, one as bright as star 5 beside it, and star 10 half a pixel off its position.
    let extra: [Star; 2] = [(stars[0].0 + 9.0, stars[0].1, 10.0), (stars[5].0 + 3.5, stars[5].1, 300.0)];
    add_stars(&mut image, PsfModel::Compound, &SHAPE, &extra, 20);
    stars[10].0 += 0.5;
    let outcome = harness(SelectIsolated::default(), image, noise, star_table(&stars, 16.0)).run().expect("runs");
    let faint = outcome.get::<Table>("faint");
    let expected: Vec<i64> = (100..116).filter(|i| ![100, 105, 110].contains(i)).collect();
    assert_eq!(ids(&faint), expected);
    assert_eq!(outcome.get::<Table>("bright").n_rows(), 0, "16 mag is in the faint group alone");
    assert_eq!(metric(&outcome, "faint_in_range"), 16.0);
    assert_eq!(metric(&outcome, "faint_rejected_crowded"), 2.0);
    assert_eq!(metric(&outcome, "faint_rejected_off_centre"), 1.0);
    // The contour of 5 sigma on stars of 300 and more: its centroid is good to a few hundredths of a pixel.
    let (x, x_contour) = (faint.floats("x").expect("a column"), faint.floats("x_contour").expect("a column"));
    assert!(x.iter().zip(&x_contour).all(|(a, b)| (a - b).abs() < 0.1));
}

#[test]
fn every_test_has_its_reason() {
    let (mut image, mut noise, stars) = grid_sky(300, 300, 60, 300.0);
    let at = |k: usize| (stars[k].0.round() as usize, stars[k].1.round() as usize);
    let mut mask = Array2::zeros((300, 300));
    mask[[at(1).1, at(1).0 + 5]] = MaskBits::BAD;
    mask[[at(2).1, at(2).0]] = MaskBits::SATURATED;
    image.mask = Some(mask);
    image.pixels[[at(3).1 + 3, at(3).0]] = f32::NAN;
    noise.pixels[[at(4).1, at(4).0 - 4]] = 0.0;
    image.pixels[[at(6).1, at(6).0]] = -50.0;
    let n = stars.len();
    let mut prob = vec![f64::NAN; n];
    let mut sharp = vec![f64::NAN; n];
    (prob[7], sharp[8], sharp[9]) = (0.33, 0.5, -0.6);
    let (mut x, mut mag) = (stars.iter().map(|s| s.0).collect::<Vec<_>>(), vec![16.0; n]);
    x[11] = f64::NAN;
    x[12] = 1e300;
    mag[13] = f64::NAN;
    mag[14] = 18.1;
    // Nothing but sky there.
    x[16] += 30.0;
    let table = TableBuilder::new()
        .float("x", "px", "", x)
        .float("y", "px", "", stars.iter().map(|s| s.1).collect())
        .float("mag", "mag", "", mag)
        .float("prob", "", "", prob)
        .float("sharp", "", "", sharp)
        .build()
        .expect("columns of one length");
    let run = |stage: SelectIsolated| harness(stage, image.clone(), noise.clone(), table.clone()).run().expect("runs");
    let outcome = run(SelectIsolated::default());
    let count = |name: &str| metric(&outcome, &format!("faint_rejected_{name}"));
    assert_eq!((count("prob"), count("sharp"), count("edge"), count("masked")), (1.0, 1.0, 2.0, 3.0));
    assert_eq!((count("saturated"), count("faint"), count("crowded")), (2.0, 1.0, 0.0));
    assert_eq!(metric(&outcome, "faint_in_range"), n as f64 - 2.0);
    assert_eq!(outcome.get::<Table>("faint").n_rows(), n - 12);
    let absolute = run(SelectIsolated { use_absolute_sharp: true, ..SelectIsolated::default() });
    assert_eq!(metric(&absolute, "faint_rejected_sharp"), 2.0);
}

#[test]
fn a_star_of_both_ranges_is_in_both_groups_with_their_own_levels() {
    let (mut image, noise, stars) = grid_sky(200, 200, 100, 400.0);
    // 12 sigma: above the lowest level of the faint group, below that of the bright one.
    add_stars(&mut image, PsfModel::Compound, &SHAPE, &[(stars[0].0 + 11.0, stars[0].1, 12.0)], 20);
    let outcome = harness(SelectIsolated::default(), image, noise, star_table(&stars, 15.0)).run().expect("runs");
    assert_eq!(ids(&outcome.get::<Table>("faint")), [101, 102, 103]);
    assert_eq!(ids(&outcome.get::<Table>("bright")), [100, 101, 102, 103]);
    assert_eq!(SelectIsolated::default().faint().levels_sigma.len(), 42);
    let bright = SelectIsolated::default().bright().levels_sigma;
    assert_eq!((bright[0], bright[38], bright.len()), (20.0, 210.0, 39));
}

#[test]
fn a_star_that_is_listed_twice_counts_once() {
    let (image, noise, mut stars) = grid_sky(200, 200, 50, 300.0);
    stars.push((stars[3].0 + 0.2, stars[3].1 - 0.1, stars[3].2));
    let outcome = harness(SelectIsolated::default(), image, noise, star_table(&stars, 16.0)).run().expect("runs");
    assert_eq!(ids(&outcome.get::<Table>("faint")), (100..116).collect::<Vec<i64>>());
    assert_eq!(metric(&outcome, "faint_rejected_duplicate"), 1.0);
}

#[test]
fn odd_inputs_give_empty_groups_with_a_hint() {
    let nan = Image::from_pixels(Array2::from_elem((60, 60), f32::NAN));
    let zero = Image::from_pixels(Array2::zeros((60, 60)));
    let one = Image::from_pixels(Array2::ones((1, 1)));
    let empty = Image::from_pixels(Array2::zeros((0, 0)));
    let some = || star_table(&[(30.0, 30.0, 1.0), (f64::NAN, 2.0, 1.0), (0.0, 0.0, 1.0)], 15.0);
    for (image, noise, stars) in [
        (nan.clone(), zero.clone(), some()),
        (zero.clone(), nan, some()),
        (zero.clone(), zero, some()),
        (one.clone(), one, some()),
        (empty.clone(), empty, star_table(&[], 15.0)),
    ] {
        let outcome = harness(SelectIsolated::default(), image, noise, stars).run().expect("runs");
        assert_eq!(outcome.get::<Table>("faint").n_rows() + outcome.get::<Table>("bright").n_rows(), 0);
        assert_eq!(outcome.warnings.len(), 2);
        assert!(outcome.warnings[0].starts_with("0 isolated stars in the faint group"), "{}", outcome.warnings[0]);
    }
}

#[test]
fn a_crowded_field_says_which_parameter_to_turn() {
    let (image, noise, stars) = grid_sky(200, 200, 12, 300.0);
    let crowded = harness(SelectIsolated::default(), image.clone(), noise.clone(), star_table(&stars, 16.0));
    let warnings = crowded.run().expect("runs").warnings;
    assert!(warnings[0].contains("make faint_stamp_px smaller"), "{}", warnings[0]);
    let stage = SelectIsolated { faint_stamp_px: 11, ..SelectIsolated::default() };
    let small = harness(stage, image, noise, star_table(&stars, 16.0)).run().expect("runs");
    assert!(small.get::<Table>("faint").n_rows() > 100);
}

#[test]
fn bad_parameters_are_all_reported() {
    let stage = SelectIsolated {
        faint_min_mag: 19.0,
        bright_max_mag: f64::NAN,
        faint_stamp_px: 30,
        bright_stamp_px: 3,
        bright_first_level_sigma: 300.0,
        level_step_sigma: 0.0,
        min_prob: 1.5,
        max_offset_px: -0.1,
        saturated_below_sigma: 5.0,
        ..SelectIsolated::default()
    };
    let mut problems = Problems::new();
    stage.check(&mut problems);
    assert_eq!(problems.list().len(), 9, "{:?}", problems.list());
    let mut none = Problems::new();
    SelectIsolated::default().check(&mut none);
    assert!(none.is_empty());
}

#[test]
fn missing_columns_are_named_before_and_while_running() {
    let table = TableBuilder::new().float("x", "px", "", vec![1.0]).build().expect("one column");
    let one = Image::from_pixels(Array2::ones((1, 1)));
    let error = harness(SelectIsolated::default(), one.clone(), one, table).run().expect_err("no y");
    assert_eq!(error.class, ErrorClass::Config);
    assert!(error.message.contains("\"y\"") && error.help.is_some());
    let facet = skyloom_data::facets::TableFacet { columns: Some(Vec::new()) }.to_facet();
    let mut inputs = Facets::new();
    inputs.add("stars", "catalogue.table", facet);
    let mut problems = Problems::new();
    SelectIsolated::default().infer(&inputs, &mut skyloom_engine::FacetsOut::new(), &mut problems);
    assert_eq!(problems.list().len(), 3);
}

#[test]
fn announced_columns_are_the_columns() {
    let mut outputs = skyloom_engine::FacetsOut::new();
    SelectIsolated::default().infer(&Facets::new(), &mut outputs, &mut Problems::new());
    let columns = skyloom_data::facets::TableFacet::from_facet(&outputs.get("faint")).columns.expect("known");
    let (image, noise, stars) = grid_sky(100, 100, 50, 300.0);
    let outcome = harness(SelectIsolated::default(), image, noise, star_table(&stars, 16.0)).run().expect("runs");
    let names: Vec<String> = columns.into_iter().map(|c| c.0).collect();
    assert_eq!(outcome.get::<Table>("bright").column_names(), names);
}

#[test]
fn a_cancelled_selection_stops() {
    let token = CancelToken::new();
    token.cancel();
    let (image, noise, stars) = grid_sky(100, 100, 50, 300.0);
    let harness = harness(SelectIsolated::default(), image, noise, star_table(&stars, 16.0)).cancel(token);
    assert_eq!(harness.run().expect_err("cancelled").class, ErrorClass::Cancelled);
}

fn small() -> Harness {
    let (image, noise, stars) = grid_sky(150, 150, 50, 300.0);
    harness(SelectIsolated::default(), image, noise, star_table(&stars, 15.0))
}

determinism_test!(select_isolated_is_deterministic, small());
golden_test!(select_isolated_is_frozen, small(), version: 2, digest: "e53a4b4d5b45");
