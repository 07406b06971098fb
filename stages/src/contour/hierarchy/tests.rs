use ndarray::Array2;
use skyloom_data::facets::TableFacet;
use skyloom_data::{Image, Isophotes, MaskBits, Table};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage, StageError};
use skyloom_testkit::{Harness, Outcome, determinism_test, floats, golden_test, vector_csv, vector_json};

use super::*;
use crate::contour::Trace;
use crate::measure::MeasureIsophotes;
use crate::rules::cull::{Cull, Rule};

/// Clusters of several peaks, one of them cut by pixels without value, with ripples that make saddles and many small contours.
fn field() -> Image {
    let (width, height) = (160, 120);
    let peaks = [
        (40.0, 45.0, 6.0, 60.0),
        (52.0, 47.0, 4.0, 45.0),
        (46.0, 58.0, 3.0, 30.0),
        (110.0, 40.0, 7.0, 38.0),
        (113.0, 85.0, 5.0, 26.0),
        (60.0, 95.0, 4.0, 9.0),
    ];
    let pixels = Array2::from_shape_fn((height, width), |(y, x)| {
        let (x, y) = (x as f64, y as f64);
        let bumps = peaks
            .iter()
            .map(|&(x0, y0, s, a)| a * libm::exp(-(libm::pow(x - x0, 2.0) + libm::pow(y - y0, 2.0)) / (2.0 * s * s)));
        let ripple = 1.0 + 0.15 * libm::sin(1.7 * x) * libm::cos(2.1 * y);
        (bumps.fold(0.0, |a, b| a + b) * ripple) as f32
    });
    let mut image = Image::from_pixels(pixels);
    let mut mask = Array2::zeros((height, width));
    mask[[40, 110]] = MaskBits::BAD;
    image.pixels[[86, 112]] = f32::NAN;
    image.mask = Some(mask);
    image
}

fn ones(image: &Image) -> Image {
    Image::from_pixels(Array2::ones(image.pixels.dim()))
}

fn traced(image: &Image, levels: &[f64]) -> Isophotes {
    let stage = Trace { levels_sigma: levels.to_vec(), ..Trace::default() };
    let harness = Harness::new(stage).input("image", image.clone()).input("noise", ones(image));
    (*harness.run().unwrap().get::<Isophotes>("isophotes")).clone()
}

fn measured(image: &Image, isophotes: &Isophotes, fwhm: f64, min_r_geo_fwhm: f64) -> Table {
    let stage =
        MeasureIsophotes { fwhm_px: Some(fwhm), min_r_geo_fwhm, edge_distance_px: 0.0, ..MeasureIsophotes::default() };
    let harness = Harness::new(stage)
        .input("isophotes", isophotes.clone())
        .input("image", image.clone())
        .input("noise", ones(image));
    (*harness.run().unwrap().get::<Table>("table")).clone()
}

fn stage() -> Hierarchy {
    Hierarchy { fwhm_px: Some(1.5), min_r_geo_fwhm: 1.0, ..Hierarchy::default() }
}

fn harness_of(stage: Hierarchy, image: &Image, level: f64) -> Harness {
    let isophotes = traced(image, &[level]);
    let roots = measured(image, &isophotes, 1.5, 0.0);
    Harness::new(stage)
        .input("table", roots)
        .input("isophotes", isophotes)
        .input("image", image.clone())
        .input("noise", ones(image))
}

fn harness() -> Harness {
    harness_of(stage(), &field(), 3.0)
}

fn tables(outcome: &Outcome) -> (Table, Table, Isophotes) {
    let table = (*outcome.get::<Table>("table")).clone();
    let rejected = (*outcome.get::<Table>("rejected")).clone();
    (table, rejected, (*outcome.get::<Isophotes>("isophotes")).clone())
}

/// Every id points to the contour that was measured, and no id is there twice.
fn assert_ids_are_one_set(table: &Table, rejected: &Table, isophotes: &Isophotes) {
    let mut seen = vec![false; isophotes.contours.len()];
    for table in [table, rejected] {
        let ids = table.ints("id").unwrap();
        assert!(ids.is_sorted(), "rows in order of id");
        let levels = table.floats("level_sigma").unwrap();
        for ((id, area), level) in ids.into_iter().zip(table.floats("area").unwrap()).zip(levels) {
            let id = id.unwrap() as usize;
            assert!(!std::mem::replace(&mut seen[id], true), "id {id} twice");
            let contour = &isophotes.contours[id];
            assert!((contour.signed_area() - area).abs() < 1e-6 * area, "area of {id}");
            assert_eq!(contour.level_sigma, level);
        }
    }
    assert!(seen.iter().all(|s| *s), "contours without a row");
    assert!(isophotes.contours.is_sorted_by(|a, b| a.level_sigma <= b.level_sigma));
    for (id, parent) in table.ints("id").unwrap().into_iter().zip(table.ints("parent_id").unwrap()) {
        assert_eq!(isophotes.contours[id.unwrap() as usize].parent.map(|p| p as i64), parent);
    }
}

