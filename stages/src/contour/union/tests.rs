//! Tests of the union of samples.

use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::{Isophote, Isophotes, Table, TableBuilder};
use skyloom_engine::{ErrorClass, Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

fn square(level_sigma: f64, x: f64, y: f64, half: f64) -> Isophote {
    let corners = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]];
    Isophote { level_sigma, parent: None, vertices: corners.map(|[a, b]| [x + half * a, y + half * b]).to_vec() }
}

fn table(ids: &[i64], pass: &str) -> TableBuilder {
    TableBuilder::new()
        .int("id", "", "", ids.to_vec())
        .optional_int("parent_id", "", "", vec![None; ids.len()])
        .int("root_id", "", "", ids.to_vec())
        .text("pass", "", vec![pass.to_owned(); ids.len()])
}

fn rejected(ids: &[i64], pass: &str) -> Table {
    let rule = vec!["faint".to_owned(); ids.len()];
    table(ids, pass).text("rule", "", rule.clone()).text("rule_values", "", rule).build().unwrap()
}

fn sets() -> [Isophotes; 2] {
    let first = vec![square(3.0, 20.0, 20.0, 4.0), square(3.0, 50.0, 20.0, 4.0), square(5.0, 20.0, 60.0, 4.0)];
    // Around the first of the first set; around its second, which was rejected; alone; alone and rejected.
    let second = vec![
        square(3.0, 22.0, 20.0, 9.0),
        square(3.0, 50.0, 20.0, 9.0),
        square(3.0, 80.0, 80.0, 9.0),
        square(8.0, 80.0, 40.0, 9.0),
    ];
    [first, second].map(|contours| Isophotes { width: 100, height: 100, contours })
}

fn harness() -> Harness {
    let [first, second] = sets();
    Harness::new(Union::default())
        .input("table", table(&[0, 2], "small").float("depth", "", "", vec![1.0, 2.0]).build().unwrap())
        .input("table", table(&[0, 1, 2], "large").build().unwrap())
        .input("rejected", rejected(&[1], "small"))
        .input("rejected", rejected(&[3], "large"))
        .input("isophotes", first)
        .input("isophotes", second)
}

fn names(table: &Table, isophotes: &Isophotes) -> Vec<(String, [f64; 2])> {
    let texts = table.texts("pass").unwrap();
    let at = |id: Option<i64>| isophotes.contours[id.unwrap() as usize].vertices[0];
    texts.into_iter().zip(table.ints("id").unwrap()).map(|(t, id)| (t, at(id))).collect()
}

#[test]
fn later_objects_that_touch_kept_earlier_ones_are_rejected_and_all_others_stay() {
    let outcome = harness().run().unwrap();
    let (kept, removed) = (outcome.get::<Table>("table"), outcome.get::<Table>("rejected"));
    let isophotes = outcome.get::<Isophotes>("isophotes");
    let own = |n: &str, x: f64, y: f64| (n.to_owned(), [x, y]);
    let mut found = names(&kept, &isophotes);
    found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1[1].total_cmp(&b.1[1])));
    let expected =
        [own("small", 16.0, 16.0), own("small", 16.0, 56.0), own("large", 41.0, 11.0), own("large", 71.0, 71.0)];
    assert_eq!(found, expected);
    let mut rules: Vec<(String, String)> =
        removed.texts("pass").unwrap().into_iter().zip(removed.texts("rule").unwrap()).collect();
    rules.sort();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(rules, [pair("large", "faint"), pair("large", "known already"), pair("small", "faint")]);
    // One numbering: every contour has one row, and rows are in order of id.
    let mut ids: Vec<i64> = [&kept, &removed].iter().flat_map(|t| t.ints("id").unwrap()).flatten().collect();
    assert!(kept.ints("id").unwrap().is_sorted() && removed.ints("id").unwrap().is_sorted());
    assert_eq!(kept.ints("root_id").unwrap(), kept.ints("id").unwrap());
    ids.sort_unstable();
    assert_eq!(ids, (0..7).collect::<Vec<_>>());
    assert!(isophotes.contours.windows(2).all(|w| w[0].level_sigma <= w[1].level_sigma));
    assert_eq!(kept.floats("depth").unwrap().iter().filter(|v| v.is_nan()).count(), 2);
}

