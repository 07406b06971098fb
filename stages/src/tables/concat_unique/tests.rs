use skyloom_data::{Table, TableBuilder};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

/// Arcseconds as degrees of right ascension on the equator.
fn sky(arcsec: &[f64]) -> Vec<f64> {
    arcsec.iter().map(|v| 10.0 + v / 3600.0).collect()
}

fn table(ids: &[i64], ra_arcsec: &[f64], x: &[f64]) -> Table {
    let n = ids.len();
    TableBuilder::new()
        .int("id", "", "", ids.to_vec())
        .float("ra", "deg", "", sky(ra_arcsec))
        .float("dec", "deg", "", vec![0.0; n])
        .float("x", "pix", "", x.to_vec())
        .float("y", "pix", "", vec![50.0; n])
        .build()
        .expect("a table")
}

fn frame(width: i64, x0: f64) -> Table {
    TableBuilder::new()
        .int("width", "pix", "", vec![width])
        .int("height", "pix", "", vec![101])
        .float("x0", "pix", "", vec![x0])
        .float("y0", "pix", "", vec![7.0])
        .build()
        .expect("a frame")
}

/// Two images of 100 columns of 0.2 arcsec, the second 60 columns further: columns 60 to 99 of the first are 0 to 39 of the second.
fn overlap(stage: ConcatUnique) -> Harness {
    let first = table(&[1, 2, 3], &[2.0, 14.0, 19.0], &[10.0, 70.0, 95.0]);
    let second = table(&[1, 2, 3], &[14.0, 19.02, 30.0], &[10.0, 35.1, 90.0]);
    Harness::new(stage)
        .input("tables", first)
        .input("tables", second)
        .input("frames", frame(100, 0.0))
        .input("frames", frame(100, 60.0))
}

fn rows(harness: &Harness) -> Vec<(i64, i64)> {
    let table = harness.run().expect("it runs").get::<Table>("table");
    let (parts, ids) = (table.ints("part").expect("part"), table.ints("id").expect("id"));
    parts.into_iter().zip(ids).map(|(p, i)| (p.expect("a part"), i.expect("an id"))).collect()
}

#[test]
fn the_copy_farther_from_its_edge_stays() {
    let harness = overlap(ConcatUnique::default());
    assert_eq!(rows(&harness), [(0, 1), (0, 2), (1, 2), (1, 3)]);
    let outcome = harness.run().expect("it runs");
    let edges = outcome.get::<Table>("table").floats("edge_px").expect("edges");
    assert_eq!(edges, [10.5, 29.5, 35.6, 9.5]);
    let metric = |name: &str| outcome.metrics.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
    assert_eq!((metric("n_rows_in"), metric("n_rows"), metric("n_copies")), (Some(6.0), Some(4.0), Some(2.0)));
}

#[test]
fn pixels_of_the_common_frame_say_the_same_as_the_sky() {
    let by_pixel = ConcatUnique { match_by: MatchBy::Pixel, ..ConcatUnique::default() };
    assert_eq!(rows(&overlap(by_pixel)), [(0, 1), (0, 2), (1, 2), (1, 3)]);
    let narrow = ConcatUnique { match_by: MatchBy::Pixel, radius_px: 0.05, ..ConcatUnique::default() };
    assert_eq!(rows(&overlap(narrow)).len(), 5, "0.1 px are too far for the second pair");
}

#[test]
fn the_first_table_or_the_primary_rows_win() {
    let first = ConcatUnique { keep: Winner::First, ..ConcatUnique::default() };
    assert_eq!(rows(&overlap(first.clone())), [(0, 1), (0, 2), (0, 3), (1, 3)]);
    let with = |ra: f64, is_primary| {
        let array = std::sync::Arc::new(arrow::array::BooleanArray::from(vec![is_primary]));
        table(&[5], &[ra], &[1.0]).with_column("detect_isPrimary", "", "", array).expect("a table")
    };
    let primary = ConcatUnique { keep: Winner::Primary, ..ConcatUnique::default() };
    let run = |a, b| rows(&Harness::new(primary.clone()).input("tables", with(0.0, a)).input("tables", with(0.3, b)));
    assert_eq!(run(false, true), [(1, 5)]);
    assert_eq!(run(true, false), [(0, 5)]);
    assert_eq!(run(true, true), [(0, 5)], "the first table where the rule does not decide");
    // Without frames there is no distance from an edge.
    let plain = Harness::new(first).input("tables", with(0.0, true)).run().expect("it runs").get::<Table>("table");
    assert!(!plain.has_column("edge_px"));
}

#[test]
fn neighbours_of_one_table_stay_apart_and_the_nearest_pair_is_one_object() {
    let first = ConcatUnique { keep: Winner::First, ..ConcatUnique::default() };
    let crowd = table(&[1, 2], &[0.0, 0.8], &[10.0, 14.0]);
    let seen = table(&[8, 9], &[0.7, 1.5], &[13.5, 17.5]);
    let harness = Harness::new(first.clone()).input("tables", crowd.clone()).input("tables", seen);
    // 2 and 8 are one; 1 is within the radius of 8 and keeps its own row; 9 is within the radius of 2, which has its copy.
    assert_eq!(rows(&harness), [(0, 1), (0, 2), (1, 9)]);
    let three =
        Harness::new(first).input("tables", crowd.clone()).input("tables", crowd.clone()).input("tables", crowd);
    assert_eq!(rows(&three), [(0, 1), (0, 2)]);
}