#[test]
fn the_tree_equals_the_reference_vector() {
    let truth = vector_json("isophote_tree.json");
    let rows = vector_csv("tree_sn.csv");
    let values = Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x] as f32);
    let image = Image::from_pixels(values);
    let stage = Hierarchy { first_sigma: 10.05, min_r_geo_fwhm: 0.0, rules: Vec::new(), ..stage() };
    let outcome = harness_of(stage, &image, 3.05).run().unwrap();
    let (table, rejected, isophotes) = tables(&outcome);
    assert_ids_are_one_set(&table, &rejected, &isophotes);
    let nodes = truth["nodes"].as_array().unwrap();
    assert_eq!((table.n_rows(), rejected.n_rows()), (nodes.len(), 0));
    let column = |name: &str| table.floats(name).unwrap();
    let (levels, x, y) = (column("level_sigma"), column("x"), column("y"));
    for (level, count) in truth["counts"].as_object().unwrap() {
        let value: f64 = level.parse().unwrap();
        let found = levels.iter().filter(|l| (*l - value).abs() < 1e-6).count();
        assert_eq!(found as i64, count.as_i64().unwrap(), "contours at {level}");
    }
    // Node of the reference for each row.
    let node_of: Vec<usize> = (0..table.n_rows())
        .map(|row| {
            let is_same = |n: &serde_json::Value| {
                let near = |key: &str, value: f64, by: f64| (n[key].as_f64().unwrap() - value).abs() < by;
                near("level", levels[row], 1e-6) && near("x_geo", x[row], 1e-3) && near("y_geo", y[row], 1e-3)
            };
            nodes.iter().position(is_same).unwrap()
        })
        .collect();
    for (name, key, tolerance) in [
        ("area", "area", 1e-6),
        ("r_geo", "r_geo", 1e-6),
        ("x_light", "x_light", 1e-5),
        ("y_light", "y_light", 1e-5),
        ("r_light", "r_light_mean", 1e-5),
    ] {
        for (row, value) in column(name).into_iter().enumerate() {
            let expected = nodes[node_of[row]][key].as_f64().unwrap();
            assert!((value - expected).abs() <= tolerance * expected.abs().max(1.0), "{name} of node {}", node_of[row]);
        }
    }
    let mut atomic: Vec<f64> = Vec::new();
    let is_atomic = table.bools("is_atomic").unwrap();
    for (row, parent) in table.ints("parent_id").unwrap().into_iter().enumerate() {
        // Rows are in order of ids without gaps: an id is a row.
        let parent = parent.map_or(-1, |p| node_of[p as usize] as i64);
        assert_eq!(parent, nodes[node_of[row]]["parent"].as_i64().unwrap(), "parent of node {}", node_of[row]);
        if is_atomic[row] {
            atomic.push(node_of[row] as f64);
        }
    }
    atomic.sort_by(f64::total_cmp);
    assert_eq!(atomic, floats(&truth["atomic"]));
}

#[test]
fn cut_outs_give_what_tracing_the_whole_image_gives() {
    let image = field();
    let outcome = harness_of(Hierarchy { rules: Vec::new(), ..stage() }, &image, 3.0).run().unwrap();
    let (table, ..) = tables(&outcome);
    let levels: Vec<f64> = std::iter::once(3.0).chain((0..12).map(|k| 10.0 + 5.0 * f64::from(k))).collect();
    let all = traced(&image, &levels);
    // Roots have no size cut here, nested isophotes must be larger than 1.5 px.
    let whole = measured(&image, &all, 1.5, 0.0);
    let is_in: Vec<bool> = whole
        .floats("r_geo")
        .unwrap()
        .into_iter()
        .zip(whole.floats("level_sigma").unwrap())
        .map(|(r, level)| level == 3.0 || r > 1.5)
        .collect();
    let whole = whole.filter(&is_in).unwrap();
    assert!(table.n_rows() > 20 && table.floats("level_sigma").unwrap().contains(&40.0), "{}", table.n_rows());
    for name in ["level_sigma", "x", "y", "x_light", "y_light", "r_geo", "r_light", "a", "b", "area", "median_pixel"] {
        let (found, expected) = (table.floats(name).unwrap(), whole.floats(name).unwrap());
        assert_eq!(found.len(), expected.len());
        // Vertices are shifted by whole pixels, which may move their last digit.
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{name}");
    }
    // Ids differ where small contours are left out of the set; their order does not.
    let parents = |table: &Table| -> Vec<Option<usize>> {
        let ids = table.ints("id").unwrap();
        table
            .ints("parent_id")
            .unwrap()
            .into_iter()
            .map(|p| ids.iter().position(|id| p.is_some() && *id == p))
            .collect()
    };
    let orphans =
        parents(&whole).into_iter().zip(whole.ints("parent_id").unwrap()).filter(|(a, b)| a.is_none() && b.is_some());
    assert_eq!(orphans.count(), 0, "no parent is smaller than 1.5 px");
    assert_eq!(parents(&table), parents(&whole));
}

