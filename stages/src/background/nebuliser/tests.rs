//! Tests of the nebuliser against the reference vectors, and of the stage.

use ndarray::{Array2, Axis};
use skyloom_data::{Image, MaskBits};
use skyloom_engine::{CancelToken, ErrorClass, Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, floats, golden_test, vector_json};

use super::line_pass::{FLAG_BAD, LineFilter, WindowStatistic, filter_lines};
use super::*;

fn go_on(_: u64) -> bool {
    true
}

fn run(pixels: &Array2<f32>, bad: &Array2<bool>, params: &Nebulise) -> Nebulised {
    nebulise(pixels.view(), bad.view(), params, &go_on).expect("the image has good pixels")
}

fn params_of(case: &serde_json::Value) -> Nebulise {
    let count = |name: &str| case[name].as_u64().unwrap() as usize;
    let flag = |name: &str| case[name].as_bool().unwrap();
    Nebulise {
        iterations: count("niter"),
        axis: if count("axis") == 1 { FilterAxis::RowsFirst } else { FilterAxis::ColumnsFirst },
        twod: flag("twod"),
        takeout_sky: flag("takeout"),
        norm: flag("norm"),
        clip_low_sigma: case["signeg"].as_f64().unwrap(),
        clip_high_sigma: case["sigpos"].as_f64().unwrap(),
        ..Nebulise::new(count("medfilt"), count("linfilt"))
    }
}

fn vector_image() -> (Array2<f32>, Array2<bool>) {
    let file = vector_json("nebuliser.json");
    let shape = (file["ny"].as_u64().unwrap() as usize, file["nx"].as_u64().unwrap() as usize);
    let pixels = Array2::from_shape_vec(shape, floats(&file["image"])).unwrap().mapv(|v| v as f32);
    let bad = Array2::from_shape_vec(shape, floats(&file["conf"])).unwrap().mapv(|c| c == 0.0);
    (pixels, bad)
}

#[test]
fn every_case_equals_the_vector() {
    let (pixels, confidence) = vector_image();
    for case in vector_json("nebuliser.json")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let params = params_of(case);
        let bad = if case["use_conf"].as_bool().unwrap() {
            confidence.clone()
        } else {
            Array2::from_elem(pixels.raw_dim(), false)
        };
        let done = run(&pixels, &bad, &params);
        // 0.01 counts, and 2e-5 for ratios, from the note; the vectors are stored with three decimals.
        let background = Array2::from_shape_vec(pixels.raw_dim(), floats(&case["background"])).unwrap();
        for ((at, found), expected) in done.background.indexed_iter().zip(&background) {
            assert!(
                (f64::from(*found) - expected).abs() < 0.01,
                "{name} background at {at:?}: {found}, not {expected}"
            );
        }
        let tolerance = if params.norm { 2e-5 } else { 0.01 };
        for probe in case["out_probes"].as_array().unwrap() {
            let probe = floats(probe);
            let found = f64::from(done.image[[probe[0] as usize, probe[1] as usize]]);
            assert!((found - probe[2]).abs() < tolerance, "{name} output at {probe:?}: {found}");
        }
        let sky = case["sky_added"].as_f64().unwrap();
        assert!((f64::from(done.sky) - sky).abs() < 0.01, "{name} sky: {}, not {sky}", done.sky);
        let clipped = case["n_clipped"].as_u64().unwrap();
        assert!(done.n_clipped.abs_diff(clipped) <= 2, "{name} clipped: {}, not {clipped}", done.n_clipped);
    }
}

#[test]
fn lines_equal_the_vector_with_and_without_bad_pixels() {
    let line = &vector_json("nebuliser.json")["line"];
    let data: Vec<f32> = floats(&line["data"]).iter().map(|&v| v as f32).collect();
    let bad = floats(&line["bad"]);
    for (cases, with_bad) in [("cases", false), ("bad_cases", true)] {
        for case in line[cases].as_array().unwrap() {
            let statistic = if case["stat"] == "med" { WindowStatistic::Median } else { WindowStatistic::Mean };
            let window = case["nfilt"].as_u64().unwrap() as usize;
            let filter = LineFilter::new(window, statistic, false, data.len());
            let mut flags = Array2::zeros((1, data.len()));
            if with_bad {
                bad.iter().for_each(|&i| flags[[0, i as usize]] = FLAG_BAD);
            }
            let source = Array2::from_shape_vec((1, data.len()), data.clone()).unwrap();
            let expected = floats(&case["out"]);
            let mut row = source.clone();
            filter_lines(&filter, None, &mut row, &flags, FLAG_BAD, Axis(1), &go_on).unwrap();
            let mut column = Array2::zeros((data.len(), 1));
            filter_lines(&filter, Some(source.t()), &mut column, &flags.t().to_owned(), FLAG_BAD, Axis(0), &go_on)
                .unwrap();
            for (i, expected) in expected.iter().enumerate() {
                // 2e-3 from the note.
                let found = f64::from(row[[0, i]]);
                assert!((found - expected).abs() < 2e-3, "{statistic:?} {window} at {i}: {found}, not {expected}");
                assert_eq!(row[[0, i]], column[[i, 0]], "rows and columns differ at {i}");
            }
        }
    }
}

