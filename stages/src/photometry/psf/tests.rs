use ndarray::Array2;
use skyloom_data::{Image, PsfCell, PsfField, PsfModel, Table, TableBuilder};
use skyloom_engine::{Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;
use crate::psf::{Profile, params_from_shape};

const SIZE: usize = 120;
const SHAPE: [f64; 4] = [2.0, 1.8, 0.3, 3.0];
const SIGMA: f32 = 2.0;

fn field() -> PsfField {
    let fwhm = Profile::new(PsfModel::Moffat, &params_from_shape(PsfModel::Moffat, &SHAPE, 1.0, 0.0, 0.0)).mean_fwhm();
    let cell = PsfCell { n_stars: 50, median: SHAPE.to_vec(), scatter: vec![0.1; 4], fwhm, is_borrowed: false };
    PsfField { model: PsfModel::Moffat, width: SIZE, height: SIZE, n_x: 1, n_y: 1, cells: vec![cell] }
}

/// Stars as (x, y, peak, width factor) on a background of 7, without noise but with a pseudo-random pattern of `noise`.
fn sky(stars: &[(f64, f64, f64, f64)], noise: f64) -> Image {
    let mut state = 1_u64;
    let mut pixels = Array2::from_shape_simple_fn((SIZE, SIZE), || {
        let sum: f64 = (0..12)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64
            })
            .sum();
        7.0 + noise * (sum - 6.0)
    });
    for &(x0, y0, peak, stretch) in stars {
        let shape = [SHAPE[0] * stretch, SHAPE[1] * stretch, SHAPE[2], SHAPE[3]];
        let star = Profile::new(PsfModel::Moffat, &params_from_shape(PsfModel::Moffat, &shape, peak, x0, y0));
        for ((y, x), v) in pixels.indexed_iter_mut() {
            *v += star.value(x as f64, y as f64);
        }
    }
    let mut image = Image::from_pixels(pixels.mapv(|v| v as f32));
    image.meta.zero_point = Some(25.0);
    image.meta.exposure_s = Some(10.0);
    image
}

fn flux(peak: f64) -> f64 {
    Profile::new(PsfModel::Moffat, &params_from_shape(PsfModel::Moffat, &SHAPE, peak, 0.0, 0.0)).flux()
}

fn list(positions: &[(f64, f64)]) -> Table {
    TableBuilder::new()
        .float("x", "", "", positions.iter().map(|p| p.0).collect())
        .float("y", "", "", positions.iter().map(|p| p.1).collect())
        .build()
        .unwrap()
}

fn harness(stage: PsfPhotometry, image: Image, positions: &[(f64, f64)]) -> Harness {
    let noise = image.with_pixels(Array2::from_elem((SIZE, SIZE), SIGMA));
    Harness::new(stage)
        .input("image", image)
        .input("noise", noise)
        .input("stars", list(positions))
        .input("psf", field())
}

fn run(image: Image, positions: &[(f64, f64)]) -> Table {
    (*harness(PsfPhotometry::default(), image, positions).run().unwrap().get::<Table>("stars")).clone()
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found}, expected {expected} +- {tolerance}");
}

#[test]
fn a_lone_star_has_its_flux_centre_background_and_width() {
    let table = run(sky(&[(60.3, 55.8, 500.0, 1.0)], 0.0), &[(60.0, 56.0)]);
    let value = |name: &str| table.floats(name).unwrap()[0];
    // The wings beyond the ring stay in the background: 0.1 % of the flux.
    close(value("flux") / flux(500.0), 1.0, 2e-3);
    close(value("x"), 60.3, 2e-3);
    close(value("y"), 55.8, 2e-3);
    close(value("background"), 7.0, 0.05);
    close(value("mag"), 25.0 - 2.5 * libm::log10(flux(500.0) / 10.0), 3e-3);
    close(value("sharp"), 0.0, 5e-3);
    assert!(value("prob") > 0.8, "{}", value("prob"));
    assert!(value("mag_err") > 0.0 && value("mag_err") < 0.01);
    assert_eq!(value("flags"), 0.0);
}

#[test]
fn close_neighbours_are_taken_out() {
    let stars = [(60.0, 60.0, 400.0, 1.0), (63.0, 60.0, 300.0, 1.0), (60.5, 64.0, 50.0, 1.0), (20.0, 90.0, 100.0, 1.0)];
    let positions: Vec<(f64, f64)> = stars.iter().map(|s| (s.0 + 0.1, s.1 - 0.1)).collect();
    let stage = PsfPhotometry { passes: 12, ..PsfPhotometry::default() };
    let table = harness(stage, sky(&stars, 0.0), &positions).run().unwrap().get::<Table>("stars");
    for (found, star) in table.floats("flux").unwrap().into_iter().zip(stars) {
        close(found / flux(star.2), 1.0, 0.03);
    }
    // One pass leaves the neighbour's light in.
    let single = PsfPhotometry { passes: 1, ..PsfPhotometry::default() };
    let table = harness(single, sky(&stars, 0.0), &positions).run().unwrap().get::<Table>("stars");
    assert!(table.floats("flux").unwrap()[1] > 1.1 * flux(300.0));
}

