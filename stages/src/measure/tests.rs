use ndarray::Array2;
use skyloom_data::{Image, Isophote, Isophotes, MaskBits, PsfCell, PsfField, PsfModel, Table};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, floats, golden_test, vector_csv, vector_json};

use super::*;
use crate::contour::Trace;

fn field(width: usize, height: usize) -> Array2<f32> {
    Array2::from_shape_fn((height, width), |(y, x)| {
        let bump = |x0: f64, y0: f64, s: f64| {
            libm::exp(-(libm::pow(x as f64 - x0, 2.0) + 2.0 * libm::pow(y as f64 - y0, 2.0)) / (2.0 * s * s))
        };
        (40.0 * bump(30.0, 35.0, 5.0) + 25.0 * bump(46.0, 33.0, 4.0) + 12.0 * bump(80.0, 60.0, 6.0)) as f32
    })
}

fn isophotes_of(image: &Image, levels: &[f64]) -> Isophotes {
    let stage = Trace { levels_sigma: levels.to_vec(), ..Trace::default() };
    let outcome = Harness::new(stage).input("image", image.clone()).run().unwrap();
    (*outcome.get::<Isophotes>("isophotes")).clone()
}

fn noise_like(image: &Image, sigma: f32) -> Image {
    Image::from_pixels(Array2::from_elem(image.pixels.dim(), sigma))
}

fn stage() -> MeasureIsophotes {
    MeasureIsophotes { fwhm_px: Some(2.0), edge_distance_px: 5.0, ..MeasureIsophotes::default() }
}

fn harness() -> Harness {
    let mut image = Image::from_pixels(field(110, 90));
    let mut mask = Array2::zeros((90, 110));
    mask[[35, 30]] = MaskBits::CORE;
    mask[[60, 80]] = MaskBits::CLIPPED;
    image.mask = Some(mask);
    let isophotes = isophotes_of(&image, &[3.0, 10.0, 15.0, 20.0]);
    let noise = noise_like(&image, 1.0);
    Harness::new(stage()).input("isophotes", isophotes).input("image", image).input("noise", noise)
}

fn table(harness: &Harness) -> Table {
    (*harness.run().unwrap().get::<Table>("table")).clone()
}

#[test]
fn measures_equal_the_reference_vector_of_the_isophote_tree() {
    let truth = vector_json("isophote_tree.json");
    let rows = vector_csv("tree_sn.csv");
    let values = Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x] as f32);
    let image = Image::from_pixels(values);
    let tree = isophotes_of(&image, &floats(&truth["levels"]));
    let nodes = truth["nodes"].as_array().unwrap();
    assert_eq!(tree.contours.len(), nodes.len());
    let close = |found: f64, expected: f64, tolerance: f64, what: &str| {
        // Relative, as the note says; absolute below 1, where six printed digits cannot hold more.
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(error <= tolerance, "{what}: {found} is not {expected}");
    };
    let mut node_of = Vec::new();
    let mut measured = Vec::new();
    for contour in &tree.contours {
        let options = MeasureOptions::default();
        let m = measure_isophote(&contour.vertices, image.pixels.view(), None, None, &options).unwrap();
        let rms = MeasureOptions { light_radius: LightRadius::Rms, ..options };
        let rms = measure_isophote(&contour.vertices, image.pixels.view(), None, None, &rms).unwrap();
        let is_same = |n: &serde_json::Value| {
            let number = |key: &str| n[key].as_f64().unwrap();
            number("level") == contour.level_sigma
                && (number("x_geo") - m.centre[0]).abs() < 1e-3
                && (number("y_geo") - m.centre[1]).abs() < 1e-3
        };
        let i = nodes.iter().position(is_same).unwrap();
        let number = |key: &str| nodes[i][key].as_f64().unwrap();
        let what = |key: &str| format!("{key} of node {i}");
        assert_eq!(m.n_pixels as f64, number("npix_inside"), "node {i}");
        for (found, key, tolerance) in [
            (m.area, "area", 1e-6),
            (m.r_geo, "r_geo", 1e-6),
            (m.centre[0], "x_geo", 1e-6),
            (m.centre[1], "y_geo", 1e-6),
            (m.flux, "flux", 1e-6),
            (m.light_centre[0], "x_light", 1e-5),
            (m.light_centre[1], "y_light", 1e-5),
            (m.r_light, "r_light_mean", 1e-5),
            (rms.r_light, "r_light_rms", 1e-5),
            (m.inertia[0], "lambda_max", 1e-5),
            (m.inertia[1], "lambda_min", 1e-5),
        ] {
            close(found, number(key), tolerance, &what(key));
        }
        let (l1, l2) = (number("lambda_max"), number("lambda_min"));
        if l2 > 0.0 && l1 / l2 > 1.05 {
            let turn = (m.pa_deg - number("pa_deg")).rem_euclid(180.0);
            assert!(turn.min(180.0 - turn) < 0.01, "{}: {}", what("pa_deg"), m.pa_deg);
        }
        node_of.push(i);
        measured.push(m);
    }
    // Medians that the note prints, not the file.
    for (node, median) in [(1, 38.25), (2, 25.2), (24, 57.7), (25, 80.4)] {
        let k = node_of.iter().position(|&i| i == node).unwrap();
        assert!((measured[k].median_pixel - median).abs() < 1e-4, "node {node}: {}", measured[k].median_pixel);
    }
    let survivors = tree_of_survivors(&tree, &vec![true; nodes.len()]).unwrap();
    let mut atomic: Vec<u64> =
        (0..nodes.len()).filter(|&k| survivors[k].is_some_and(|n| n.is_atomic)).map(|k| node_of[k] as u64).collect();
    atomic.sort_unstable();
    let expected: Vec<u64> = truth["atomic"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
    assert_eq!(atomic, expected);
    for (k, survivor) in survivors.iter().enumerate() {
        let parent = survivor.unwrap().parent.map_or(-1, |p| node_of[p] as i64);
        assert_eq!(parent, nodes[node_of[k]]["parent"].as_i64().unwrap(), "parent of node {}", node_of[k]);
    }
}

