use ndarray::Array2;
use skyloom_data::facets::ImageFacet;
use skyloom_data::{Image, ImageMeta};
use skyloom_engine::{ErrorClass, Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

fn stage() -> Plummer {
    Plummer { x: 20.3, y: 15.6, mag: 20.0, r_half_px: 3.0, ellipticity: 0.0, pa_deg: 0.0, truncate_px: None }
}

fn image(width: usize, height: usize) -> Image {
    let meta = ImageMeta { zero_point: Some(22.5), exposure_s: Some(2.0), ..ImageMeta::default() };
    Image { meta, ..Image::from_pixels(Array2::zeros((height, width))) }
}

fn profile(r_half_px: f64) -> PlummerProfile {
    PlummerProfile { x: 300.2, y: 299.7, flux: 1e6, r_half_px, ellipticity: 0.0, pa_deg: 0.0, truncate_px: f64::MAX }
}

/// Flux of the pixels whose centre satisfies `within`.
fn sum(pixels: &Array2<f32>, within: impl Fn(f64, f64) -> bool) -> f64 {
    pixels.indexed_iter().filter(|((y, x), _)| within(*x as f64, *y as f64)).map(|(_, v)| f64::from(*v)).sum()
}

#[test]
fn the_flux_within_a_radius_follows_the_closed_form() {
    // F(<R) = L R^2 / (a^2 + R^2); pixels on the rim are counted whole or not at all, which costs up to the
    // relative error of the number of lattice points in a circle: 1 % at 10 px, falling as R^-1.4.
    let mut pixels = Array2::zeros((600, 600));
    let p = profile(20.0);
    add_plummer(&mut pixels, &p);
    for (radius, tolerance) in [(10.0, 1e-2), (20.0, 4e-3), (60.0, 1e-3), (200.0, 2e-4)] {
        let found = sum(&pixels, |x, y| (x - p.x).powi(2) + (y - p.y).powi(2) < radius * radius);
        let expected = 1e6 * radius * radius / (400.0 + radius * radius);
        assert!((found / expected - 1.0).abs() < tolerance, "{radius}: {found} {expected}");
    }
}

#[test]
fn pixels_are_integrals_also_for_a_cluster_smaller_than_a_pixel() {
    // All flux that is not outside the image must arrive; a sample at pixel centres would be off by a large factor.
    // The part beyond a square of half side w is 4 a^2 (1 + pi/2) / (2 pi w^2) at most, about 2e-6 for a = 0.5.
    for r_half in [0.05, 0.5, 2.0] {
        let mut pixels = Array2::zeros((600, 600));
        let added = add_plummer(&mut pixels, &profile(r_half));
        let outside = 2.0 * (r_half / 299.0_f64).powi(2);
        assert!((added / 1e6 - 1.0).abs() < outside + 2e-5, "{r_half}: {added}");
    }
}

#[test]
fn the_ellipse_has_the_asked_axis_ratio_angle_and_flux() {
    let p = PlummerProfile { ellipticity: 0.4, pa_deg: 30.0, truncate_px: 200.0, ..profile(20.0) };
    let mut pixels = Array2::zeros((600, 600));
    let added = add_plummer(&mut pixels, &p);
    assert!((added / (1e6 * p.fraction_within_truncation()) - 1.0).abs() < 1e-4, "{added}");
    // Second moments inside the truncation ellipse: both axes scale alike, so their ratio is q^2.
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for ((y, x), v) in pixels.indexed_iter() {
        let (dx, dy, v) = (x as f64 - p.x, y as f64 - p.y, f64::from(*v));
        (xx, yy, xy) = (xx + v * dx * dx, yy + v * dy * dy, xy + v * dx * dy);
    }
    let (mean, root) = ((xx + yy) / 2.0, (((xx - yy) / 2.0).powi(2) + xy * xy).sqrt());
    let ratio = ((mean - root) / (mean + root)).sqrt();
    let angle = 0.5 * libm::atan2(2.0 * xy, xx - yy).to_degrees();
    assert!((ratio - 0.6).abs() < 2e-3 && (angle - 30.0).abs() < 0.1, "{ratio} {angle}");
}

#[test]
fn the_magnitude_uses_the_zero_point_and_exposure_of_the_image() {
    let outcome = Harness::new(stage()).input("image", image(400, 400)).run().unwrap();
    let metric = |name: &str| outcome.metrics.iter().find(|(n, _)| n == name).unwrap().1;
    // 2 s at 10^(0.4 2.5) per second.
    assert!((metric("flux_total") - 20.0).abs() < 1e-9);
    assert!((metric("fraction_within_truncation") - 400.0 / 401.0).abs() < 1e-12);
    let planted = outcome.get::<Image>("image");
    assert_eq!(planted.meta, image(1, 1).meta);
    // The truncation circle of 60 px about (20.3, 15.6) reaches beyond two edges.
    assert!(metric("flux_added") < 20.0 * 400.0 / 401.0);
    let total: f64 = planted.pixels.iter().map(|v| f64::from(*v)).sum();
    assert!((total - metric("flux_added")).abs() < 1e-4);
}

#[test]
fn nothing_is_added_beyond_the_truncation_radius() {
    let stage = Plummer { truncate_px: Some(5.0), ..stage() };
    let outcome = Harness::new(stage).input("image", image(60, 40)).run().unwrap();
    let planted = outcome.get::<Image>("image");
    let far = |x: f64, y: f64| (x - 20.3).powi(2) + (y - 15.6).powi(2) > 5.8 * 5.8;
    assert_eq!(sum(&planted.pixels, far), 0.0);
    assert!(planted.pixels[[16, 20]] > 0.0);
}

#[test]
fn nan_pixels_stay_nan_and_one_pixel_is_enough() {
    let mut input = image(60, 40);
    input.pixels[[16, 20]] = f32::NAN;
    let outcome = Harness::new(stage()).input("image", input).run().unwrap();
    let planted = outcome.get::<Image>("image");
    assert!(planted.pixels[[16, 20]].is_nan());
    assert_eq!(planted.pixels.iter().filter(|v| v.is_nan()).count(), 1);
    let one = Plummer { x: 0.0, y: 0.0, ..stage() };
    assert!(Harness::new(one).input("image", image(1, 1)).run().unwrap().get::<Image>("image").pixels[[0, 0]] > 0.0);
}

#[test]
fn an_image_without_zero_point_is_a_clear_error() {
    let error = Harness::new(stage()).input("image", Image::from_pixels(Array2::zeros((40, 40)))).run().unwrap_err();
    assert_eq!(error.class, ErrorClass::Data);
    assert!(error.message.contains("no zero point") && error.help.is_some());
}

#[test]
fn a_centre_off_the_image_and_bad_numbers_are_found_before_running() {
    let mut inputs = Facets::new();
    let facet = ImageFacet { width: Some(30), height: Some(10), ..ImageFacet::default() };
    inputs.add("image", "frame.image", facet.to_facet());
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    stage().infer(&inputs, &mut outputs, &mut problems);
    assert_eq!(problems.list().len(), 1);
    assert!(problems.list()[0].expected.contains("from 0 to 9"));
    assert_eq!(outputs.get("image"), facet.to_facet());
    assert!(Harness::new(stage()).input("image", image(30, 10)).run().is_err());

    let mut problems = Problems::new();
    let bad = f64::NAN;
    Plummer { x: bad, y: bad, mag: bad, r_half_px: bad, ellipticity: 1.0, pa_deg: bad, truncate_px: Some(0.0) }
        .check(&mut problems);
    assert_eq!(problems.list().len(), 7);
}

determinism_test!(plummer_is_deterministic, Harness::new(stage()).input("image", image(150, 140)));
golden_test!(plummer_result_is_frozen, Harness::new(stage()).input("image", image(32, 24)), version: 1, digest: "4dc1d78cdd44");
