//! Behaviour of the subtraction on made stars and clusters.

use ndarray::Array2;
use skyloom_data::{Image, MaskBits, PsfCell, PsfField, PsfModel, Table, TableBuilder};
use skyloom_engine::{CancelToken, ErrorClass, Facets, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;
use crate::psf::{Candidate, Profile, params_from_shape};

const SHAPE: [f64; 4] = [2.2, 2.0, 0.4, 3.0];
const SIZE: usize = 220;

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

fn psf() -> PsfField {
    let cell = PsfCell {
        n_stars: 50,
        median: SHAPE.to_vec(),
        scatter: vec![0.05, 0.05, 0.1, 0.2],
        fwhm: 2.0 * (SHAPE[0] * SHAPE[1]).sqrt() * (libm::cbrt(2.0) - 1.0).sqrt(),
        is_borrowed: false,
    };
    PsfField { model: PsfModel::Moffat, width: SIZE, height: SIZE, n_x: 1, n_y: 1, cells: vec![cell] }
}

/// An image of noise 1 with stars (peak, x, y).
fn sky(stars: &[(f64, f64, f64)]) -> Image {
    let profiles: Vec<Profile> = stars
        .iter()
        .map(|&(peak, x, y)| Profile::new(PsfModel::Moffat, &params_from_shape(PsfModel::Moffat, &SHAPE, peak, x, y)))
        .collect();
    Image::from_pixels(Array2::from_shape_fn((SIZE, SIZE), |(y, x)| {
        let light = profiles.iter().fold(0.0, |sum, p| sum + p.value(x as f64, y as f64));
        (noise_at(y * SIZE + x) + light) as f32
    }))
}

fn flat_noise() -> Image {
    Image::from_pixels(Array2::ones((SIZE, SIZE)))
}

/// A crowded field with stars of all brightnesses.
fn crowd() -> Vec<(f64, f64, f64)> {
    (0..160)
        .map(|i| {
            let peak = 8.0 * libm::pow(1.05, f64::from(i));
            let place = |step: f64| 4.0 + (f64::from(i) * step).fract() * (SIZE as f64 - 8.0);
            (peak, place(0.754_877_666), place(0.569_840_291))
        })
        .collect()
}

/// Detections a fraction of a pixel beside the stars.
fn candidates(stars: &[(f64, f64, f64)]) -> Vec<Candidate> {
    stars
        .iter()
        .enumerate()
        .map(|(id, &(peak, x, y))| Candidate { id, x: x + 0.2, y: y - 0.15, flux: peak, sharpness: 0.6 })
        .collect()
}

fn table(list: &[Candidate]) -> Table {
    TableBuilder::new()
        .float("x", "px", "", list.iter().map(|c| c.x).collect())
        .float("y", "px", "", list.iter().map(|c| c.y).collect())
        .float("flux", "", "", list.iter().map(|c| c.flux).collect())
        .float("sharpness", "", "", list.iter().map(|c| c.sharpness).collect())
        .build()
        .expect("columns of one length")
}

fn run(image: &Image, list: &[Candidate], params: &SubtractStars, schedule: Schedule) -> Subtraction {
    subtract_stars(image, &flat_noise(), &psf(), list, params, schedule, &|| true).expect("it runs")
}

fn harness(stage: SubtractStars, image: Image, list: &[Candidate]) -> Harness {
    Harness::new(stage)
        .input("image", image)
        .input("noise", flat_noise())
        .input("stars", table(list))
        .input("psf", psf())
}

/// Root mean square of the residual within `radius` of a place, zeroed pixels left out.
fn rms(sub: &Subtraction, x: f64, y: f64, radius: f64) -> f64 {
    let (sum, n) = sub.pixels.indexed_iter().fold((0.0, 0.0_f64), |(s, n), ((py, px), v)| {
        let is_near = libm::hypot(px as f64 - x, py as f64 - y) <= radius;
        if is_near && *v != 0.0 { (s + f64::from(v * v), n + 1.0) } else { (s, n) }
    });
    (sum / n.max(1.0)).sqrt()
}

#[test]
fn levels_equal_the_sequential_order_bit_for_bit() {
    let stars = crowd();
    let (image, list) = (sky(&stars), candidates(&stars));
    let params = SubtractStars::default();
    let one = run(&image, &list, &params, Schedule::Sequential);
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let many = pool.install(|| run(&image, &list, &params, Schedule::Levels));
        assert!(many.n_levels > 1 && many.n_levels < one.n_levels);
        let bits = |s: &Subtraction| s.pixels.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&many), bits(&one));
        assert_eq!(many.mask, one.mask);
        assert_eq!(format!("{:?}", many.records), format!("{:?}", one.records));
    }
}