#[test]
fn only_rows_that_have_the_same_words_are_copies() {
    let of = |sample: &str| {
        let array = std::sync::Arc::new(arrow::array::StringArray::from(vec![sample]));
        table(&[1], &[0.0], &[5.0]).with_column("sample", "", "", array).expect("a table")
    };
    let stage = ConcatUnique { keep: Winner::First, same: vec!["sample".into()], ..ConcatUnique::default() };
    let run = |a, b| rows(&Harness::new(stage.clone()).input("tables", of(a)).input("tables", of(b))).len();
    assert_eq!((run("wide", "wide"), run("wide", "narrow")), (1, 2));
}

#[test]
fn a_root_takes_along_what_is_nested_in_it() {
    let tree = |ids: &[i64], roots: &[i64], ra: &[f64], x: &[f64]| {
        let array = std::sync::Arc::new(arrow::array::Int64Array::from(roots.to_vec()));
        table(ids, ra, x).with_column("root_id", "", "", array).expect("a table")
    };
    // The second table's tree has a branch that the first has not, and another root.
    let first = tree(&[4, 6], &[4, 4], &[0.0, 0.4], &[50.0, 52.0]);
    let second = tree(&[3, 9, 11, 12], &[9, 9, 9, 12], &[0.4, 0.01, 1.9, 40.0], &[9.0, 7.0, 16.0, 80.0]);
    let stage = ConcatUnique { group: Some("root_id".into()), ..ConcatUnique::default() };
    let harness = Harness::new(stage)
        .input("tables", first)
        .input("tables", second)
        .input("frames", frame(100, 0.0))
        .input("frames", frame(100, 43.0));
    assert_eq!(rows(&harness), [(0, 4), (0, 6), (1, 12)]);
}

#[test]
fn rows_without_a_place_and_empty_tables_do_no_harm() {
    let first = ConcatUnique { keep: Winner::First, ..ConcatUnique::default() };
    let lost = table(&[1, 2], &[f64::NAN, 0.0], &[f64::NAN, 3.0]);
    let none = lost.filter(&[false, false]).expect("no rows");
    let harness = Harness::new(first).input("tables", none.clone()).input("tables", lost.clone()).input("tables", lost);
    assert_eq!(rows(&harness), [(1, 1), (1, 2), (2, 1)]);
    assert_eq!(harness.run().expect("it runs").warnings, ["2 rows have no place and are compared with none"]);
    let empty = Harness::new(ConcatUnique::default()).input("tables", none).input("frames", frame(1, 0.0));
    assert_eq!(rows(&empty), []);
    assert!(Harness::new(ConcatUnique::default()).run().is_err());
}

#[test]
fn frames_and_columns_that_are_missing_are_found_before_the_run() {
    let mut inputs = Facets::new();
    let mut columns = skyloom_data::facets::TableFacet { columns: Some(vec![]) };
    columns.columns.iter_mut().for_each(|c| c.push(("ra".into(), skyloom_data::facets::ColumnKind::Float)));
    inputs.add("tables", "a.table", columns.to_facet());
    let problems_of = |stage: &ConcatUnique| {
        let mut problems = Problems::new();
        stage.check(&mut problems);
        stage.infer(&inputs, &mut FacetsOut::new(), &mut problems);
        problems.into_list().into_iter().map(|p| p.code).collect::<Vec<_>>()
    };
    let codes = problems_of(&ConcatUnique::default());
    assert_eq!(codes, ["missing-input", "unknown-column", "unknown-column", "unknown-column"]);
    let odd = ConcatUnique {
        keep: Winner::First,
        same: vec!["sample".into()],
        radius_arcsec: -1.0,
        radius_px: f64::NAN,
        primary: String::new(),
        ..ConcatUnique::default()
    };
    assert_eq!(problems_of(&odd).len(), 5);
    let mut problems = Problems::new();
    odd.infer(&Facets::new(), &mut FacetsOut::new(), &mut problems);
    assert_eq!(problems.into_list().into_iter().map(|p| p.code).collect::<Vec<_>>(), ["missing-input"]);
}

#[test]
fn pairs_are_found_across_cells_and_the_wrap_of_right_ascension() {
    let at = |table, ra: f64, dec: f64| Object {
        table,
        place: {
            let (ra, dec) = (ra.to_radians(), dec.to_radians());
            [libm::cos(dec) * libm::cos(ra), libm::cos(dec) * libm::sin(ra), libm::sin(dec)]
        },
        kind: String::new(),
        rank: 0.0,
    };
    let second = 1.0 / 3600.0;
    let objects = [at(0, 359.999_95, 0.0), at(1, 0.000_05, 0.0), at(0, 10.0, 89.999_9), at(1, 190.0, 89.999_95)];
    let chord = |arcsec: f64| 2.0 * libm::sin((arcsec * second / 2.0).to_radians());
    assert_eq!(near_pairs(&objects, chord(0.37)), [(0, 1)]);
    assert_eq!(near_pairs(&objects, chord(0.55)), [(0, 1), (2, 3)]);
    assert_eq!(near_pairs(&objects, 0.0), []);
}

determinism_test!(joining_is_deterministic, overlap(ConcatUnique::default()));
golden_test!(joining_is_frozen, overlap(ConcatUnique::default()), version: 1, digest: "94af2e591d3e");