#[test]
fn errors_are_those_of_the_noise_and_fluxes_are_unbiased() {
    let stars: Vec<(f64, f64, f64, f64)> =
        (0..25).map(|i| (12.0 + 24.0 * f64::from(i % 5), 12.0 + 24.0 * f64::from(i / 5), 60.0, 1.0)).collect();
    let positions: Vec<(f64, f64)> = stars.iter().map(|s| (s.0, s.1)).collect();
    let table = run(sky(&stars, f64::from(SIGMA)), &positions);
    let pulls: Vec<f64> = table
        .floats("flux")
        .unwrap()
        .iter()
        .zip(table.floats("flux_err").unwrap())
        .map(|(f, e)| (f - flux(60.0)) / e)
        .collect();
    let mean = pulls.iter().sum::<f64>() / 25.0;
    let scatter = (pulls.iter().map(|p| (p - mean) * (p - mean)).sum::<f64>() / 24.0).sqrt();
    // 25 stars: the mean to 0.2, the scatter to 0.15; the ring adds a little to both.
    close(mean, 0.0, 0.7);
    close(scatter, 1.0, 0.5);
    // Nearly all are recognised as stars by the cut of the published method.
    assert!(table.floats("prob").unwrap().iter().filter(|p| **p >= 0.33).count() >= 23);
}

#[test]
fn wide_objects_and_spikes_are_told_from_stars_when_they_are_bright() {
    let table = run(sky(&[(40.0, 40.0, 800.0, 1.4), (80.0, 80.0, 800.0, 0.5)], 0.0), &[(40.0, 40.0), (80.0, 80.0)]);
    let (sharp, prob) = (table.floats("sharp").unwrap(), table.floats("prob").unwrap());
    assert!(sharp[0] > 0.5 && sharp[1] < -0.3, "{sharp:?}");
    assert!(prob[0] < 0.33 && prob[1] < 0.33, "{prob:?}");
}

#[test]
fn a_saturated_core_is_measured_on_its_wings_and_its_width_is_unknown() {
    let mut image = sky(&[(60.0, 60.0, 5000.0, 1.0)], 0.0);
    // The survey writes 0 where a pixel is saturated; the sky of 1000 was subtracted.
    image.pixels.mapv_inplace(|v| if v > 1500.0 { -1000.0 } else { v });
    let table = run(image, &[(60.0, 60.0)]);
    let value = |name: &str| table.floats(name).unwrap()[0];
    close(value("flux") / flux(5000.0), 1.0, 0.02);
    assert_eq!(value("flags"), StarFluxFlags::SATURATED as f64);
    assert!(value("prob").is_nan() && value("sharp").is_nan());
}

#[test]
fn stars_outside_on_missing_pixels_or_without_light_are_rows_with_a_flag() {
    let mut image = sky(&[(60.0, 60.0, 500.0, 1.0)], 0.0);
    for y in 85..115 {
        for x in 85..115 {
            image.pixels[[y, x]] = f32::NAN;
        }
    }
    image.pixels[[60, 61]] = f32::NAN;
    let positions = [(-50.0, 10.0), (f64::NAN, 3.0), (100.0, 100.0), (60.0, 60.0), (0.0, 0.0)];
    let table = run(image, &positions);
    let flags = table.ints("flags").unwrap();
    assert_eq!(flags[0], Some(StarFluxFlags::NO_PIXELS));
    assert_eq!(flags[1], Some(StarFluxFlags::NO_PIXELS));
    assert_eq!(flags[2], Some(StarFluxFlags::NO_PIXELS | StarFluxFlags::INCOMPLETE));
    assert_eq!(flags[3], Some(StarFluxFlags::INCOMPLETE));
    close(table.floats("flux").unwrap()[3] / flux(500.0), 1.0, 5e-3);
    assert!(table.floats("mag").unwrap()[..3].iter().all(|m| m.is_nan()));
    assert_eq!(run(sky(&[], 1.0), &[]).n_rows(), 0);
    let plain = Image { meta: Default::default(), ..sky(&[(60.0, 60.0, 500.0, 1.0)], 0.0) };
    for instrumental_zero_point in [0.0, 28.0] {
        let stage = PsfPhotometry { instrumental_zero_point, ..PsfPhotometry::default() };
        let outcome = harness(stage, plain.clone(), &[(60.0, 60.0)]).run().unwrap();
        let expected = instrumental_zero_point - 2.5 * libm::log10(flux(500.0));
        close(outcome.get::<Table>("stars").floats("mag").unwrap()[0], expected, 3e-3);
        assert_eq!(outcome.warnings.len(), 1);
    }
}

#[test]
fn parameters_are_checked() {
    let mut problems = Problems::new();
    let bad = PsfPhotometry {
        aperture_fwhm: f64::NAN,
        ring_fwhm: [5.0, 3.0],
        passes: 0,
        max_shift_px: -1.0,
        saturated_below_sigma: 0.0,
        width_tolerance: f64::INFINITY,
        other_width: 0.0,
        instrumental_zero_point: f64::NAN,
    };
    bad.check(&mut problems);
    assert_eq!(problems.list().len(), 8);
    let mut problems = Problems::new();
    PsfPhotometry { ring_fwhm: [0.0, 0.0], ..PsfPhotometry::default() }.check(&mut problems);
    assert!(problems.is_empty());
}

fn crowded() -> Harness {
    let stars: Vec<(f64, f64, f64, f64)> = (0..60)
        .map(|i| {
            (f64::from(i * 37 % 113) + 3.3, f64::from(i * 53 % 109) + 4.7, 20.0 + f64::from(i * i % 97) * 5.0, 1.0)
        })
        .collect();
    let positions: Vec<(f64, f64)> = stars.iter().map(|s| (s.0.round(), s.1.round())).collect();
    harness(PsfPhotometry::default(), sky(&stars, f64::from(SIGMA)), &positions)
}

determinism_test!(psf_photometry_is_deterministic, crowded());
golden_test!(psf_photometry_keeps_its_result, crowded(), version: 3, digest: "51ca88d0cff6");
