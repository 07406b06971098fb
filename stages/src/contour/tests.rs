use ndarray::Array2;
use skyloom_data::{Image, Isophotes, MaskBits};
use skyloom_engine::{Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, floats, golden_test, vector_csv, vector_json};

use super::*;
use crate::measure::polygon;

fn all() -> ContourOptions {
    ContourOptions::default()
}

fn grid(rows: &[&[f64]]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x])
}

/// Correlated bumps without a random generator: many islands, holes, saddles and edge crossings.
fn bumpy(width: usize, height: usize) -> Array2<f32> {
    Array2::from_shape_fn((height, width), |(y, x)| {
        let (x, y) = (x as f64, y as f64);
        let waves =
            libm::sin(0.71 * x + 0.13 * y) * libm::cos(0.37 * y - 0.21 * x) + libm::sin(1.9 * x) * libm::sin(2.3 * y);
        (4.0 * waves + 6.0 * libm::exp(-(libm::pow(x - 30.0, 2.0) + libm::pow(y - 25.0, 2.0)) / 60.0)) as f32
    })
}

fn stage_input() -> Harness {
    let mut image = Image::from_pixels(bumpy(150, 131));
    let mut mask = Array2::zeros((131, 150));
    mask[[70, 80]] = MaskBits::BAD;
    mask[[71, 20]] = MaskBits::CORE;
    image.mask = Some(mask);
    image.pixels[[40, 100]] = f32::NAN;
    let mut noise = image.with_pixels(Array2::from_elem((131, 150), 1.5));
    noise.pixels[[100, 60]] = 0.0;
    let stage = Trace { levels_sigma: vec![0.5, 1.5, 3.0], ..Trace::default() };
    Harness::new(stage).input("image", image).input("noise", noise)
}

/// Whether two contours are the same, whatever vertex a closed one starts at. The tolerance is the vectors' six digits.
fn same(found: &Contour, expected: &[[f64; 2]]) -> bool {
    let near = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).abs() <= 1e-6 && (a[1] - b[1]).abs() <= 1e-6;
    let is_closed = expected.len() > 1 && near(&expected[0], &expected[expected.len() - 1]);
    if found.vertices.len() != expected.len() || found.is_closed != is_closed {
        return false;
    }
    if !is_closed {
        return found.vertices.iter().zip(expected).all(|(a, b)| near(a, b));
    }
    let n = expected.len() - 1;
    (0..n).any(|shift| (0..n).all(|i| near(&found.vertices[i], &expected[(i + shift) % n])))
}

#[test]
fn contours_equal_the_reference_vectors_as_sets() {
    let cases = vector_json("contours.json");
    let cases = cases["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for (k, case) in cases.iter().enumerate() {
        let rows: Vec<Vec<f64>> = case["array"].as_array().unwrap().iter().map(floats).collect();
        let values = Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x]);
        let options = ContourOptions {
            saddle: if case["fully_connected"] == "high" { Saddle::High } else { Saddle::Low },
            orientation: if case["positive_orientation"] == "high" { Orientation::High } else { Orientation::Low },
            ..all()
        };
        let found = find_contours(values.view(), case["level"].as_f64().unwrap(), None, &options);
        let expected: Vec<Vec<[f64; 2]>> = case["contours"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c.as_array().unwrap().iter().map(floats).map(|v| [v[1], v[0]]).collect())
            .collect();
        assert_eq!(found.len(), expected.len(), "case {k}: number of contours");
        let mut is_used = vec![false; expected.len()];
        for contour in &found {
            let i = (0..expected.len()).find(|&i| !is_used[i] && same(contour, &expected[i]));
            is_used[i.unwrap_or_else(|| panic!("case {k}: {contour:?} is not in the vectors"))] = true;
        }
    }
}

