//! Tests of the masked mesh, and of the stage.

use ndarray::Array2;
use skyloom_data::{Image, MaskBits};
use skyloom_engine::{CancelToken, ErrorClass, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

/// Noise of standard deviation 1, the same on every machine: the sum of twelve even numbers minus 6, from the pixel's number by
/// splitmix64 (Steele et al. 2014).
fn noise(x: usize, y: usize) -> f64 {
    let even = |i: u64| {
        let mut z = (((y as u64) << 32 | x as u64) * 12 + i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    };
    (0..12).fold(-6.0, |sum, i| sum + even(i))
}

fn scene(width: usize, height: usize, add: impl Fn(f64, f64) -> f64) -> Array2<f32> {
    Array2::from_shape_fn((height, width), |(y, x)| (500.0 + noise(x, y) + add(x as f64, y as f64)) as f32)
}

/// Surface brightness of a Plummer sphere of flux 1 and half-light radius `r_half`.
fn plummer(x: f64, y: f64, (cx, cy): (f64, f64), r_half: f64) -> f64 {
    let q = ((x - cx).powi(2) + (y - cy).powi(2)) / (r_half * r_half);
    1.0 / (std::f64::consts::PI * r_half * r_half * (1.0 + q).powi(2))
}

fn run(pixels: Array2<f32>, params: &MaskedMeshBackground) -> Array2<f32> {
    let outcome = Harness::new(params.clone()).input("image", Image::from_pixels(pixels)).run().unwrap();
    outcome.get::<Image>("image").pixels.clone()
}

fn flux_within(image: &Array2<f32>, (cx, cy): (f64, f64), radius: f64) -> f64 {
    let inside = |x: usize, y: usize| (x as f64 - cx).powi(2) + (y as f64 - cy).powi(2) <= radius * radius;
    image.indexed_iter().filter(|((y, x), _)| inside(*x, *y)).fold(0.0, |sum, (_, v)| sum + f64::from(*v))
}

#[test]
fn a_cluster_of_thirty_pixels_keeps_its_light_in_large_boxes() {
    let centre = (300.0, 270.0);
    let light = |x: f64, y: f64| 3e5 * plummer(x, y, centre, 30.0);
    let truth = scene(576, 576, light).mapv(|v| v - 500.0);
    let expected = flux_within(&truth, centre, 60.0);
    let lost = |params: &MaskedMeshBackground| {
        let found = flux_within(&run(scene(576, 576, light), params), centre, 60.0);
        -2.5 * libm::log10(found / expected)
    };
    let large = MaskedMeshBackground { box_px: 192, ..MaskedMeshBackground::default() };
    assert!(lost(&large) < 0.1, "{}", lost(&large));
    // A plain mesh takes the cluster for background.
    let plain = lost(&MaskedMeshBackground { box_px: 48, iterations: 0, ..MaskedMeshBackground::default() });
    assert!(plain > 1.5 * lost(&large), "{plain}");
}

#[test]
fn compact_objects_keep_their_light_while_a_nebula_is_removed() {
    let nebula = |x: f64, y: f64| 60.0 + 50.0 * libm::sin(x / 80.0) * libm::cos(y / 90.0);
    let centre = (130.0, 100.0);
    let cluster = |x: f64, y: f64| 4000.0 * plummer(x, y, centre, 4.0);
    let with = run(scene(256, 256, |x, y| nebula(x, y) + cluster(x, y)), &MaskedMeshBackground::default());
    let without = run(scene(256, 256, nebula), &MaskedMeshBackground::default());
    let expected = flux_within(&scene(256, 256, |x, y| cluster(x, y) - 500.0), centre, 12.0);
    let flux = flux_within(&with, centre, 12.0) - flux_within(&without, centre, 12.0);
    assert!((flux / expected - 1.0).abs() < 0.1, "{flux}, not {expected}");
    // The median of the mesh cuts the tops of the nebula, of 110 counts: a few are left.
    let worst = with.slice(ndarray::s![170..220, 30..90]).mean().unwrap();
    assert!(worst.abs() < 5.0, "{worst}");
}

#[test]
fn a_background_that_was_subtracted_before_is_measured_anew() {
    let pixels = scene(128, 128, |x, _| x);
    let subtracted = Array2::from_shape_fn((128, 128), |(y, _)| 7.0 * y as f32);
    let direct = run(pixels.clone(), &MaskedMeshBackground::default());
    let stage = Harness::new(MaskedMeshBackground::default());
    let outcome = stage
        .clone()
        .input("image", Image::from_pixels(&pixels - &subtracted))
        .input("subtracted", Image::from_pixels(subtracted.clone()))
        .run()
        .unwrap();
    for (a, b) in direct.iter().zip(&outcome.get::<Image>("image").pixels) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
    // From the image with stars the same background goes.
    let mut with_star = &pixels - &subtracted;
    with_star[[60, 60]] += 1e4;
    let outcome = stage
        .input("image", Image::from_pixels(&pixels - &subtracted))
        .input("subtracted", Image::from_pixels(subtracted))
        .input("apply_to", Image::from_pixels(with_star))
        .run()
        .unwrap();
    let applied = outcome.get::<Image>("image").pixels.clone();
    assert!((applied[[60, 60]] - direct[[60, 60]] - 1e4).abs() < 0.1);
    assert!((applied[[10, 90]] - direct[[10, 90]]).abs() < 1e-2);
}

#[test]
fn nan_and_masked_pixels_take_no_part_and_the_noise_is_that_of_the_sky() {
    let mut image = Image::from_pixels(scene(128, 128, |_, _| 0.0));
    let mut mask = Array2::zeros((128, 128));
    for y in 20..60 {
        for x in 20..60 {
            image.pixels[[y, x]] = if x % 2 == 0 { f32::NAN } else { 1e6 };
            mask[[y, x]] = MaskBits::SATURATED;
        }
    }
    image.mask = Some(mask);
    let outcome = Harness::new(MaskedMeshBackground::default()).input("image", image).run().unwrap();
    let background = outcome.get::<Image>("background");
    assert!(background.pixels.iter().all(|v| (v - 500.0).abs() < 1.0));
    let noise = outcome.get::<Image>("noise");
    assert!(noise.pixels.iter().all(|v| (v - 1.0).abs() < 0.1));
}

#[test]
fn hopeless_images_give_data_errors_that_say_why() {
    for (pixels, word) in [
        (Array2::from_elem((1, 1), 7.0), "noise is zero"),
        (Array2::from_elem((20, 30), f32::NAN), "600 not finite"),
        (Array2::zeros((0, 5)), "no pixels"),
    ] {
        let stage = Harness::new(MaskedMeshBackground::default());
        let error = stage.input("image", Image::from_pixels(pixels)).run().unwrap_err();
        assert_eq!(error.class, ErrorClass::Data);
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn bad_parameters_are_all_reported() {
    let params = MaskedMeshBackground {
        box_px: 0,
        filter: 4,
        clip_sigma: f64::NAN,
        smooth_px: -1.0,
        mask_sigma: 0.0,
        grow_px: 2000,
        noise_box_px: 1,
        iterations: 1000,
    };
    let mut problems = Problems::new();
    params.check(&mut problems);
    assert_eq!(problems.list().len(), 8, "{problems:?}");
    let mut none = Problems::new();
    MaskedMeshBackground::default().check(&mut none);
    assert!(none.is_empty());
}

fn example() -> Harness {
    let pixels = scene(130, 110, |x, y| 2000.0 * plummer(x, y, (60.0, 50.0), 4.0) + 0.2 * x);
    let params = MaskedMeshBackground { noise_box_px: 64, iterations: 2, ..MaskedMeshBackground::default() };
    Harness::new(params).input("image", Image::from_pixels(pixels))
}

determinism_test!(masked_mesh_is_deterministic, example());
golden_test!(masked_mesh_keeps_its_result, example(), version: 2, digest: "235b628d2424");

#[test]
fn a_pulled_token_stops_the_work() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(example().cancel(token).run().unwrap_err().class, ErrorClass::Cancelled);
}