#[test]
fn the_order_of_the_table_does_not_matter() {
    let stars = crowd();
    let (image, list) = (sky(&stars), candidates(&stars));
    let shuffled: Vec<Candidate> =
        (0..list.len()).map(|i| Candidate { id: i, ..list[(i * 37 + 11) % list.len()] }).collect();
    let params = SubtractStars::default();
    let (a, b) = (run(&image, &list, &params, Schedule::Levels), run(&image, &shuffled, &params, Schedule::Levels));
    assert_eq!(a.pixels, b.pixels);
    assert_eq!(a.mask, b.mask);
}

#[test]
fn an_isolated_star_disappears_into_the_noise_with_its_flux_measured() {
    let stars = [(60.0, 80.3, 100.6)];
    let sub = run(&sky(&stars), &candidates(&stars), &SubtractStars::default(), Schedule::Levels);
    let record = &sub.records[0];
    assert_eq!((record.class, record.flags), (StarClass::Faint, 0));
    // A peak of 60 sigma fixes the centre to about 0.02 px.
    assert!((record.x - 80.3).abs() < 0.06 && (record.y - 100.6).abs() < 0.06, "{record:?}");
    let truth = std::f64::consts::PI * 60.0 * SHAPE[0] * SHAPE[1] / (SHAPE[3] - 1.0);
    assert!((record.flux / truth - 1.0).abs() < 0.1, "{} {truth}", record.flux);
    assert!(rms(&sub, 80.3, 100.6, 6.0) < 1.3);
    assert!(sub.mask.is_none(), "no core was blanked");
}

#[test]
fn a_bright_star_loses_its_core_to_the_mask_and_its_wings_to_the_fit() {
    let stars = [(5000.0, 110.2, 100.6)];
    let sub = run(&sky(&stars), &candidates(&stars), &SubtractStars::default(), Schedule::Levels);
    let record = &sub.records[0];
    assert_eq!((record.class, record.flags), (StarClass::Bright, 0));
    let mask = sub.mask.as_ref().expect("a core");
    let core: Vec<_> = mask.indexed_iter().filter(|(_, m)| **m & MaskBits::CORE != 0).map(|(p, _)| p).collect();
    assert_eq!(core.len(), record.n_core);
    assert!(core.len() > 20 && core.iter().all(|&(y, x)| sub.pixels[[y, x]] == 0.0));
    assert!(rms(&sub, 110.2, 100.6, 15.0) < 1.5);
}

#[test]
fn a_flat_core_split_into_several_detections_is_one_saturated_star() {
    let mut image = sky(&[(40_000.0, 110.0, 100.0)]);
    image.pixels.mapv_inplace(|v| v.min(1500.0));
    let list: Vec<Candidate> = [(109.0, 99.0), (111.0, 100.0), (110.0, 102.0)]
        .iter()
        .enumerate()
        .map(|(id, &(x, y))| Candidate { id, x, y, flux: 1500.0, sharpness: 0.3 })
        .collect();
    let sub = run(&image, &list, &SubtractStars::default(), Schedule::Levels);
    let saturated: Vec<_> = sub.records.iter().filter(|r| r.flags == 0).collect();
    assert_eq!(saturated.len(), 1);
    assert_eq!(saturated[0].class, StarClass::Saturated);
    assert!((saturated[0].x - 110.0).abs() < 0.3 && (saturated[0].y - 100.0).abs() < 0.3);
    assert_eq!(sub.records.iter().filter(|r| r.flags & StarFlags::MERGED != 0).count(), 2);
    assert!(rms(&sub, 110.0, 100.0, 25.0) < 1.6);
    // Without any detection the core is found all the same.
    let alone = run(&image, &[], &SubtractStars::default(), Schedule::Levels);
    assert_eq!((alone.records.len(), alone.records[0].id), (1, None));
    assert!(rms(&alone, 110.0, 100.0, 25.0) < 1.6);
}

#[test]
fn blanked_and_flagged_pixels_mark_a_saturated_star() {
    let mut image = sky(&[(40_000.0, 110.0, 100.0)]);
    let mut mask = Array2::zeros((SIZE, SIZE));
    image.pixels.indexed_iter_mut().for_each(|((y, x), v)| {
        if *v > 1500.0 {
            mask[[y, x]] = MaskBits::SATURATED;
            *v = -50.0;
        }
    });
    let list = [Candidate { id: 0, x: 113.0, y: 101.0, flux: 1500.0, sharpness: 0.5 }];
    let unflagged = run(&image, &list, &SubtractStars::default(), Schedule::Levels);
    image.mask = Some(mask);
    let flagged = run(&image, &list, &SubtractStars::default(), Schedule::Levels);
    for sub in [&unflagged, &flagged] {
        assert_eq!((sub.records[0].class, sub.records[0].flags), (StarClass::Saturated, 0));
        assert!(rms(sub, 110.0, 100.0, 25.0) < 1.6, "{}", rms(sub, 110.0, 100.0, 25.0));
    }
}

