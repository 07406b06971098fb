//! Behaviour of the models, the fitter and the stage on made stars.

use ndarray::Array2;
use skyloom_data::{Image, MaskBits, PsfField, PsfModel, Table, TableBuilder};
use skyloom_engine::{CancelToken, ErrorClass, Facets, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

/// A reproducible sequence in 0..1 (Weyl): enough for noise in a test, the same everywhere.
fn noise_at(i: usize) -> f64 {
    let weyl = |step: f64| (i as f64 * step).fract();
    // The sum of four uniform numbers is close enough to a normal one.
    (weyl(0.618_033_988_749_895)
        + weyl(0.414_213_562_373_095)
        + weyl(0.732_050_807_568_877)
        + weyl(0.236_067_977_499_79)
        - 2.0)
        * 1.732
}

/// Shape of every star: gamma_x, gamma_y, theta, alpha.
const SHAPE: [f64; 4] = [2.4, 2.0, 0.4, 3.0];

/// Stars of one Moffat on a grid of 40 px with noise 1; returns image, noise map and detections.
fn sky(width: usize, height: usize, amplitude: f64) -> (Image, Image, Table) {
    let mut pixels = Array2::from_shape_fn((height, width), |(y, x)| noise_at(y * width + x));
    let (mut xs, mut ys, mut fluxes) = (Vec::new(), Vec::new(), Vec::new());
    let mut k = 0;
    for gy in (25..height.saturating_sub(20)).step_by(40) {
        for gx in (25..width.saturating_sub(20)).step_by(40) {
            let (x, y) = (gx as f64 + 0.37 * noise_at(7 * k + 1), gy as f64 + 0.37 * noise_at(11 * k + 5));
            let peak = amplitude * (1.0 + 0.1 * (k % 7) as f64);
            let star = Profile::new(PsfModel::Moffat, &params_from_shape(PsfModel::Moffat, &SHAPE, peak, x, y));
            for py in gy - 20..(gy + 21).min(height) {
                for px in gx - 20..(gx + 21).min(width) {
                    pixels[[py, px]] += star.value(px as f64, py as f64);
                }
            }
            xs.push(gx as f64);
            ys.push(gy as f64);
            fluxes.push(star.flux());
            k += 1;
        }
    }
    let image = Image::from_pixels(pixels.mapv(|v| v as f32));
    let noise = Image::from_pixels(Array2::ones((height, width)));
    (image, noise, detections(xs, ys, fluxes))
}

fn detections(x: Vec<f64>, y: Vec<f64>, flux: Vec<f64>) -> Table {
    TableBuilder::new()
        .float("x", "px", "", x)
        .float("y", "px", "", y)
        .float("flux", "", "", flux)
        .build()
        .expect("columns of one length")
}

fn harness(stage: PsfFit, (image, noise, stars): (Image, Image, Table)) -> Harness {
    Harness::new(stage).input("image", image).input("noise", noise).input("stars", stars)
}

#[test]
fn derivatives_equal_difference_quotients() {
    let cases = [
        (PsfModel::Gaussian, vec![90.0, 4.3, 5.1, 2.2, 1.4, 0.6]),
        (PsfModel::Moffat, vec![90.0, 4.3, 5.1, 2.2, 1.4, 0.6, 2.7]),
        (PsfModel::Compound, vec![90.0, 4.3, 5.1, 2.2, 1.4, 0.6, 2.7, 40.0, 3.1, 2.6, -0.9]),
    ];
    for (model, values) in cases {
        let mut p = [0.0; MAX_PARAMS];
        p[..values.len()].copy_from_slice(&values);
        for (x, y) in [(4.0, 5.0), (7.0, 3.0), (0.0, 9.0)] {
            let mut slope = [0.0; MAX_PARAMS];
            let value = Profile::new(model, &p).value_and_gradient(x, y, &mut slope);
            assert_eq!(value, Profile::new(model, &p).value(x, y), "one formula");
            for i in 0..n_params(model) {
                let h = 1e-6 * p[i].abs().max(1.0);
                let at = |step: f64| {
                    let mut q = p;
                    q[i] += step;
                    Profile::new(model, &q).value(x, y)
                };
                let quotient = (at(h) - at(-h)) / (2.0 * h);
                // Central differences of step 1e-6 are good to about 1e-9 of the value.
                assert!((quotient - slope[i]).abs() < 1e-6 * (1.0 + slope[i].abs()), "{model:?} {i}");
            }
        }
    }
}

#[test]
fn swapped_axes_come_back_major_axis_first_with_a_folded_angle() {
    let mut p = [0.0; MAX_PARAMS];
    p[..7].copy_from_slice(&[1.0, 0.0, 0.0, 1.0, 2.0, 3.0, 2.5]);
    let before = Profile::new(PsfModel::Moffat, &p).value(1.3, -0.4);
    let mut swaps = Vec::new();
    super::model::make_canonical(PsfModel::Moffat, &mut p, |a, b| swaps.push((a, b)));
    assert_eq!(swaps, [(3, 4)]);
    assert!(p[3] > p[4] && p[5] > -std::f64::consts::FRAC_PI_2 && p[5] <= std::f64::consts::FRAC_PI_2);
    let after = Profile::new(PsfModel::Moffat, &p).value(1.3, -0.4);
    assert!((before - after).abs() < 1e-12, "the same model");
    assert_eq!(super::model::fold_angle(-std::f64::consts::FRAC_PI_2), std::f64::consts::FRAC_PI_2);
}

#[test]
fn a_radius_is_where_the_profile_has_fallen_to_its_fraction() {
    let p = params_from_shape(PsfModel::Moffat, &[2.0, 2.0, 0.0, 2.5], 50.0, 10.0, 10.0);
    let profile = Profile::new(PsfModel::Moffat, &p);
    assert!((profile.radius_at(0.5) - profile.mean_fwhm() / 2.0).abs() < 1e-9);
    assert_eq!(profile.radius_at(1.5), 0.0);
    let dark =
        Profile::new(PsfModel::Moffat, &params_from_shape(PsfModel::Moffat, &[2.0, 2.0, 0.0, 2.5], 0.0, 0.0, 0.0));
    assert!(dark.radius_at(0.5) > 1000.0, "a star without light has no edge");
}

/// Noise-free pixels of a Moffat.
fn stamp(p: &Params, size: usize) -> Vec<FitPixel> {
    let profile = Profile::new(PsfModel::Moffat, p);
    (0..size * size)
        .map(|i| (f64::from((i % size) as u32), f64::from((i / size) as u32)))
        .map(|(x, y)| FitPixel { x, y, value: profile.value(x, y), weight: 1.0 })
        .collect()
}

#[test]
fn bounds_hold_and_the_rest_still_reaches_its_best_value() {
    let truth = params_from_shape(PsfModel::Moffat, &[3.0, 2.5, 0.3, 3.0], 100.0, 10.2, 9.7);
    let pixels = stamp(&truth, 21);
    let mut bounds = Bounds::natural(PsfModel::Moffat);
    bounds.limit(3, 1.0, 2.6);
    bounds.limit(4, 1.0, 2.6);
    bounds.fix(6, 3.0);
    let mut start = truth;
    start[1] = 9.0;
    start[3] = 2.0;
    start[4] = 1.5;
    let found = fit(PsfModel::Moffat, &pixels, &start, &bounds, &FitOptions::default());
    assert!(found.is_converged());
    // Not where both widths are on the bound: the angle has no effect there, and a turned star with a shorter minor axis fits better.
    let mut both = bounds;
    both.fix(3, 2.6);
    both.fix(4, 2.6);
    let round = fit(PsfModel::Moffat, &pixels, &start, &both, &FitOptions::default());
    assert!(round.is_converged() && found.chi2 < round.chi2);
    assert!(found.params[3] == 2.6 && found.params[4] < 2.6 && (found.params[5] - 0.3).abs() < 0.01);
    assert!(found.error(3).is_nan() && found.error(6).is_nan() && found.error(0) > 0.0);
    // The same minimum from that place.
    (start[3], start[4]) = (2.6, 2.6);
    let again = fit(PsfModel::Moffat, &pixels, &start, &bounds, &FitOptions::default());
    assert!((again.chi2 / found.chi2 - 1.0).abs() < 1e-6);
    assert!((found.params[1] - 10.2).abs() < 0.01 && (found.params[2] - 9.7).abs() < 0.01);
}

#[test]
fn a_perfect_star_is_recovered_exactly_and_hopeless_fits_say_so() {
    let truth = params_from_shape(PsfModel::Moffat, &[3.0, 2.5, 0.3, 3.0], 100.0, 10.2, 9.7);
    let pixels = stamp(&truth, 21);
    let options = FitOptions::default();
    let found = fit_star(PsfModel::Moffat, &pixels, 10.0, 10.0, 10.0, 4, &options);
    assert_eq!(found.flags, 0);
    for (value, expected) in found.fit.params.iter().zip(&truth) {
        assert!((value - expected).abs() < 1e-4, "{value} {expected}");
    }
    let bounds = Bounds::natural(PsfModel::Moffat);
    let few = fit(PsfModel::Moffat, &pixels[..7], &truth, &bounds, &options);
    assert_eq!(few.status, FitStatus::TooFewPixels);
    let mut nan = pixels.clone();
    nan[3].value = f64::NAN;
    assert_eq!(fit(PsfModel::Moffat, &nan, &truth, &bounds, &options).status, FitStatus::NotFinite);
}

#[test]
fn the_median_of_axis_directions_does_not_break_at_ninety_degrees() {
    let degrees = [88.0_f64, 89.0, -89.0, -88.0, 90.0];
    let angles: Vec<f64> = degrees.iter().map(|d| d.to_radians()).collect();
    let (median, scatter) = axial_median(&angles);
    assert!((median.to_degrees().abs() - 90.0).abs() < 1e-9, "{}", median.to_degrees());
    assert!(scatter.to_degrees() < 3.0);
}

#[test]
fn the_field_has_the_shape_of_its_stars_in_every_cell() {
    let stage = PsfFit { cell_px: 200.0, ..PsfFit::default() };
    let outcome = harness(stage, sky(400, 400, 300.0)).run().expect("the stage runs");
    let field = outcome.get::<PsfField>("psf");
    assert_eq!((field.n_x, field.n_y, field.model), (2, 2, PsfModel::Moffat));
    for cell in &field.cells {
        assert!(cell.n_stars >= 10 && !cell.is_borrowed);
        // Stars of 300 sigma know their widths to about 1 %, their slope to 3 %.
        assert!((cell.median[0] - SHAPE[0]).abs() < 0.05, "{:?}", cell.median);
        assert!((cell.median[1] - SHAPE[1]).abs() < 0.05, "{:?}", cell.median);
        assert!((cell.median[2] - SHAPE[2]).abs() < 0.05, "{:?}", cell.median);
        assert!((cell.median[3] - SHAPE[3]).abs() < 0.15, "{:?}", cell.median);
        let expected = 2.0 * (SHAPE[0] * SHAPE[1]).sqrt() * (libm::cbrt(2.0) - 1.0).sqrt();
        assert!((cell.fwhm - expected).abs() < 0.02);
    }
    let stars = outcome.get::<Table>("stars");
    assert_eq!(stars.n_rows(), 81);
    assert!(stars.floats("x_err").expect("a column").iter().all(|e| *e > 0.0 && *e < 0.02));
}

#[test]
fn a_cell_with_few_stars_borrows_the_values_of_the_image() {
    let stage = PsfFit { cell_px: 100.0, ..PsfFit::default() };
    let outcome = harness(stage, sky(400, 200, 300.0)).run().expect("the stage runs");
    let field = outcome.get::<PsfField>("psf");
    assert_eq!(field.cells.len(), 8);
    assert!(field.cells.iter().all(|c| c.is_borrowed && c.median == field.cells[0].median));
}

#[test]
fn saturated_masked_and_blended_stars_are_not_used() {
    let (mut image, noise, stars) = sky(400, 400, 300.0);
    let mut mask = Array2::zeros((400, 400));
    mask[[25, 25]] = MaskBits::SATURATED;
    mask[[70, 65]] = MaskBits::BAD;
    image.mask = Some(mask);
    image.pixels[[25, 190]] = f32::NAN;
    let clean = harness(PsfFit::default(), (image.clone(), noise.clone(), stars.clone())).run().expect("runs");
    let ids = clean.get::<Table>("stars").ints("id").expect("a column");
    for lost in [0, 10, 4] {
        assert!(!ids.contains(&Some(lost)), "{lost}");
    }
    assert_eq!(ids.len(), 78);
    let limited = PsfFit { saturation: Some(400.0), ..PsfFit::default() };
    let few = harness(limited, (image, noise, stars)).run().expect("runs");
    assert!(few.get::<Table>("stars").n_rows() < 60);
}

#[test]
fn too_few_stars_is_a_data_error_that_counts_the_reasons() {
    let error = harness(PsfFit::default(), sky(200, 200, 20.0)).run().expect_err("no star is bright enough");
    assert_eq!(error.class, ErrorClass::Data);
    assert!(error.message.starts_with("0 usable PSF stars, at least 5 are needed; of 16 detections 0"), "{error}");
    assert!(error.message.contains("16 too faint") && error.help.is_some());
}

#[test]
fn odd_images_end_in_a_data_error_not_a_panic() {
    let nan = Image::from_pixels(Array2::from_elem((50, 60), f32::NAN));
    let zero = Image::from_pixels(Array2::zeros((50, 60)));
    let one = Image::from_pixels(Array2::ones((1, 1)));
    let table =
        || detections(vec![30.0, f64::NAN, -1e9, 0.0], vec![25.0, 3.0, 1e300, 0.0], vec![5.0, 2.0, f64::NAN, 1.0]);
    let none = detections(Vec::new(), Vec::new(), Vec::new());
    for (image, noise, stars) in [
        (nan.clone(), zero.clone(), table()),
        (zero.clone(), nan, table()),
        (zero.clone(), zero.clone(), none),
        (one.clone(), one.clone(), table()),
        (zero, one, table()),
    ] {
        let error = harness(PsfFit::default(), (image, noise, stars)).run().expect_err("no stars");
        assert_eq!(error.class, ErrorClass::Data);
    }
}

#[test]
fn all_models_fit_and_the_compound_keeps_the_ratio_of_its_parts() {
    for model in [PsfShape::Gaussian, PsfShape::Compound] {
        let stage = PsfFit { model, ..PsfFit::default() };
        let outcome = harness(stage, sky(300, 300, 3000.0)).run().expect("the stage runs");
        let field = outcome.get::<PsfField>("psf");
        assert_eq!(field.cells[0].median.len(), field.model.shape_names().len());
        assert!(field.cells[0].median.iter().all(|v| v.is_finite()));
    }
}

#[test]
fn bad_parameters_are_all_reported() {
    let stage = PsfFit {
        min_peak_sigma: f64::NAN,
        saturation: Some(-1.0),
        stamp_radius_px: 0,
        min_stars: 0,
        max_failed_fraction: 2.0,
        ..PsfFit::default()
    };
    let mut problems = Problems::new();
    stage.check(&mut problems);
    assert_eq!(problems.list().len(), 5);
    let mut none = Problems::new();
    PsfFit::default().check(&mut none);
    assert!(none.is_empty());
}

#[test]
fn a_cancelled_fit_stops() {
    let token = CancelToken::new();
    token.cancel();
    let error = harness(PsfFit::default(), sky(200, 200, 300.0)).cancel(token).run().expect_err("cancelled");
    assert_eq!(error.class, ErrorClass::Cancelled);
}

#[test]
fn the_table_has_the_columns_that_were_announced() {
    let mut outputs = skyloom_engine::FacetsOut::new();
    PsfFit::default().infer(&Facets::new(), &mut outputs, &mut Problems::new());
    let announced = skyloom_data::facets::TableFacet::from_facet(&outputs.get("stars")).columns.expect("known");
    let outcome = harness(PsfFit::default(), sky(200, 200, 300.0)).run().expect("runs");
    let names: Vec<String> = announced.into_iter().map(|(n, _)| n).collect();
    assert_eq!(outcome.get::<Table>("stars").column_names(), names);
}

determinism_test!(psf_fit_is_deterministic, harness(PsfFit::default(), sky(200, 200, 300.0)));
golden_test!(psf_fit_is_frozen, harness(PsfFit::default(), sky(200, 200, 300.0)), version: 4, digest: "bfc9b5b83186");
