//! Behaviour of the joint removal on a made crowded field.

use ndarray::Array2;
use skyloom_data::{Image, MaskBits, Table, TableBuilder};
use skyloom_engine::{Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;
use crate::psf::CatalogueStar;

const SIZE: usize = 256;
const SKY: f64 = 5000.0;
const SIGMA: f64 = 1.5;
const ZERO_POINT: f64 = 23.0;
const EXPOSURE_S: f64 = 5.0;

/// A reproducible sequence near the standard normal distribution.
fn noise_at(i: usize) -> f64 {
    let weyl = |step: f64| (i as f64 * step).fract();
    (weyl(0.618_033_988_749_895)
        + weyl(0.414_213_562_373_095)
        + weyl(0.732_050_807_568_877)
        + weyl(0.236_067_977_499_79)
        - 2.0)
        * 1.732
}

fn flux_of(mag: f64) -> f64 {
    EXPOSURE_S * libm::pow(10.0, 0.4 * (ZERO_POINT - mag))
}

/// The PSF at a place: a little wider to the right.
fn kernel_at(x: f64) -> Kernel {
    Kernel::new(&[0.95 + 1e-4 * x, 0.04, -0.03, 0.35, -0.9], 2.8)
}

fn star(i: usize, x: f64, y: f64, mag: f64) -> CatalogueStar {
    CatalogueStar { prob: 0.9, sharp: 0.0, ..CatalogueStar::new(i as i64, x, y, mag) }
}

/// 500 stars, most of them faint.
fn crowd() -> Vec<CatalogueStar> {
    (0..500)
        .map(|i| {
            let t = i as f64;
            let place = |step: f64| 2.0 + (t * step).fract() * (SIZE as f64 - 4.0);
            star(i, place(0.754_877_666), place(0.569_840_291), 13.0 + 7.0 * libm::cbrt((t + 0.5) / 500.0))
        })
        .collect()
}

/// Sky with a gradient, noise and stars.
fn frame(stars: &[CatalogueStar]) -> Image {
    let mut pixels = Array2::from_shape_fn((SIZE, SIZE), |(y, x)| {
        SKY + 0.1 * x as f64 - 0.05 * y as f64 + SIGMA * noise_at(y * SIZE + x)
    });
    for s in stars {
        let (kernel, flux) = (kernel_at(s.x), flux_of(s.mag));
        for ((y, x), v) in pixels.indexed_iter_mut() {
            let (dx, dy) = (x as f64 - s.x, y as f64 - s.y);
            if dx * dx + dy * dy < 2500.0 {
                *v += flux * kernel.value(dx, dy);
            }
        }
    }
    let mut image = Image::from_pixels(pixels.mapv(|v| v as f32));
    image.meta.zero_point = Some(ZERO_POINT);
    image.meta.exposure_s = Some(EXPOSURE_S);
    image
}

/// The catalogue is 5 % and 0.03 px off, as real ones are.
fn scattered(stars: &[CatalogueStar]) -> Vec<CatalogueStar> {
    stars
        .iter()
        .enumerate()
        .map(|(i, s)| CatalogueStar {
            x: s.x + 0.03 * noise_at(7 * i),
            y: s.y + 0.03 * noise_at(7 * i + 3),
            mag: s.mag + 0.05 * noise_at(7 * i + 5),
            ..*s
        })
        .collect()
}

fn params() -> SubtractJoint {
    SubtractJoint {
        psf_mag: Some((12.2, 16.5)),
        trend_mag: Some(14.8),
        shape_mag: Some(16.5),
        psf_neighbour_share: 0.3,
        min_psf_stars: 8,
        rounds: 3,
        ..SubtractJoint::default()
    }
}

fn subtract(image: &Image, stars: &[CatalogueStar]) -> JointSubtraction {
    subtract_joint(image, None, None, stars, &vec![0.03; stars.len()], &params(), &|| true)
        .expect("the removal succeeds")
}

fn rms(map: &Array2<f32>, margin: usize) -> f64 {
    let inner = map.slice(ndarray::s![margin..SIZE - margin, margin..SIZE - margin]);
    (inner.iter().fold(0.0, |sum, &v| sum + f64::from(v) * f64::from(v)) / inner.len() as f64).sqrt()
}

fn table_of(stars: &[CatalogueStar]) -> Table {
    let column = |f: fn(&CatalogueStar) -> f64| stars.iter().map(f).collect();
    TableBuilder::new()
        .int("id", "", "", stars.iter().map(|s| s.id).collect())
        .float("x", "px", "", column(|s| s.x))
        .float("y", "px", "", column(|s| s.y))
        .float("mag", "mag", "", column(|s| s.mag))
        .float("prob", "", "", column(|s| s.prob))
        .float("sharp", "", "", column(|s| s.sharp))
        .build()
        .expect("a table")
}

#[test]
fn a_crowded_field_is_left_at_its_noise_and_every_flux_is_right() {
    let stars = crowd();
    let done = subtract(&frame(&stars), &scattered(&stars));
    let left = rms(&done.residual, 12) / SIGMA;
    assert!(left < 1.15, "{left} times the noise is left");
    // In a crowd as dense as this one no box is free of stars, and the noise comes out high; it is never low.
    assert!(done.sky_noise / SIGMA > 0.9 && done.sky_noise / SIGMA < 2.0, "{}", done.sky_noise);
    let mut errors: Vec<f64> = Vec::new();
    for (record, s) in done.records.iter().zip(&stars).filter(|(r, s)| r.is_removed() && s.mag < 17.0) {
        errors.push((record.flux / flux_of(s.mag) - 1.0).abs());
    }
    errors.sort_by(f64::total_cmp);
    assert!(errors[errors.len() / 2] < 0.02, "{}", errors[errors.len() / 2]);
}

#[test]
fn stars_on_a_cluster_do_not_take_its_light() {
    let mut stars = crowd();
    stars.retain(|s| libm::hypot(s.x - 128.0, s.y - 128.0) > 20.0);
    let members: Vec<CatalogueStar> =
        (0..6).map(|i| star(900 + i, 122.0 + 2.3 * i as f64, 125.0 + (i * 5 % 7) as f64, 18.0)).collect();
    let mut image = frame(&[stars.clone(), members.clone()].concat());
    let glow = |x: usize, y: usize| {
        let r2 = (x as f64 - 128.0).powi(2) + (y as f64 - 128.0).powi(2);
        40.0 / (1.0 + r2 / 64.0).powi(2)
    };
    let mut total = 0.0;
    for ((y, x), v) in image.pixels.indexed_iter_mut() {
        *v += glow(x, y) as f32;
        if libm::hypot(x as f64 - 128.0, y as f64 - 128.0) < 8.0 {
            total += glow(x, y);
        }
    }
    let done = subtract(&image, &scattered(&[stars, members].concat()));
    let left = done
        .residual
        .indexed_iter()
        .filter(|((y, x), _)| libm::hypot(*x as f64 - 128.0, *y as f64 - 128.0) < 8.0)
        .fold(0.0, |sum, (_, &v)| sum + f64::from(v));
    assert!(left / total > 0.75 && left / total < 1.1, "{} of the light is left", left / total);
}

#[test]
fn a_sea_of_stars_is_left_without_bias() {
    // A star per 1.5 square FWHM, the list complete and 10 % off: no pixel is sky.
    let mut stars: Vec<CatalogueStar> = (0..5500)
        .map(|i| {
            let t = i as f64;
            let place = |step: f64| -0.4 + (t * step).fract() * (SIZE as f64 - 0.2);
            star(i, place(0.754_877_666), place(0.569_840_291), 16.5 + 3.0 * libm::cbrt((t + 0.5) / 5500.0))
        })
        .collect();
    // What the PSF is measured on.
    stars.extend((0..36).map(|i| star(9000 + i, 25.0 + 40.0 * (i % 6) as f64, 28.0 + 39.0 * (i / 6) as f64, 13.0)));
    let listed: Vec<CatalogueStar> =
        (0..stars.len()).map(|i| CatalogueStar { mag: stars[i].mag + 0.1 * noise_at(7 * i + 5), ..stars[i] }).collect();
    let errors = vec![0.1; stars.len()];
    let params = SubtractJoint {
        psf_mag: Some((12.0, 14.0)),
        psf_neighbour_share: 2.0,
        trend_mag: Some(10.0),
        shape_mag: Some(10.0),
        duplicate_px: 0.0,
        ..SubtractJoint::default()
    };
    let done =
        subtract_joint(&frame(&stars), None, None, &listed, &errors, &params, &|| true).expect("the removal succeeds");
    let inner = done.residual.slice(ndarray::s![12..SIZE - 12, 12..SIZE - 12]);
    let mean = inner.iter().fold(0.0, |sum, &v| sum + f64::from(v)) / inner.len() as f64;
    let left = rms(&done.residual, 12) / SIGMA;

    assert!(mean.abs() < 0.5 * SIGMA, "{mean} is left on average");
    assert!(left < 1.3, "{left} times the noise is left");
}

#[test]
fn stars_that_the_catalogue_lacks_beside_bright_ones_are_removed_with_them() {
    let stars = crowd();
    let host = 3;
    let lost = star(999, stars[host].x + 4.2, stars[host].y - 3.1, stars[host].mag + 4.0);
    let image = frame(&[stars.clone(), vec![lost]].concat());
    let with = subtract(&image, &scattered(&stars));
    let params = SubtractJoint { companion_sigma: 1e9, ..params() };
    let without = subtract_joint(&image, None, None, &scattered(&stars), &vec![0.03; stars.len()], &params, &|| true)
        .expect("the removal succeeds");
    let light = |map: &Array2<f32>| {
        map.indexed_iter()
            .filter(|((y, x), _)| libm::hypot(*x as f64 - lost.x, *y as f64 - lost.y) < 3.0)
            .fold(0.0, |sum, (_, &v)| sum + f64::from(v))
            / flux_of(lost.mag)
    };
    assert!(light(&without.residual) > 0.5 && light(&with.residual).abs() < 0.15, "{}", light(&with.residual));
    assert_eq!(with.records[host].n_companions, 1);
    assert_eq!(without.records.iter().map(|r| r.n_companions).sum::<i64>(), 0);
    // Nothing is in the table that the catalogue does not have.
    assert_eq!(with.records.len(), stars.len());
}

#[test]
fn bad_pixels_are_zero_and_sources_that_are_no_stars_stay() {
    let mut stars = crowd();
    let mut image = frame(&stars);
    stars[300].prob = 0.1;
    stars[301].sharp = 0.9;
    stars[302].mag = f64::NAN;
    stars.push(CatalogueStar { mag: stars[10].mag + 0.2, x: stars[10].x + 0.5, ..stars[10] });
    // As close, but not as bright: another star.
    stars.push(CatalogueStar { mag: stars[20].mag + 2.0, x: stars[20].x + 0.5, ..stars[20] });
    let mut mask = Array2::zeros((SIZE, SIZE));
    mask[[50, 60]] = MaskBits::BAD;
    image.pixels[[50, 60]] = f32::NAN;
    image.pixels[[51, 60]] = f32::INFINITY;
    image.mask = Some(mask);
    let done = subtract(&image, &stars);
    assert!(done.residual[[50, 60]] == 0.0 && done.residual[[51, 60]] == 0.0);
    assert!(done.residual.iter().chain(&done.noise).all(|v| v.is_finite()));
    let flags = |i: usize| done.records[i].flags;
    assert_eq!(
        [flags(300), flags(301), flags(302)],
        [JointFlags::PROBABILITY, JointFlags::SHARPNESS, JointFlags::OUTSIDE]
    );
    assert_eq!(flags(500), JointFlags::DUPLICATE);
    assert!(done.records[501].is_removed());
    assert!(!done.records[301].is_removed() && done.records[10].is_removed());
}

#[test]
fn hidden_cores_take_no_part_and_leave_no_hole() {
    let mut stars = crowd();
    // A bright star whose core the survey interpolated at a third of its height.
    stars.push(star(900, 128.3, 127.8, 11.0));
    let mut image = frame(&stars);
    let (kernel, flux) = (kernel_at(128.0), flux_of(11.0));
    let mut mask = Array2::zeros((SIZE, SIZE));
    for ((y, x), v) in image.pixels.indexed_iter_mut() {
        let (dx, dy) = (x as f64 - 128.3, y as f64 - 127.8);
        if dx * dx + dy * dy < 9.0 {
            *v -= (0.67 * flux * kernel.value(dx, dy)) as f32;
            mask[[y, x]] = MaskBits::SATURATED;
        }
    }
    let mut hider = image.clone();
    hider.mask = Some(mask.clone());
    let mut list = scattered(&stars);
    list[500].mag = 11.3;
    let harness = |image: Image| Harness::new(params()).input("image", image).input("stars", table_of(&list));
    let outcome = harness(image.clone()).input("mask", hider).run().expect("the removal succeeds");
    let residual = outcome.get::<Image>("image");
    let found = residual.mask.as_ref().expect("a mask");
    assert!(found.indexed_iter().all(|(at, m)| (*m == MaskBits::SATURATED) == (mask[at] != 0)));
    let deepest = residual.pixels.indexed_iter().filter(|(at, _)| mask[*at] != 0).map(|(_, v)| v.abs());
    assert!(deepest.fold(0.0, f32::max) < 0.01 * image.pixels[[128, 128]]);
    let with_stars = outcome.get::<Image>("with_stars");
    assert!(with_stars.mask.is_none() && with_stars.pixels[[128, 128]] > 0.9 * (image.pixels[[128, 128]] - SKY as f32));
    let flux_found = outcome.get::<Table>("stars").floats("flux").expect("fluxes")[500];
    assert!((flux_found / flux - 1.0).abs() < 0.1, "{flux_found}, not {flux}");

    // The image itself can say it.
    let marked = Image { mask: Some(mask.mapv(|m| if m == 0 { 0 } else { MaskBits::INTERPOLATED })), ..image };
    let same = harness(marked).run().expect("the removal succeeds");
    assert_eq!(same.get::<Image>("image").pixels, residual.pixels);
    assert!(same.get::<Image>("image").mask.as_ref().is_some_and(|m| m.mapv(|m| m & MaskBits::SATURATED) == *found));
    assert_eq!(same.digests().expect("files")["stars"], outcome.digests().expect("files")["stars"]);
}

#[test]
fn too_few_psf_stars_is_an_error_with_the_counts() {
    let stars = [star(0, 100.0, 100.0, 14.0)];
    let image = frame(&stars);
    let error =
        subtract_joint(&image, None, None, &stars, &[0.0], &params(), &|| true).expect_err("one star is no PSF");
    assert!(matches!(error, JointError::TooFewPsfStars { found: 1, needed: 8, .. }), "{error}");
    let error = subtract_joint(&image, None, None, &[], &[], &params(), &|| true).expect_err("no star is no PSF");
    assert!(error.to_string().starts_with("0 PSF stars"), "{error}");
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let stage =
        SubtractJoint { psf_mag: Some((16.0, 12.0)), flux_prior: f64::NAN, rounds: 1, ..SubtractJoint::default() };
    let mut problems = Problems::new();
    stage.check(&mut problems);
    assert_eq!(problems.list().len(), 3);
}

fn harness() -> Harness {
    let stars = crowd();
    Harness::new(SubtractJoint { rounds: 2, ..params() })
        .input("image", frame(&stars))
        .input("stars", table_of(&scattered(&stars)))
}

determinism_test!(subtract_joint_is_deterministic, harness());
golden_test!(subtract_joint_is_frozen, harness(), version: 3, digest: "8dbea4897449");
