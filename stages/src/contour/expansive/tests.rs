use ndarray::Array2;
use skyloom_data::facets::TableFacet;
use skyloom_data::{Image, Isophotes, Table};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, Outcome, determinism_test, golden_test};

use super::*;
use crate::contour::{Hierarchy, Trace};
use crate::io::write_regions::{RegionFormat, WriteRegions};
use crate::measure::MeasureIsophotes;
use crate::rules::cull::{Cull, Rule};

type Peak = (f64, f64, f64, f64);

/// What star subtraction leaves of four clusters.
const LEFT: [Peak; 4] =
    [(30.0, 30.0, 4.0, 20.0), (70.0, 30.0, 4.0, 30.0), (112.0, 30.0, 5.0, 25.0), (40.0, 85.0, 4.0, 15.0)];

/// Stars and light that it takes away: the first two objects become one, a sharp star sits on the third, a star stands
/// alone, and the fourth object drowns in a hole.
const TAKEN: [Peak; 5] = [
    (50.0, 30.0, 9.0, 25.0),
    (112.0, 30.0, 0.7, 9000.0),
    (120.0, 85.0, 3.0, 40.0),
    (40.0, 85.0, 6.0, -20.0),
    (30.0, 26.0, 3.0, 20.0),
];

fn image(peaks: impl Iterator<Item = Peak> + Clone) -> Image {
    Image::from_pixels(Array2::from_shape_fn((115, 150), |(y, x)| {
        let bump = |(x0, y0, s, a): Peak| {
            a * libm::exp(-(libm::pow(x as f64 - x0, 2.0) + libm::pow(y as f64 - y0, 2.0)) / (2.0 * s * s))
        };
        peaks.clone().map(bump).fold(0.0, |a, b| a + b) as f32
    }))
}

fn conservative() -> Image {
    image(LEFT.into_iter())
}

fn foreground_only() -> Image {
    image(LEFT.into_iter().chain(TAKEN))
}

fn ones() -> Image {
    Image::from_pixels(Array2::ones((115, 150)))
}

fn sample_of(image: &Image, sample: &str) -> (Table, Isophotes) {
    let traced = Harness::new(Trace::default()).input("image", image.clone()).input("noise", ones()).run().unwrap();
    let isophotes = (*traced.get::<Isophotes>("isophotes")).clone();
    let stage = MeasureIsophotes {
        fwhm_px: Some(2.0),
        edge_distance_px: 5.0,
        sample: sample.to_owned(),
        ..MeasureIsophotes::default()
    };
    let harness = Harness::new(stage).input("isophotes", isophotes.clone()).input("image", image.clone());
    let table = harness.input("noise", ones()).run().unwrap().get::<Table>("table");
    ((*table).clone(), isophotes)
}

fn harness_of(stage: Expansive, n_rejected: usize) -> Harness {
    let (table, isophotes) = sample_of(&conservative(), "conservative");
    let (expansive, expansive_isophotes) = sample_of(&foreground_only(), "expansive");
    let limit = ["0", "40"][n_rejected];
    let rule =
        Rule { name: "6 galaxies".to_owned(), remove_when: format!("x_light < {limit} and y_light < 40"), doc: None };
    let culled = Harness::new(Cull { rules: vec![rule] }).input("table", table).run().unwrap();
    Harness::new(stage)
        .input("table", (*culled.get::<Table>("table")).clone())
        .input("rejected", (*culled.get::<Table>("rejected")).clone())
        .input("isophotes", isophotes)
        .input("expansive", expansive)
        .input("expansive_isophotes", expansive_isophotes)
}

fn harness() -> Harness {
    harness_of(Expansive::default(), 1)
}

fn tables(outcome: &Outcome) -> (Table, Table, Isophotes) {
    let table = (*outcome.get::<Table>("table")).clone();
    let rejected = (*outcome.get::<Table>("rejected")).clone();
    (table, rejected, (*outcome.get::<Isophotes>("isophotes")).clone())
}

/// Each row of both tables points to its own contour, and each contour has a row.
fn assert_ids_are_one_set(table: &Table, rejected: &Table, isophotes: &Isophotes) {
    let mut seen = vec![0; isophotes.contours.len()];
    for table in [table, rejected] {
        for (id, area) in table.ints("id").unwrap().into_iter().zip(table.floats("area").unwrap()) {
            let id = id.unwrap() as usize;
            seen[id] += 1;
            assert!((isophotes.contours[id].signed_area() - area).abs() < 1e-6 * area);
        }
    }
    assert!(seen.iter().all(|n| *n == 1), "{seen:?}");
}

type Summary = (String, [i64; 2], bool, Option<[i64; 2]>);