/// Adds a Plummer cluster of a given central brightness.
fn with_plummer(mut image: Image, peak: f64, radius: f64, x0: f64, y0: f64) -> Image {
    image.pixels.indexed_iter_mut().for_each(|((y, x), v)| {
        let square = (x as f64 - x0).powi(2) + (y as f64 - y0).powi(2);
        *v += (peak * (1.0 + square / (radius * radius)).powi(-2)) as f32;
    });
    image
}

#[test]
fn a_smooth_cluster_is_not_swallowed_whatever_its_brightness() {
    // Half-light radius 10 px; 15 mag on the SDSS frame is a peak of 3 nanomaggies, 100 times the sky noise.
    for peak in [10.0, 100.0, 1000.0, 20_000.0] {
        let image = with_plummer(sky(&[]), peak, 10.0, 110.0, 100.0);
        let list = [Candidate { id: 0, x: 110.1, y: 100.1, flux: peak, sharpness: 0.4 }];
        let sub = run(&image, &list, &SubtractStars::default(), Schedule::Levels);
        assert_eq!(sub.records[0].model, StarModel::None, "peak {peak}: {:?}", sub.records[0]);
        assert_eq!(sub.pixels, image.pixels);
        assert!(sub.mask.is_none());
    }
}

#[test]
fn a_star_inside_a_cluster_takes_only_its_own_light_away() {
    let image = with_plummer(sky(&[(80.0, 116.0, 103.0)]), 30.0, 12.0, 110.0, 100.0);
    let list = candidates(&[(80.0, 116.0, 103.0)]);
    let sub = run(&image, &list, &SubtractStars::default(), Schedule::Levels);
    assert_eq!(sub.records[0].flags, 0);
    let cluster = with_plummer(sky(&[]), 30.0, 12.0, 110.0, 100.0);
    let (found, truth) = sub.pixels.indexed_iter().fold((0.0, 0.0), |(f, t), ((y, x), v)| {
        let near = libm::hypot(x as f64 - 116.0, y as f64 - 103.0) <= 5.0;
        if near { (f + f64::from(*v), t + f64::from(cluster.pixels[[y, x]])) } else { (f, t) }
    });
    // Without the annulus about half of the cluster's light below the star goes with it.
    assert!((found / truth - 1.0_f64).abs() < 0.15, "{found} {truth}");
    let greedy = SubtractStars { annulus_px: 0.0, max_misfit: 1.0, ..SubtractStars::default() };
    let eaten = run(&image, &list, &greedy, Schedule::Levels);
    let kept = |s: &Subtraction| {
        s.pixels.slice(ndarray::s![98..109, 111..122]).iter().map(|v| f64::from(*v)).fold(0.0, |a, b| a + b)
    };
    assert!(kept(&eaten) < kept(&sub));
}

#[test]
fn duplicates_sharp_and_stray_detections_are_flagged_rows() {
    let stars = [(60.0, 80.3, 100.6)];
    let mut list = candidates(&stars);
    list.push(Candidate { id: 1, x: 80.9, y: 100.5, flux: 50.0, sharpness: 0.6 });
    list.push(Candidate { id: 2, x: 150.0, y: 30.0, flux: 50.0, sharpness: 2.0 });
    list.push(Candidate { id: 3, x: f64::NAN, y: 1e300, flux: 50.0, sharpness: 0.6 });
    list.push(Candidate { id: 4, x: -5.0, y: 20.0, flux: 50.0, sharpness: f64::NAN });
    list.push(Candidate { id: 5, x: 20.0, y: 200.0, flux: 50.0, sharpness: 0.6 });
    let sub = run(&sky(&stars), &list, &SubtractStars::default(), Schedule::Levels);
    let flags: Vec<i64> = sub.records.iter().map(|r| r.flags).collect();
    assert_eq!(flags[0] | flags[1], StarFlags::DUPLICATE);
    assert_eq!(flags[2] & StarFlags::SHARPNESS, StarFlags::SHARPNESS);
    assert_eq!(&flags[3..5], &[StarFlags::OUTSIDE, StarFlags::OUTSIDE]);
    assert_eq!(flags[5], StarFlags::REMOVED_BEFORE, "nothing is there");
}