#[test]
fn the_table_holds_the_inferred_columns_and_the_tree() {
    let harness = harness();
    let table = table(&harness);
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    stage().infer(&Facets::new(), &mut outputs, &mut problems);
    let inferred = skyloom_data::facets::TableFacet::from_facet(&outputs.get("table")).columns.unwrap();
    assert_eq!(table.column_names(), inferred.iter().map(|c| c.0.clone()).collect::<Vec<_>>());
    // Two roots, of which the second is too low for level 10.
    assert_eq!(table.ints("parent_id").unwrap()[..4], [None, None, Some(0), Some(2)]);
    assert_eq!(table.ints("root_id").unwrap()[..4], [Some(0), Some(1), Some(0), Some(0)]);
    assert!(table.floats("ra").unwrap().iter().all(|v| v.is_nan()));
    // One zeroed core; clipped pixels are bright, not wrong.
    assert_eq!(table.ints("n_masked").unwrap()[..2], [Some(1), Some(0)]);
    assert_eq!(table.ints("flags").unwrap()[..2], [Some(MeasureFlags::ZEROED_CORE), Some(0)]);
}

#[test]
fn every_cut_is_counted_once() {
    let mut image = Image::from_pixels(field(110, 90));
    // A small island, an island at the edge, an island whose light is negative where it is measured.
    image.pixels[[20, 80]] = 9.0;
    image.pixels.slice_mut(ndarray::s![80..88, 60..70]).fill(9.0);
    let mut isophotes = isophotes_of(&image, &[3.0]);
    isophotes.contours.push(Isophote { level_sigma: 3.0, parent: None, vertices: vec![[20.0, 20.0], [22.0, 25.0]] });
    image.pixels.slice_mut(ndarray::s![50..70, 65..95]).fill(-1.0);
    let noise = noise_like(&image, 1.0);
    let harness = Harness::new(stage()).input("isophotes", isophotes).input("image", image).input("noise", noise);
    let outcome = harness.run().unwrap();
    let metrics: Vec<f64> = outcome.metrics.iter().map(|m| m.1).collect();
    assert_eq!(metrics, [5.0, 1.0, 1.0, 1.0, 1.0, 1.0], "{:?}", outcome.metrics);
}

