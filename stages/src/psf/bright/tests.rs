//! Behaviour of the wing fits on made stars.

use ndarray::Array2;
use skyloom_data::{Card, CardValue, Image, PsfCell, PsfField, PsfModel, PsfSet, Table};
use skyloom_engine::{CancelToken, ErrorClass, Facets, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;
use crate::psf::fitted_star::FitFlags;
use crate::psf::made_sky::{SHAPE, add_stars, grid_sky, star_table};
use crate::psf::{StarPosition, params_from_shape};

/// A set of one cell, some per cent off `SHAPE`: what faint stars would give.
fn cells(width: usize, height: usize) -> PsfSet {
    let field = |model: PsfModel, shape: &[f64]| PsfField {
        model,
        width,
        height,
        n_x: 1,
        n_y: 1,
        cells: vec![PsfCell {
            n_stars: 20,
            median: shape.to_vec(),
            scatter: vec![0.1; shape.len()],
            fwhm: 2.6,
            is_borrowed: false,
        }],
    };
    let moffat = field(PsfModel::Moffat, &[2.0, 1.8, 0.4, 2.8]);
    let compound = field(PsfModel::Compound, &SHAPE.map(|v| 0.95 * v));
    PsfSet {
        bright_moffat: moffat.clone(),
        bright_compound: compound.clone(),
        faint_moffat: moffat,
        faint_compound: compound,
    }
}

fn harness(stage: FitBright, image: Image, noise: Image, stars: Table) -> Harness {
    let set = cells(image.width(), image.height());
    Harness::new(stage).input("image", image).input("noise", noise).input("stars", stars).input("set", set)
}

fn with_core(core_counts: f64) -> FitBright {
    FitBright { core_counts: Some(core_counts), stamp_px: 61, ..FitBright::default() }
}

#[test]
fn wings_alone_give_the_shape_of_a_star_whose_core_is_wrong() {
    let moffat = [2.6, 2.2, 0.5, 2.6];
    let mut image = Image::from_pixels(Array2::zeros((81, 81)));
    add_stars(&mut image, PsfModel::Moffat, &moffat, &[(40.2, 39.7, 5000.0)], 60);
    // The detector cuts the core off.
    image.pixels.mapv_inplace(|v| if v > 600.0 { 600.0 + 0.1 * (v - 600.0) } else { v });
    let noise = Image::from_pixels(Array2::ones((81, 81)));
    let at = StarPosition { id: 3, x: 40.0, y: 40.0 };
    let found = fit_bright_star(&image, &noise, at, &cells(81, 81), &with_core(500.0).options(500.0));
    assert_eq!(found.flags & FitFlags::spoils(PsfModel::Moffat), 0, "{found:?}");
    let fit = found.fit(PsfModel::Moffat).expect("a Moffat fit");
    let truth = params_from_shape(PsfModel::Moffat, &moffat, 5000.0, 40.2, 39.7);
    for (value, expected) in fit.params[..7].iter().zip(&truth) {
        assert!((value - expected).abs() < 1e-3 * expected.abs().max(1.0), "{:?}", fit.params);
    }
    // The whole star is 1300 px above 3 sigma; its core is left out.
    let whole = fit_bright_star(&image, &noise, at, &cells(81, 81), &with_core(1e9).options(1e9));
    assert!(whole.n_pixels > found.n_pixels && found.n_pixels > 200);
    assert!((whole.fits[0].params[0] - 5000.0).abs() > 1000.0, "with the core the amplitude is the detector's");
}

#[test]
fn a_neighbour_is_cut_off_by_deblending() {
    let (mut image, noise, stars) = grid_sky(120, 120, 120, 4000.0);
    let neighbour = (stars[0].0 + 10.0, stars[0].1 + 4.0, 1500.0);
    add_stars(&mut image, PsfModel::Compound, &SHAPE, &[neighbour], 60);
    let at = StarPosition { id: 0, x: stars[0].0, y: stars[0].1 };
    let run = |stage: FitBright| fit_bright_star(&image, &noise, at, &cells(120, 120), &stage.options(500.0));
    let cut = run(FitBright { deblend_n_pixels: 20, ..with_core(500.0) });
    let joined = run(FitBright { deblend_contrast: 1.0, ..with_core(500.0) });
    assert!(cut.n_pixels + 50 < joined.n_pixels, "{} {}", cut.n_pixels, joined.n_pixels);
    assert!((cut.fits[0].params[1] - stars[0].0).abs() < 0.2, "{:?}", cut.fits[0]);
}

#[test]
fn the_core_level_comes_from_parameters_or_the_header() {
    let mut image = Image::from_pixels(Array2::zeros((2, 2)));
    let level = |stage: &FitBright, image: &Image| stage.core_level(image);
    let stage = FitBright::default();
    let error = level(&stage, &image).expect_err("nothing is given");
    assert_eq!(error.class, ErrorClass::Data);
    assert!(error.help.expect("a help").contains("keep_cards: [\"TOTEXP\"]"));
    let card = |value| Card { key: "TOTEXP".into(), value, comment: String::new() };
    image.meta.cards = vec![card(CardValue::Float(9315.0))];
    // Note 01: 9315 s give 143.3 counts.
    assert!((level(&stage, &image).expect("a card") - 143.3).abs() < 0.01);
    assert_eq!(level(&FitBright { integration_s: Some(650.0), ..stage.clone() }, &image).expect("given"), 10.0);
    let counts = FitBright { core_counts: Some(7.0), integration_s: Some(650.0), ..stage.clone() };
    assert_eq!(level(&counts, &image).expect("given"), 7.0);
    image.meta.cards = vec![card(CardValue::Text("long".into()))];
    assert!(level(&stage, &image).expect_err("no number").message.contains("long"));
}

#[test]
fn stars_that_cannot_be_fitted_are_rows_with_flags() {
    let (image, noise, mut stars) = grid_sky(200, 200, 100, 2000.0);
    stars.extend([(50.0, 95.0, 0.0), (f64::NAN, 5.0, 0.0), (300.0, 5.0, 0.0)]);
    let table = star_table(&stars, 12.0);
    let outcome = harness(with_core(500.0), image.clone(), noise.clone(), table.clone()).run().expect("runs");
    let flags: Vec<i64> =
        outcome.get::<Table>("table").ints("flags").expect("a column").into_iter().flatten().collect();
    assert_eq!(flags[4..], [FitFlags::NO_SEGMENT; 3]);
    assert!(flags[..4].iter().all(|f| f & FitFlags::spoils(PsfModel::Moffat) == 0), "{flags:?}");
    let stage = FitBright { max_failed_fraction: 0.2, ..with_core(2.0) };
    let error = harness(stage, image, noise, table).run().expect_err("no pixel is left below 2 counts");
    assert!(error.message.contains("7 of 7 stars") && error.message.contains("4 with too few pixels"), "{error}");
}

#[test]
fn odd_inputs_give_flags_and_no_panic() {
    let nan = Image::from_pixels(Array2::from_elem((50, 60), f32::NAN));
    let zero = Image::from_pixels(Array2::zeros((50, 60)));
    let one = Image::from_pixels(Array2::ones((1, 1)));
    let some = || star_table(&[(30.0, 30.0, 1.0), (0.0, 0.0, 1.0)], 15.0);
    for (image, noise) in [(nan.clone(), zero.clone()), (zero.clone(), nan), (one.clone(), one)] {
        let outcome = harness(with_core(10.0), image, noise, some()).run().expect("runs");
        assert!(outcome.get::<Table>("table").ints("flags").expect("a column").iter().all(|f| *f != Some(0)));
    }
    let none = harness(with_core(10.0), zero.clone(), zero, star_table(&[], 15.0)).run().expect("runs");
    assert_eq!(none.get::<Table>("table").n_rows(), 0);
}

#[test]
fn bad_parameters_are_all_reported() {
    let stage = FitBright {
        stamp_px: 100,
        threshold_sigma: 0.0,
        n_pixels: 0,
        deblend_n_pixels: 0,
        deblend_levels: 0,
        deblend_contrast: 2.0,
        core_counts: Some(-1.0),
        integration_s: Some(f64::NAN),
        core_divisor: 0.0,
        centre_px: -1.0,
        min_pixels: 3,
        tolerance: f64::NAN,
        max_iterations: 0,
        max_failed_fraction: 2.0,
        ..FitBright::default()
    };
    let mut problems = Problems::new();
    stage.check(&mut problems);
    assert_eq!(problems.list().len(), 14);
    let mut none = Problems::new();
    FitBright::default().check(&mut none);
    assert!(none.is_empty());
}

#[test]
fn announced_columns_are_the_columns() {
    let mut outputs = skyloom_engine::FacetsOut::new();
    FitBright::default().infer(&Facets::new(), &mut outputs, &mut Problems::new());
    let columns = skyloom_data::facets::TableFacet::from_facet(&outputs.get("table")).columns.expect("known");
    let names: Vec<String> = columns.into_iter().map(|c| c.0).collect();
    assert_eq!(small().run().expect("runs").get::<Table>("table").column_names(), names);
}

#[test]
fn a_cancelled_fit_stops() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(small().cancel(token).run().expect_err("cancelled").class, ErrorClass::Cancelled);
}

fn small() -> Harness {
    let (image, noise, stars) = grid_sky(160, 160, 80, 2000.0);
    harness(with_core(300.0), image, noise, star_table(&stars, 12.0))
}

determinism_test!(fit_bright_is_deterministic, small());
golden_test!(fit_bright_is_frozen, small(), version: 4, digest: "1c0126dd5301");