#[test]
fn samples_without_rejected_rows_and_empty_ones_can_be_joined() {
    let [first, second] = sets();
    let outcome = Harness::new(Union::default())
        .input("table", table(&[], "small").build().unwrap())
        .input("table", table(&[0, 1], "large").build().unwrap())
        .input("isophotes", first)
        .input("isophotes", second)
        .run()
        .unwrap();
    assert_eq!(outcome.get::<Table>("table").n_rows(), 2);
    assert_eq!(outcome.get::<Table>("rejected").n_rows(), 0);
    let one_pixel = Isophotes { width: 1, height: 1, contours: Vec::new() };
    let alone =
        Harness::new(Union::default()).input("table", table(&[], "a").build().unwrap()).input("isophotes", one_pixel);
    assert_eq!(alone.run().unwrap().get::<Table>("table").n_rows(), 0);
}

#[test]
fn wires_that_do_not_belong_together_are_errors() {
    let [first, _] = sets();
    let run = |h: Harness| h.run().unwrap_err();
    assert_eq!(run(Harness::new(Union::default())).class, ErrorClass::Config);
    assert_eq!(run(harness().input("table", table(&[0], "x").build().unwrap())).class, ErrorClass::Config);
    let small = Isophotes { width: 5, height: 5, contours: Vec::new() };
    let other = Harness::new(Union::default())
        .input("table", table(&[0], "a").build().unwrap())
        .input("table", table(&[], "b").build().unwrap())
        .input("isophotes", first.clone())
        .input("isophotes", small);
    assert!(run(other).message.contains("5 x 5"));
    let beyond = Harness::new(Union::default()).input("table", table(&[9], "a").build().unwrap());
    assert!(run(beyond.input("isophotes", first.clone())).message.contains("id 9"));
    let nested = TableBuilder::new().int("id", "", "", vec![0]).optional_int("parent_id", "", "", vec![Some(1)]);
    let nested = Harness::new(Union::default()).input("table", nested.build().unwrap()).input("isophotes", first);
    assert!(run(nested).message.contains("roots"));
}

#[test]
fn the_inferred_columns_are_those_of_the_result() {
    let outcome = harness().run().unwrap();
    let mut inputs = Facets::new();
    let facet_of = |table: &Table| {
        let columns = table.column_names().into_iter().map(|n| (n, skyloom_data::facets::ColumnKind::Text)).collect();
        TableFacet { columns: Some(columns) }.to_facet()
    };
    let first = table(&[0, 2], "small").float("depth", "", "", vec![1.0, 2.0]).build().unwrap();
    for (i, table) in [first, table(&[0], "large").build().unwrap()].iter().enumerate() {
        inputs.add("table", &format!("t{i}.table"), facet_of(table));
        inputs.add("rejected", &format!("t{i}.rejected"), facet_of(&rejected(&[1], "small")));
        let frame = ImageFacet { width: Some(100), height: Some(100), ..ImageFacet::default() };
        inputs.add("isophotes", &format!("t{i}.isophotes"), frame.to_facet());
    }
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    Union::default().infer(&inputs, &mut outputs, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    for port in ["table", "rejected"] {
        let inferred = TableFacet::from_facet(&outputs.get(port)).columns.unwrap();
        let names: Vec<String> = inferred.into_iter().map(|c| c.0).collect();
        assert_eq!(outcome.get::<Table>(port).column_names(), names, "{port}");
    }
    inputs.add("table", "t2.table", facet_of(&table(&[0], "x").build().unwrap()));
    Union::default().infer(&inputs, &mut outputs, &mut problems);
    assert_eq!(problems.list().len(), 2, "{problems:?}");
}

determinism_test!(union_is_deterministic, harness());
golden_test!(union_keeps_its_result, harness(), version: 1, digest: "ffe5e395435e");