#[test]
fn the_tree_has_the_counts_and_parents_of_the_reference_vector() {
    let truth = vector_json("isophote_tree.json");
    let rows = vector_csv("tree_sn.csv");
    let pixels = Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x] as f32);
    let stage = Trace { levels_sigma: floats(&truth["levels"]), ..Trace::default() };
    let outcome = Harness::new(stage.clone()).input("image", Image::from_pixels(pixels)).run().unwrap();
    let tree = outcome.get::<Isophotes>("isophotes");
    for level in &stage.levels_sigma {
        let n = tree.contours.iter().filter(|c| c.level_sigma == *level).count();
        assert_eq!(n as u64, truth["counts"][format!("{level:.2}")].as_u64().unwrap(), "level {level}");
    }
    // Nodes of one level come in another order there: match them by level and centroid.
    let nodes = truth["nodes"].as_array().unwrap();
    assert_eq!(tree.contours.len(), nodes.len());
    let number = |node: &serde_json::Value, key: &str| node[key].as_f64().unwrap();
    let node_of: Vec<usize> = tree
        .contours
        .iter()
        .map(|c| {
            let [x, y] = polygon::centroid(&c.vertices).unwrap();
            (0..nodes.len())
                .find(|&i| {
                    let n = &nodes[i];
                    number(n, "level") == c.level_sigma
                        && (number(n, "x_geo") - x).abs() < 1e-4
                        && (number(n, "y_geo") - y).abs() < 1e-4
                })
                .unwrap()
        })
        .collect();
    for (contour, &node) in tree.contours.iter().zip(&node_of) {
        let parent = contour.parent.map_or(-1, |p| node_of[p] as i64);
        assert_eq!(parent, nodes[node]["parent"].as_i64().unwrap(), "node {node}");
        assert_eq!(contour.vertices.len() as u64, nodes[node]["nverts"].as_u64().unwrap(), "node {node}");
    }
}

#[test]
fn bands_of_any_height_give_the_same_contours() {
    let image = bumpy(90, 77);
    let fill = |y: usize, row: &mut [f64]| {
        row.iter_mut().zip(image.row(y)).for_each(|(out, &v)| *out = f64::from(v));
    };
    let trace = |band| trace_levels(90, 77, &[0.5, 3.0], &all(), band, &fill, &|_| true).unwrap();
    let whole = trace(1000);
    assert!(whole[0].len() > 50 && whole[0].iter().any(|c| !c.is_closed));
    for band in [1, 2, 5, 64, 76] {
        assert_eq!(trace(band), whole, "bands of {band} rows");
    }
}

#[test]
fn a_contour_around_an_island_is_positive_and_around_a_hole_negative() {
    let ring = grid(&[
        &[0.0, 0.0, 0.0, 0.0, 0.0],
        &[0.0, 9.0, 9.0, 9.0, 0.0],
        &[0.0, 9.0, 0.0, 9.0, 0.0],
        &[0.0, 9.0, 9.0, 9.0, 0.0],
        &[0.0, 0.0, 0.0, 0.0, 0.0],
    ]);
    let found = find_contours(ring.view(), 4.5, None, &all());
    let areas: Vec<f64> = found.iter().map(|c| polygon::signed_area(&c.vertices)).collect();
    assert_eq!(areas.len(), 2);
    assert!(areas[0] > 0.0 && areas[1] < 0.0);
    let islands = find_contours(ring.view(), 4.5, None, &ContourOptions { drop_holes: true, ..all() });
    assert_eq!(islands.len(), 1);
    assert!(find_contours(ring.view(), 4.5, None, &ContourOptions { min_area: 20.0, ..all() }).is_empty());
}

#[test]
fn contours_open_at_masked_and_nan_pixels_but_not_at_zeroed_ones() {
    let mut block = Array2::zeros((9, 9));
    block.slice_mut(ndarray::s![2..7, 2..7]).fill(5.0);
    assert!(find_contours(block.view(), 2.0, None, &all())[0].is_closed);
    let mut masked = Array2::from_elem((9, 9), false);
    masked[[2, 4]] = true;
    let open = find_contours(block.view(), 2.0, Some(masked.view()), &all());
    assert!(open.len() == 1 && !open[0].is_closed);
    let mut with_nan = block.clone();
    with_nan[[2, 4]] = f64::NAN;
    assert_eq!(find_contours(with_nan.view(), 2.0, None, &all()), open);
    with_nan[[2, 4]] = f64::INFINITY;
    assert_eq!(find_contours(with_nan.view(), 2.0, None, &all()), open);
    // Inside, a pixel without value touches no contour.
    let mut inside = block;
    inside[[4, 4]] = f64::NAN;
    assert_eq!(find_contours(inside.view(), 2.0, None, &all()).len(), 1);
}

#[test]
fn a_level_that_pixels_equal_gives_closed_contours_without_repeated_vertices() {
    let values = grid(&[&[1.0, 1.0, 1.0, 1.0], &[1.0, 2.0, 1.0, 1.0], &[1.0, 1.0, 2.0, 1.0], &[1.0, 1.0, 1.0, 1.0]]);
    for contour in find_contours(values.view(), 1.0, None, &all()) {
        assert!(contour.is_closed);
        assert!(contour.vertices.windows(2).all(|w| w[0] != w[1]));
    }
    assert!(find_contours(values.view(), 2.0, None, &all()).is_empty());
}