#[test]
fn rules_remove_nested_isophotes_and_their_children_move_up() {
    let at_15 = Rule { name: "one level".to_owned(), remove_when: "level_sigma == 15".to_owned(), doc: None };
    let at_5 = Rule { name: "roots".to_owned(), remove_when: "level_sigma == 3".to_owned(), doc: None };
    let rules = vec![at_15, at_5];
    let (all, none, _) = tables(&harness_of(Hierarchy { rules: Vec::new(), ..stage() }, &field(), 3.0).run().unwrap());
    let (table, rejected, isophotes) =
        tables(&harness_of(Hierarchy { rules, ..stage() }, &field(), 3.0).run().unwrap());
    assert_ids_are_one_set(&table, &rejected, &isophotes);
    assert_eq!((none.n_rows(), table.n_rows() + rejected.n_rows()), (0, all.n_rows()));
    assert!(rejected.n_rows() > 1);
    assert!(rejected.texts("rule").unwrap().iter().all(|rule| rule == "one level"), "roots are not judged here");
    assert_eq!(rejected.texts("rule_values").unwrap()[0], "level_sigma=15.0");
    let levels = table.floats("level_sigma").unwrap();
    let parents = table.ints("parent_id").unwrap();
    let ids = table.ints("id").unwrap();
    let level_of = |id: Option<i64>| id.map(|id| levels[ids.iter().position(|i| *i == Some(id)).unwrap()]);
    let of_20: Vec<_> = (0..levels.len()).filter(|&i| levels[i] == 20.0).map(|i| level_of(parents[i])).collect();
    assert!(!of_20.is_empty() && of_20.iter().all(|level| *level == Some(10.0)), "{of_20:?}");
    let of_rejected: Vec<_> = rejected.ints("parent_id").unwrap().into_iter().map(level_of).collect();
    assert!(of_rejected.iter().all(|level| *level == Some(10.0)));
}

#[test]
fn rows_rejected_before_are_passed_on_and_ids_stay_one_set() {
    let image = field();
    let isophotes = traced(&image, &[3.0]);
    let roots = measured(&image, &isophotes, 1.5, 0.0);
    let cull =
        Cull { rules: vec![Rule { name: "faint".to_owned(), remove_when: "r_geo < 8.5".to_owned(), doc: None }] };
    let culled = Harness::new(cull).input("table", roots.clone()).run().unwrap();
    let (kept, gone) = (culled.get::<Table>("table"), culled.get::<Table>("rejected"));
    assert!(kept.n_rows() > 0 && gone.n_rows() > 0);
    let run = |table: &Table, rejected: &Table| {
        Harness::new(stage())
            .input("table", table.clone())
            .input("rejected", rejected.clone())
            .input("isophotes", isophotes.clone())
            .input("image", image.clone())
            .input("noise", ones(&image))
            .run()
    };
    let (table, rejected, set) = tables(&run(&kept, &gone).unwrap());
    assert_ids_are_one_set(&table, &rejected, &set);
    assert_eq!(rejected.texts("rule").unwrap().iter().filter(|rule| *rule == "faint").count(), gone.n_rows());
    assert_eq!(table.column_names(), rejected.column_names()[..table.column_names().len()]);
    let error = run(&roots, &gone).unwrap_err();
    assert!(error.message.contains("table and rejected"), "{error}");
}