#[test]
fn the_edge_distance_counts_from_the_border_of_the_outermost_pixels() {
    let image = Image::from_pixels(Array2::ones((40, 40)));
    let square = vec![[9.5, 9.5], [29.5, 9.5], [29.5, 29.5], [9.5, 29.5], [9.5, 9.5]];
    let isophotes = Isophotes {
        width: 40,
        height: 40,
        contours: vec![Isophote { level_sigma: 3.0, parent: None, vertices: square }],
    };
    for (edge_distance_px, n_rows) in [(10.0, 1), (10.001, 0), (0.0, 1)] {
        let stage = MeasureIsophotes { edge_distance_px, ..stage() };
        let harness = Harness::new(stage).input("isophotes", isophotes.clone()).input("image", image.clone());
        assert_eq!(table(&harness.input("noise", noise_like(&image, 1.0))).n_rows(), n_rows);
    }
}

#[test]
fn the_local_fwhm_comes_from_the_psf_field_unless_it_is_set() {
    let image = Image::from_pixels(field(110, 90));
    let cell = |fwhm| PsfCell { n_stars: 9, median: vec![], scatter: vec![], fwhm, is_borrowed: false };
    let psf =
        PsfField { model: PsfModel::Moffat, width: 110, height: 90, n_x: 2, n_y: 1, cells: vec![cell(1.5), cell(2.5)] };
    let run = |fwhm_px, psf| {
        let stage = MeasureIsophotes { fwhm_px, ..stage() };
        Harness::new(stage)
            .input("isophotes", isophotes_of(&image, &[3.0]))
            .input("image", image.clone())
            .input("noise", noise_like(&image, 1.0))
            .input("psf", psf)
            .run()
    };
    let fwhm = |fwhm_px| run(fwhm_px, psf.clone()).unwrap().get::<Table>("table").floats("fwhm_local").unwrap();
    assert_eq!(fwhm(None), [1.5, 2.5]);
    assert_eq!(fwhm(Some(2.0)), [2.0, 2.0]);
    let broken = PsfField { cells: vec![cell(1.5), cell(f64::NAN)], ..psf.clone() };
    assert!(run(None, broken).unwrap_err().message.contains("FWHM"));

    let mut problems = Problems::new();
    MeasureIsophotes::default().infer(&Facets::new(), &mut FacetsOut::new(), &mut problems);
    assert_eq!(problems.list()[0].code, "missing-param");
}

#[test]
fn pixels_without_value_add_nothing_and_are_flagged() {
    let mut image = Image::from_pixels(Array2::ones((30, 30)));
    image.pixels[[12, 12]] = f32::NAN;
    let mut mask = Array2::zeros((30, 30));
    mask[[14, 14]] = MaskBits::SATURATED;
    image.mask = Some(mask);
    let square = [[9.5, 9.5], [19.5, 9.5], [19.5, 19.5], [9.5, 19.5], [9.5, 9.5]];
    let mask = image.mask.as_ref().unwrap().view();
    let options = MeasureOptions::default();
    let m = measure_isophote(&square, image.pixels.view(), None, Some(mask), &options).unwrap();
    assert_eq!((m.n_pixels, m.n_masked, m.flux), (100, 2, 98.0));
    assert_eq!(m.flags, MeasureFlags::MISSING_PIXELS);
    assert_eq!(m.median_pixel, 1.0);
    let nothing = Array2::from_elem((30, 30), f32::NAN);
    assert!(measure_isophote(&square, nothing.view(), None, None, &options).is_none());
}

#[test]
fn no_isophotes_give_a_table_without_rows() {
    let image = Image::from_pixels(Array2::zeros((1, 1)));
    let isophotes = Isophotes { width: 1, height: 1, contours: Vec::new() };
    let noise = noise_like(&image, 1.0);
    let harness = Harness::new(stage()).input("isophotes", isophotes).input("image", image).input("noise", noise);
    assert_eq!(table(&harness).n_rows(), 0);
}

#[test]
fn parameters_must_be_finite_and_positive() {
    let mut problems = Problems::new();
    let bad = MeasureIsophotes {
        fwhm_px: Some(0.0),
        min_r_geo_fwhm: f64::NAN,
        edge_distance_px: -1.0,
        axis_scale: f64::INFINITY,
        ..stage()
    };
    bad.check(&mut problems);
    assert_eq!(problems.list().len(), 4);
}

determinism_test!(measuring_is_deterministic, harness());
golden_test!(measuring_keeps_its_result, harness(), version: 1, digest: "50c45a05d23c");