#[test]
fn robust_statistics_equal_the_vector() {
    let file = &vector_json("nebuliser.json")["qmedsig"];
    let data: Vec<f32> = floats(&file["data"]).iter().map(|&v| v as f32).collect();
    for case in file["cases"].as_array().unwrap() {
        let clips = case["niter"].as_u64().unwrap() as usize;
        let found = robust_statistics(&data, Statistics::Histogram, case["thresh"].as_f64().unwrap(), clips).unwrap();
        assert!((found.median - case["median"].as_f64().unwrap()).abs() < 2e-3, "{found:?}");
        assert!((found.sigma - case["sigma"].as_f64().unwrap()).abs() < 2e-3, "{found:?}");
    }
    let exact = robust_statistics(&data, Statistics::Exact, 3.0, 3).unwrap();
    let histogram = robust_statistics(&data, Statistics::Histogram, 3.0, 3).unwrap();
    // About 0.05 sigma, from the note; 0.1 because 400 values leave gaps between neighbouring ranks.
    assert!((exact.median - histogram.median).abs() < 0.1 * exact.sigma, "{exact:?} {histogram:?}");
    assert!((exact.sigma / histogram.sigma - 1.0).abs() < 0.1, "{exact:?} {histogram:?}");
}

fn no_bad(pixels: &Array2<f32>) -> Array2<bool> {
    Array2::from_elem(pixels.raw_dim(), false)
}

#[test]
fn a_constant_image_comes_back() {
    let pixels = Array2::from_elem((70, 90), 1234.0_f32);
    for twod in [false, true] {
        for stats in [Statistics::Histogram, Statistics::Exact] {
            let params = Nebulise { twod, stats, ..Nebulise::new(21, 7) };
            let done = run(&pixels, &no_bad(&pixels), &params);
            assert!(done.image.iter().all(|v| (v - 1234.0).abs() < 1e-3), "twod {twod}, {stats:?}");
        }
    }
}

#[test]
fn a_plane_is_its_own_background_up_to_the_edge() {
    let pixels = Array2::from_shape_fn((90, 110), |(y, x)| 500.0 + 0.25 * x as f32 - 0.5 * y as f32);
    let params = Nebulise { iterations: 1, ..Nebulise::new(30, 10) };
    let done = run(&pixels, &no_bad(&pixels), &params);
    for (found, expected) in done.background.iter().zip(&pixels) {
        assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
    }
}

#[test]
fn adding_a_constant_shifts_the_background_by_it() {
    let (pixels, bad) = vector_image();
    let shifted = pixels.mapv(|v| v + 50.0);
    for twod in [false, true] {
        let params = Nebulise { twod, ..Nebulise::new(15, 5) };
        let before = run(&pixels, &bad, &params);
        let after = run(&shifted, &bad, &params);
        for (a, b) in before.background.iter().zip(&after.background) {
            assert!((b - a - 50.0).abs() < 1e-3, "{a} {b}");
        }
    }
}

#[test]
fn exact_statistics_work_at_any_scale() {
    let (pixels, bad) = vector_image();
    // Powers of two, so that scaling is exact and every decision the same.
    let large = pixels.mapv(|v| v * 1024.0);
    let params = Nebulise { stats: Statistics::Exact, ..Nebulise::new(15, 5) };
    let reference = run(&pixels, &bad, &params);
    let scaled = run(&large, &bad, &params);
    assert_eq!(reference.n_clipped, scaled.n_clipped);
    assert_eq!(reference.sky * 1024.0, scaled.sky);
    let histogram = nebulise(large.view(), bad.view(), &Nebulise::new(15, 5), &go_on);
    assert_eq!(histogram, Err(NebuliseError::OutsideHistogram { what: "good pixels" }));
}

#[test]
fn nan_pixels_are_left_out_like_bad_ones() {
    let (pixels, bad) = vector_image();
    let mut holed = pixels.clone();
    for (v, &b) in holed.iter_mut().zip(&bad) {
        if b {
            *v = f32::NAN;
        }
    }
    let params = Nebulise::new(15, 5);
    let by_mask = run(&pixels, &bad, &params);
    let by_nan = run(&holed, &no_bad(&pixels), &params);
    assert_eq!(by_mask.background, by_nan.background);
    assert_eq!(by_mask.sky, by_nan.sky);
}