#[test]
fn extra_columns_of_roots_stay_and_samples_are_inherited() {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array};
    let image = field();
    let isophotes = traced(&image, &[3.0]);
    let roots = measured(&image, &isophotes, 1.5, 0.0);
    let n = roots.n_rows();
    let mags = Arc::new(Float64Array::from_iter_values((0..n).map(|i| i as f64)));
    let flags = Arc::new(BooleanArray::from_iter((0..n).map(|i| Some(i % 2 == 0))));
    let roots =
        roots.with_column("mag_r", "mag", "", mags).unwrap().with_column("in_expansive", "", "", flags).unwrap();
    let outcome = Harness::new(stage())
        .input("table", roots)
        .input("isophotes", isophotes)
        .input("image", image.clone())
        .input("noise", ones(&image))
        .run()
        .unwrap();
    let (table, ..) = tables(&outcome);
    let (mags, is_root) = (table.floats("mag_r").unwrap(), table.ints("parent_id").unwrap());
    assert!(mags.iter().zip(&is_root).all(|(mag, parent)| mag.is_nan() == parent.is_some()));
    let (ids, in_expansive) = (table.ints("id").unwrap(), table.bools("in_expansive").unwrap());
    let root_ids = table.ints("root_id").unwrap();
    for (row, root) in root_ids.iter().enumerate() {
        let root_row = ids.iter().position(|id| id == root).unwrap();
        assert_eq!(in_expansive[row], in_expansive[root_row]);
    }
    assert!(table.texts("sample").unwrap().iter().all(|sample| sample == "conservative"));
}

#[test]
fn the_tables_hold_the_inferred_columns() {
    let (table, rejected, _) = tables(&harness().run().unwrap());
    let mut inputs = Facets::new();
    let columns = Some(crate::rules::expression::column_kinds(&table));
    inputs.add("table", "cull.table", TableFacet { columns }.to_facet());
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    stage().infer(&inputs, &mut outputs, &mut problems);
    assert!(problems.is_empty());
    let names = |port: &str| -> Vec<String> {
        TableFacet::from_facet(&outputs.get(port)).columns.unwrap().into_iter().map(|c| c.0).collect()
    };
    assert_eq!(table.column_names(), names("table"));
    assert_eq!(rejected.column_names(), names("rejected"));
}

#[test]
fn images_without_roots_or_values_give_tables_without_rows() {
    for pixels in [Array2::zeros((1, 1)), Array2::zeros((40, 30)), Array2::from_elem((20, 20), f32::NAN)] {
        let image = Image::from_pixels(pixels);
        let (table, rejected, isophotes) = tables(&harness_of(stage(), &image, 3.0).run().unwrap());
        assert_eq!((table.n_rows(), rejected.n_rows(), isophotes.contours.len()), (0, 0, 0));
    }
}

#[test]
fn what_is_nested_lies_above_the_root_and_a_nested_root_is_an_error() {
    let run = |levels: &[f64], first_sigma: f64| -> Result<Outcome, StageError> {
        let image = field();
        let isophotes = traced(&image, levels);
        let roots = measured(&image, &isophotes, 1.5, 0.0);
        Harness::new(Hierarchy { first_sigma, ..stage() })
            .input("table", roots)
            .input("isophotes", isophotes)
            .input("image", image.clone())
            .input("noise", ones(&image))
            .run()
    };
    // Levels up to the root's own are no nested ones.
    let table = run(&[3.0], 3.0).unwrap().get::<Table>("table");
    let (levels, parents) = (table.floats("level_sigma").unwrap(), table.ints("parent_id").unwrap());
    assert!(levels.len() > 1 && levels.iter().zip(&parents).all(|(l, p)| (*l > 3.0) == p.is_some()), "{levels:?}");
    assert!(run(&[3.0, 5.0], 10.0).unwrap_err().message.contains("parent_id"));
}

#[test]
fn a_wrong_noise_map_stops_at_the_greatest_number_of_levels() {
    let outcome = harness_of(Hierarchy { max_levels: 2, ..stage() }, &field(), 3.0).run().unwrap();
    assert_eq!(outcome.warnings.len(), 1);
    assert!(outcome.get::<Table>("table").floats("level_sigma").unwrap().iter().all(|level| *level <= 15.0));
}

#[test]
fn parameters_are_checked() {
    let mut problems = Problems::new();
    let bad = Hierarchy {
        first_sigma: f64::NAN,
        step_sigma: 0.0,
        max_levels: 0,
        fwhm_px: Some(-1.0),
        min_r_geo_fwhm: -1.0,
        axis_scale: 0.0,
        rules: vec![Rule { name: String::new(), remove_when: "r_geo <".to_owned(), doc: None }],
        ..stage()
    };
    bad.check(&mut problems);
    assert_eq!(problems.list().len(), 8);
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    let unknown = Rule { name: "a".to_owned(), remove_when: "mag_Ks > 16".to_owned(), doc: None };
    Hierarchy { rules: vec![unknown], fwhm_px: None, ..stage() }.infer(&Facets::new(), &mut outputs, &mut problems);
    let codes: Vec<&str> = problems.list().iter().map(|p| p.code).collect();
    assert_eq!(codes, ["missing-param", "unknown-column"], "photometry comes later");
}

determinism_test!(the_hierarchy_is_deterministic, harness());
golden_test!(the_hierarchy_keeps_its_result, harness(), version: 1, digest: "6bd3b82c1191");