#[test]
fn undefined_masked_and_noiseless_pixels_are_left_alone() {
    let stars = [(60.0, 80.3, 100.6)];
    let mut image = sky(&stars);
    image.pixels[[101, 81]] = f32::NAN;
    image.pixels[[99, 79]] = f32::INFINITY;
    let mut mask = Array2::zeros((SIZE, SIZE));
    mask[[100, 82]] = MaskBits::BAD;
    image.pixels[[100, 82]] = 9e9;
    image.mask = Some(mask.clone());
    let sub = run(&image, &candidates(&stars), &SubtractStars::default(), Schedule::Levels);
    assert_eq!(sub.records[0].flags, 0);
    assert!(sub.pixels[[101, 81]].is_nan() && sub.pixels[[99, 79]].is_infinite());
    assert_eq!(sub.mask, Some(mask), "nothing but the input's own mask");
    let none = subtract_stars(
        &image,
        &Image::from_pixels(Array2::zeros((SIZE, SIZE))),
        &psf(),
        &candidates(&stars),
        &SubtractStars::default(),
        Schedule::Levels,
        &|| true,
    )
    .expect("it runs");
    assert_eq!(none.records[0].flags, StarFlags::OUTSIDE, "no noise, no fit");
}

#[test]
fn odd_inputs_give_products_or_clear_errors() {
    let empty = harness(SubtractStars::default(), sky(&[]), &[]).run().expect("no stars is no error");
    assert_eq!(empty.get::<Table>("stars").n_rows(), 0);
    assert_eq!(empty.get::<Image>("image").pixels, sky(&[]).pixels);
    let other = Harness::new(SubtractStars::default())
        .input("image", Image::from_pixels(Array2::ones((1, 1))))
        .input("noise", Image::from_pixels(Array2::ones((1, 1))))
        .input("stars", table(&candidates(&[(5.0, 0.0, 0.0)])));
    let error = other.clone().input("psf", psf()).run().expect_err("another image's PSF");
    assert_eq!(error.class, ErrorClass::Data);
    assert!(error.message.contains("220 x 220") && error.message.contains("1 x 1"), "{error}");
    let small = PsfField { width: 1, height: 1, ..psf() };
    assert!(other.clone().input("psf", small.clone()).run().is_ok());
    let broken = PsfField { cells: Vec::new(), ..small };
    assert_eq!(other.input("psf", broken).run().expect_err("no cells").class, ErrorClass::Data);
}

#[test]
fn too_many_failures_and_a_cancelled_run_end_the_stage() {
    let stars = crowd();
    let strict = SubtractStars { max_iterations: 1, max_failed_fraction: 0.2, ..SubtractStars::default() };
    let error = harness(strict, sky(&stars), &candidates(&stars)).run().expect_err("one step converges nowhere");
    assert_eq!(error.class, ErrorClass::Data);
    assert!(error.message.contains("did not converge") && error.help.is_some());
    let token = CancelToken::new();
    token.cancel();
    let stopped = harness(SubtractStars::default(), sky(&stars), &candidates(&stars)).cancel(token).run();
    assert_eq!(stopped.expect_err("cancelled").class, ErrorClass::Cancelled);
}

#[test]
fn bad_parameters_are_all_reported() {
    let stage = SubtractStars {
        core_level_sigma: f64::NAN,
        min_radius_px: 60.0,
        max_misfit: -0.1,
        max_iterations: 0,
        min_wing_pixels: 3,
        ..SubtractStars::default()
    };
    let mut problems = Problems::new();
    stage.check(&mut problems);
    assert_eq!(problems.list().len(), 5);
    let mut none = Problems::new();
    SubtractStars::default().check(&mut none);
    assert!(none.is_empty());
}

#[test]
fn the_table_has_the_columns_that_were_announced() {
    let mut outputs = skyloom_engine::FacetsOut::new();
    SubtractStars::default().infer(&Facets::new(), &mut outputs, &mut Problems::new());
    let announced = skyloom_data::facets::TableFacet::from_facet(&outputs.get("stars")).columns.expect("known");
    let outcome = harness(SubtractStars::default(), sky(&[]), &[]).run().expect("runs");
    let names: Vec<String> = announced.into_iter().map(|(n, _)| n).collect();
    assert_eq!(outcome.get::<Table>("stars").column_names(), names);
}

determinism_test!(
    subtract_stars_is_deterministic,
    harness(SubtractStars::default(), sky(&crowd()), &candidates(&crowd()))
);
golden_test!(
    subtract_stars_is_frozen,
    harness(SubtractStars::default(), sky(&crowd()[..40]), &candidates(&crowd()[..40])),
    version: 4,
    digest: "882c7be2180a"
);