#[test]
fn images_without_cells_have_no_contours() {
    for (height, width) in [(0, 0), (1, 1), (1, 9), (9, 1), (0, 5)] {
        let image = Image::from_pixels(Array2::from_elem((height, width), 7.0));
        let outcome = Harness::new(Trace::default()).input("image", image).run().unwrap();
        let found = outcome.get::<Isophotes>("isophotes");
        assert_eq!((found.width, found.height, found.contours.len()), (width, height, 0));
    }
}

#[test]
fn an_image_without_any_value_has_no_contours() {
    let image = Image::from_pixels(Array2::from_elem((20, 20), f32::NAN));
    let found = Harness::new(Trace::default()).input("image", image).run().unwrap();
    assert!(found.get::<Isophotes>("isophotes").contours.is_empty());
}

#[test]
fn a_strip_wider_than_any_detector_is_traced() {
    let strip = Array2::from_shape_fn((5, 60_000), |(y, x)| if y == 2 && x % 3 == 1 { 9.0_f32 } else { 0.0 });
    let outcome = Harness::new(Trace::default()).input("image", Image::from_pixels(strip)).run().unwrap();
    assert_eq!(outcome.get::<Isophotes>("isophotes").contours.len(), 20_000);
}

#[test]
fn an_island_in_a_hole_has_the_island_as_parent_of_its_peak() {
    // A ring, in its hole an island with a peak.
    let mut values = Array2::zeros((41, 41));
    for ((y, x), v) in values.indexed_iter_mut() {
        let r = libm::hypot(x as f64 - 20.0, y as f64 - 20.0);
        *v = if r < 3.0 {
            20.0
        } else if r < 6.0 {
            5.0
        } else if r < 12.0 {
            0.0
        } else if r < 17.0 {
            5.0
        } else {
            0.0_f32
        };
    }
    let stage = Trace { levels_sigma: vec![3.0, 4.0, 10.0], drop_holes: false, ..Trace::default() };
    let outcome = Harness::new(stage).input("image", Image::from_pixels(values)).run().unwrap();
    let tree = &outcome.get::<Isophotes>("isophotes").contours;
    let areas: Vec<i64> = tree.iter().map(|c| c.signed_area() as i64).collect();
    assert_eq!(tree.len(), 7);
    // Levels 3 and 4: ring, hole, island; level 10: the peak.
    let island = |level: usize| (level..level + 3).min_by_key(|&i| areas[i].abs()).unwrap();
    assert!(tree[..3].iter().all(|c| c.parent.is_none()));
    assert_eq!(tree[6].parent, Some(island(3)));
    assert_eq!(tree[island(3)].parent, Some(island(0)));
}

#[test]
fn a_parent_may_skip_a_level() {
    // The level between has no closed contour around the peak: it runs into a masked pixel.
    let mut image = Image::from_pixels(Array2::from_shape_fn((31, 31), |(y, x)| {
        (30.0 - 2.0 * libm::hypot(x as f64 - 15.0, y as f64 - 15.0)) as f32
    }));
    let mut mask = Array2::zeros((31, 31));
    mask[[15, 20]] = MaskBits::SATURATED;
    image.mask = Some(mask);
    let stage = Trace { levels_sigma: vec![5.05, 20.05, 27.05], ..Trace::default() };
    let outcome = Harness::new(stage).input("image", image).run().unwrap();
    let parents: Vec<_> = outcome.get::<Isophotes>("isophotes").contours.iter().map(|c| c.parent).collect();
    assert_eq!(parents, [None, Some(0)]);
}

#[test]
fn levels_must_be_finite_and_rise() {
    let mut problems = Problems::new();
    Trace { levels_sigma: vec![3.0, f64::NAN], min_area_px2: Some(-1.0), ..Trace::default() }.check(&mut problems);
    Trace { levels_sigma: vec![3.0, 3.0], ..Trace::default() }.check(&mut problems);
    Trace { levels_sigma: Vec::new(), ..Trace::default() }.check(&mut problems);
    assert_eq!(problems.list().len(), 4);
}

#[test]
fn a_noise_map_of_another_shape_is_refused() {
    let image = Image::from_pixels(Array2::zeros((5, 5)));
    let noise = Image::from_pixels(Array2::ones((5, 6)));
    let error = Harness::new(Trace::default()).input("image", image).input("noise", noise).run().unwrap_err();
    assert!(error.message.contains("6 x 5 pixels, expected 5 x 5"), "{}", error.message);
}

#[test]
fn a_cancelled_trace_stops() {
    let token = skyloom_engine::CancelToken::new();
    token.cancel();
    let error = stage_input().cancel(token).run().unwrap_err();
    assert_eq!(error.class, skyloom_engine::ErrorClass::Cancelled);
}

determinism_test!(tracing_is_deterministic, stage_input());
golden_test!(tracing_keeps_its_result, stage_input(), version: 1, digest: "a6df8fea6b85");