/// Sample, rounded light centre, whether it is in the expansive sample, and the same of its counterpart, per row.
fn summary(table: &Table) -> Vec<Summary> {
    let centres: Vec<[i64; 2]> = table
        .floats("x_light")
        .unwrap()
        .into_iter()
        .zip(table.floats("y_light").unwrap())
        .map(|(x, y)| [(x / 10.0).round() as i64, (y / 10.0).round() as i64])
        .collect();
    let ids = table.ints("id").unwrap();
    let counterparts = table.ints("counterpart_id").unwrap();
    let mut rows: Vec<_> = (0..table.n_rows())
        .map(|row| {
            let counterpart = ids.iter().position(|id| counterparts[row].is_some() && *id == counterparts[row]);
            let is_in = table.bools("in_expansive").unwrap()[row];
            (table.texts("sample").unwrap()[row].clone(), centres[row], is_in, counterpart.map(|at| centres[at]))
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn samples_are_joined_and_linked() {
    let (table, rejected, isophotes) = tables(&harness_of(Expansive::default(), 0).run().unwrap());
    assert_ids_are_one_set(&table, &rejected, &isophotes);
    let row = |sample: &str, at: [i64; 2], is_in: bool, counterpart: Option<[i64; 2]>| {
        (sample.to_owned(), at, is_in, counterpart)
    };
    assert_eq!(
        summary(&table),
        [
            // Two roots in one expansive isophote, whose counterpart is the larger of them; a root that has none. The root
            // at (11, 3) went with the star on it; the star alone holds no root.
            row("conservative", [3, 3], false, Some([5, 3])),
            row("conservative", [4, 9], true, None),
            row("conservative", [7, 3], false, Some([5, 3])),
            row("expansive", [5, 3], true, Some([7, 3])),
        ]
    );
    assert_eq!(rejected.texts("rule").unwrap(), ["in expansive: too sharp", "too sharp"]);
    assert_eq!(rejected.texts("sample").unwrap(), ["conservative", "expansive"]);
    let values = rejected.texts("rule_values").unwrap();
    let id = rejected.ints("id").unwrap()[1].unwrap();
    assert_eq!(values[0], format!("expansive {id}: {}", values[1]));
    assert!(rejected.bools("in_expansive").unwrap().iter().all(|is_in| !is_in));
}

#[test]
fn rows_rejected_before_keep_their_rule_and_get_new_ids() {
    let outcome = harness().run().unwrap();
    let (table, rejected, isophotes) = tables(&outcome);
    assert_ids_are_one_set(&table, &rejected, &isophotes);
    assert!(rejected.texts("rule").unwrap().contains(&"6 galaxies".to_owned()));
    let metrics: Vec<(&str, f64)> = outcome.metrics.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    let expected = [
        ("n_conservative", 2.0),
        ("n_expansive", 1.0),
        ("n_without_counterpart", 1.0),
        ("n_expansive_without_root", 1.0),
        ("n_rejected_expansive", 1.0),
        ("n_rejected_conservative", 1.0),
    ];
    assert_eq!(metrics, expected);
}

#[test]
fn containing_the_light_centre_is_stricter_than_intersecting() {
    let square = |x: f64, side: f64| vec![[x, 0.0], [x + side, 0.0], [x + side, side], [x, side], [x, 0.0]];
    let (root, one, two) = (square(0.0, 10.0), square(8.0, 12.0), square(-4.0, 10.0));
    let outline = |vertices: &'static [[f64; 2]], x: f64| Outline { vertices, light_centre: [x, 5.0] };
    let leak = |v: Vec<[f64; 2]>| -> &'static [[f64; 2]] { v.leak() };
    let (root, one, two) = (outline(leak(root), 3.0), outline(leak(one), 14.0), outline(leak(two), 1.0));
    let find = |relation| find_counterparts(&[root], &[one, two], relation, &|| true).unwrap();
    let both = find(Relation::Intersect);
    assert_eq!(
        (both.contained, both.of_root),
        (vec![vec![0], vec![0]], vec![Some(1)]),
        "the one with the light centre"
    );
    let strict = find(Relation::LightCentre);
    assert_eq!((strict.contained, strict.of_root), (vec![vec![], vec![0]], vec![Some(1)]));
    assert_eq!(find_counterparts(&[root], &[one], Relation::Intersect, &|| false), None);
}

#[test]
fn empty_samples_are_no_special_cases() {
    let (table, isophotes) = sample_of(&conservative(), "conservative");
    let (none, no_isophotes) = sample_of(&ones(), "expansive");
    assert_eq!(none.n_rows(), 0);
    let run = |table: &Table, isophotes: &Isophotes, expansive: &Table, expansive_isophotes: &Isophotes| {
        let outcome = Harness::new(Expansive::default())
            .input("table", table.clone())
            .input("isophotes", isophotes.clone())
            .input("expansive", expansive.clone())
            .input("expansive_isophotes", expansive_isophotes.clone())
            .run()
            .unwrap();
        tables(&outcome)
    };
    let (joined, rejected, _) = run(&table, &isophotes, &none, &no_isophotes);
    assert_eq!((joined.n_rows(), rejected.n_rows()), (table.n_rows(), 0));
    assert!(joined.bools("in_expansive").unwrap().iter().all(|is_in| *is_in));
    let (joined, ..) = run(&none, &no_isophotes, &table, &isophotes);
    assert_eq!(joined.n_rows(), 0, "no expansive isophote holds a root");
    let (joined, ..) = run(&none, &no_isophotes, &none, &no_isophotes);
    assert_eq!(joined.n_rows(), 0);
}

#[test]
fn the_tables_hold_the_inferred_columns() {
    let outcome = harness().run().unwrap();
    let (table, rejected, _) = tables(&outcome);
    let (roots, _) = sample_of(&conservative(), "conservative");
    let kinds = crate::rules::expression::column_kinds(&roots);
    let mut with_rule = kinds.clone();
    with_rule.extend(Rule::COLUMNS.map(|(name, _)| (name.to_owned(), skyloom_data::facets::ColumnKind::Text)));
    with_rule.push(("rule_number".to_owned(), skyloom_data::facets::ColumnKind::Int));
    let mut inputs = Facets::new();
    for (port, columns) in [("table", kinds.clone()), ("expansive", kinds), ("rejected", with_rule)] {
        inputs.add(port, "node.port", TableFacet { columns: Some(columns) }.to_facet());
    }
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    Expansive::default().infer(&inputs, &mut outputs, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let names = |port: &str| -> Vec<String> {
        TableFacet::from_facet(&outputs.get(port)).columns.unwrap().into_iter().map(|c| c.0).collect()
    };
    assert_eq!(table.column_names(), names("table"));
    assert_eq!(rejected.column_names(), names("rejected"));
    let mut again = Facets::new();
    again.add("table", "node.port", outputs.get("table"));
    let mut problems = Problems::new();
    Expansive::default().infer(&again, &mut FacetsOut::new(), &mut problems);
    assert_eq!(problems.list().len(), 1, "the stage wired to itself");
}

#[test]
fn nested_isophotes_and_regions_follow_the_new_ids() {
    let (roots, rejected_roots, isophotes) = tables(&harness().run().unwrap());
    let stage = Hierarchy { fwhm_px: Some(2.0), min_r_geo_fwhm: 0.5, ..Hierarchy::default() };
    let outcome = Harness::new(stage)
        .input("table", roots)
        .input("rejected", rejected_roots.clone())
        .input("isophotes", isophotes)
        .input("image", foreground_only())
        .input("noise", ones())
        .run()
        .unwrap();
    let (table, rejected, isophotes) = tables(&outcome);
    assert_ids_are_one_set(&table, &rejected, &isophotes);
    assert!(rejected.n_rows() >= rejected_roots.n_rows());
    // The counterparts hold the same light: what is nested in the smaller one is nested in the larger one too.
    let samples = table.texts("sample").unwrap();
    let parents = table.ints("parent_id").unwrap();
    let n_nested = |sample: &str| (0..samples.len()).filter(|&i| samples[i] == sample && parents[i].is_some()).count();
    assert!(n_nested("conservative") > 0 && n_nested("expansive") >= n_nested("conservative"));
    assert!(table.ints("counterpart_id").unwrap().iter().any(Option::is_some));

    for (table, n) in [(&table, table.n_rows()), (&rejected, rejected.n_rows())] {
        let stage = WriteRegions { format: RegionFormat::Geojson, label: "id".to_owned(), colour: "green".to_owned() };
        let harness = Harness::new(stage).input("table", table.clone()).input("isophotes", isophotes.clone());
        let outcome = harness.run().unwrap();
        let file = outcome.get::<skyloom_engine::Deliverable>("file");
        let regions: serde_json::Value = serde_json::from_slice(&file.bytes().unwrap()).unwrap();
        let features = regions["features"].as_array().unwrap();
        assert_eq!(features.len(), n);
        for feature in features {
            let properties = feature["properties"].as_object().unwrap();
            assert_eq!(properties.len(), table.column_names().len(), "every column is a property");
            // Zero-based pixels: the light centre lies in the box of the ring.
            let ring: Vec<[f64; 2]> = serde_json::from_value(feature["geometry"]["coordinates"][0].clone()).unwrap();
            let bounds = crate::measure::polygon::bounds(&ring).unwrap();
            let (x, y) = (properties["x_light"].as_f64().unwrap(), properties["y_light"].as_f64().unwrap());
            assert!(bounds[0] < x && x < bounds[2] && bounds[1] < y && y < bounds[3]);
        }
    }
}

#[test]
fn samples_of_different_images_are_an_error() {
    let (table, isophotes) = sample_of(&conservative(), "conservative");
    let smaller = Isophotes { width: 10, ..isophotes.clone() };
    let outcome = Harness::new(Expansive::default())
        .input("table", table.clone())
        .input("isophotes", isophotes)
        .input("expansive", table)
        .input("expansive_isophotes", smaller)
        .run();
    assert!(outcome.unwrap_err().message.contains("10 x 115"));
}

#[test]
fn rules_are_checked() {
    let bad = Rule { name: "a".to_owned(), remove_when: "r_light <".to_owned(), doc: None };
    let mut problems = Problems::new();
    Expansive { rules: vec![bad], ..Expansive::default() }.check(&mut problems);
    assert_eq!(problems.list().len(), 1);
}

determinism_test!(joining_samples_is_deterministic, harness());
golden_test!(joining_samples_keeps_its_result, harness(), version: 1, digest: "4b71fb45e2c8");