#[test]
fn a_row_without_good_pixels_has_no_background_and_disturbs_no_other() {
    let (pixels, mut bad) = vector_image();
    bad.row_mut(17).fill(true);
    for twod in [false, true] {
        let done = run(&pixels, &bad, &Nebulise { twod, ..Nebulise::new(11, 5) });
        for ((y, x), v) in done.background.indexed_iter() {
            // The square window reaches over the row, so that it has values there.
            assert_eq!(v.is_nan(), y == 17 && !twod, "at {x}, {y}: {v}");
            assert!(v.is_nan() || (400.0..900.0).contains(v), "at {x}, {y}: {v}");
        }
    }
}

fn example(params: Nebulise) -> Harness {
    let (pixels, bad) = vector_image();
    let mut image = Image::from_pixels(pixels);
    image.mask = Some(bad.mapv(|b| if b { MaskBits::BAD } else { 0 }));
    Harness::new(params).input("image", image)
}

determinism_test!(nebulise_is_deterministic, example(Nebulise::new(15, 5)));
determinism_test!(square_nebulise_is_deterministic, example(Nebulise { twod: true, ..Nebulise::new(15, 5) }));
golden_test!(nebulise_keeps_its_result, example(Nebulise::new(15, 5)), version: 1, digest: "2e84334e46e5");

#[test]
fn the_stage_keeps_mask_and_facts() {
    let (pixels, bad) = vector_image();
    let mut image = Image::from_pixels(pixels);
    image.mask = Some(bad.mapv(|b| if b { MaskBits::BAD } else { 0 }));
    image.meta.unit = Some("adu".into());
    let outcome = Harness::new(Nebulise::new(15, 5)).input("image", image.clone()).run().unwrap();
    for port in ["image", "background"] {
        let product = outcome.get::<Image>(port);
        assert_eq!(product.mask, image.mask);
        assert_eq!(product.meta, image.meta);
    }
    assert!(outcome.metrics.iter().any(|(name, value)| name == "n_clipped" && (*value - 388.0).abs() <= 2.0));
}

#[test]
fn hopeless_images_give_data_errors_that_name_the_counts() {
    let params = Nebulise::new(15, 5);
    for (pixels, word) in [
        (Array2::from_elem((20, 30), f32::NAN), "600 not finite"),
        (Array2::from_elem((1, 1), 5.0), "1 x 1"),
        (Array2::zeros((0, 0)), "no pixels"),
        (Array2::from_elem((20, 30), 1e9), "-1000 to 65535"),
    ] {
        let error = Harness::new(params.clone()).input("image", Image::from_pixels(pixels)).run().unwrap_err();
        assert_eq!(error.class, ErrorClass::Data, "{error}");
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn one_pixel_is_enough_for_a_window_of_one() {
    let image = Image::from_pixels(Array2::from_elem((1, 1), 5.0));
    let outcome = Harness::new(Nebulise::new(1, 1)).input("image", image).run().unwrap();
    assert_eq!(outcome.get::<Image>("background").pixels[[0, 0]], 5.0);
}

#[test]
fn a_pulled_token_stops_the_work() {
    let token = CancelToken::new();
    token.cancel();
    for twod in [false, true] {
        let error = example(Nebulise { twod, ..Nebulise::new(15, 5) }).cancel(token.clone()).run().unwrap_err();
        assert_eq!(error.class, ErrorClass::Cancelled);
    }
}

#[test]
fn bad_parameters_are_all_reported() {
    let params = Nebulise {
        iterations: 0,
        clip_low_sigma: f64::NAN,
        clip_high_sigma: f64::INFINITY,
        norm: true,
        takeout_sky: true,
        ..Nebulise::new(0, 0)
    };
    let mut problems = Problems::new();
    params.check(&mut problems);
    assert_eq!(problems.list().len(), 6, "{problems:?}");
}

#[test]
fn a_window_larger_than_the_image_is_reported_before_any_pixel() {
    let facet = skyloom_data::facets::ImageFacet { width: Some(40), height: Some(36), ..Default::default() };
    let mut inputs = Facets::new();
    inputs.add("image", "sky.image", facet.to_facet());
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    Nebulise::new(90, 30).infer(&inputs, &mut outputs, &mut problems);
    assert_eq!(problems.list().len(), 1, "{problems:?}");
    assert_eq!(outputs.get("background"), facet.to_facet());
}
