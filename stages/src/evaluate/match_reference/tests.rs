use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::{Isophote, Isophotes, Table, TableBuilder};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, Outcome, determinism_test, golden_test};

use super::*;

/// Five squares of 10 px along the diagonal: at 20, 60, 100, 140, 180.
fn isophotes() -> Isophotes {
    let contours = (0..5)
        .map(|i| {
            let (x, y) = (20.0 + 40.0 * f64::from(i), 20.0 + 40.0 * f64::from(i));
            let vertices = vec![[x, y], [x + 10.0, y], [x + 10.0, y + 10.0], [x, y + 10.0], [x, y]];
            Isophote { level_sigma: 3.0, parent: None, vertices }
        })
        .collect();
    Isophotes { width: 220, height: 220, contours }
}

fn kept() -> Table {
    TableBuilder::new().int("id", "", "", vec![4, 0]).float("r_geo", "", "", vec![5.0, 5.0]).build().unwrap()
}

fn rejected() -> Table {
    TableBuilder::new()
        .int("id", "", "", vec![1, 2, 3])
        .float("r_geo", "", "", vec![5.0, 5.0, 5.0])
        .text("rule", "", ["small", "faint", "small"].map(str::to_owned).to_vec())
        .int("rule_number", "", "", vec![1, 3, 1])
        .build()
        .unwrap()
}

fn attrition() -> Table {
    TableBuilder::new()
        .int("step", "", "", vec![0, 1, 2, 3, 4])
        .text("rule", "", ["input", "small", "remnant", "faint", "blend"].map(str::to_owned).to_vec())
        .build()
        .unwrap()
}

/// In the first square, beside it, in the second, in the third, nowhere, and outside the image.
fn reference() -> Table {
    TableBuilder::new()
        .float("x", "", "", vec![25.0, 33.0, 65.0, 105.0, 10.0, 500.0])
        .float("y", "", "", vec![25.0, 25.0, 65.0, 105.0, 200.0, 25.0])
        .float("r", "", "", vec![1.0, 3.0, f64::NAN, 0.0, 5.0, 500.0])
        .build()
        .unwrap()
}

fn stage() -> MatchReference {
    MatchReference {
        radius_column: Some("r".into()),
        radius: 2.0,
        radius_unit: RadiusUnit::Px,
        edge_distance_px: 0.0,
        condition: None,
        reference_where: None,
    }
}

fn harness() -> Harness {
    Harness::new(stage())
        .input("table", kept())
        .input("rejected", rejected())
        .input("attrition", attrition())
        .input("isophotes", isophotes())
        .input("reference", reference())
}

fn ints(outcome: &Outcome, port: &str, column: &str) -> Vec<Option<i64>> {
    outcome.get::<Table>(port).ints(column).unwrap()
}

fn some(values: &[i64]) -> Vec<Option<i64>> {
    values.iter().map(|v| Some(*v)).collect()
}

#[test]
fn the_recovered_fraction_is_given_after_every_rule() {
    let outcome = harness().run().unwrap();
    assert_eq!(ints(&outcome, "steps", "n_candidates"), some(&[5, 3, 3, 2, 2]));
    assert_eq!(ints(&outcome, "steps", "n_recovered"), some(&[4, 3, 3, 2, 2]));
    // The object outside the image does not count, though its circle of 500 px meets everything.
    assert_eq!(ints(&outcome, "steps", "n_reference"), some(&[5; 5]));
    let steps = outcome.get::<Table>("steps");
    assert_eq!(steps.floats("fraction").unwrap(), [0.8, 0.6, 0.6, 0.4, 0.4]);
    assert_eq!(steps.texts("rule").unwrap(), ["input", "small", "remnant", "faint", "blend"]);
    let last = [Some(4), Some(4), Some(0), Some(2), None, Some(4)];
    assert_eq!(ints(&outcome, "table", "last_step"), last);
    assert_eq!(ints(&outcome, "table", "matched_id"), [Some(0), Some(0), Some(1), Some(2), None, Some(4)]);
}

#[test]
fn without_rejected_candidates_there_is_one_step_and_a_condition_selects() {
    let base = |stage: MatchReference| {
        Harness::new(stage).input("table", kept()).input("isophotes", isophotes()).input("reference", reference())
    };
    let outcome = base(stage()).run().unwrap();
    assert_eq!(ints(&outcome, "steps", "n_recovered"), some(&[2]));
    let none = MatchReference { condition: Some("r_geo > 100".into()), ..stage() };
    let outcome = base(none).run().unwrap();
    assert_eq!(ints(&outcome, "steps", "n_recovered"), some(&[0]));
    assert!(outcome.get::<Table>("steps").floats("matched_fraction").unwrap()[0].is_nan());
    let inner = MatchReference { edge_distance_px: 30.0, reference_where: Some("x < 100".into()), ..stage() };
    assert_eq!(ints(&base(inner).run().unwrap(), "steps", "n_reference"), some(&[1]));
}

#[test]
fn outlines_of_the_reference_count_instead_of_circles() {
    let table = TableBuilder::new()
        .int("id", "", "", vec![0, 1])
        .float("x", "", "", vec![27.0, 110.0])
        .float("y", "", "", vec![27.0, 30.0])
        .build()
        .unwrap();
    let square = |x: f64, y: f64| Isophote {
        level_sigma: 3.0,
        parent: None,
        vertices: vec![[x, y], [x + 4.0, y], [x + 4.0, y + 4.0], [x, y + 4.0], [x, y]],
    };
    let other = Isophotes { width: 220, height: 220, contours: vec![square(28.0, 28.0), square(108.0, 28.0)] };
    let outcome = Harness::new(MatchReference { radius_column: None, ..stage() })
        .input("table", kept())
        .input("isophotes", isophotes())
        .input("reference", table)
        .input("reference_isophotes", other)
        .run()
        .unwrap();
    assert_eq!(ints(&outcome, "table", "n_matches"), some(&[1, 0]));
}

#[test]
fn what_is_missing_is_said_before_the_run() {
    let facet = |names: &[&str]| {
        let columns = Some(names.iter().map(|n| ((*n).to_owned(), ColumnKind::Float)).collect());
        TableFacet { columns }.to_facet()
    };
    let infer = |stage: &MatchReference, reference: &[&str]| {
        let mut inputs = Facets::new();
        inputs.add("table", "cull.table", facet(&["id"]));
        inputs.add("reference", "read.table", facet(reference));
        let mut problems = Problems::new();
        stage.check(&mut problems);
        stage.infer(&inputs, &mut FacetsOut::new(), &mut problems);
        problems.into_list().into_iter().map(|p| p.code).collect::<Vec<_>>()
    };
    assert!(infer(&stage(), &["x", "y", "r"]).is_empty());
    assert_eq!(infer(&stage(), &["ra", "dec", "r"]), ["missing-input"]);
    assert_eq!(infer(&stage(), &["a", "r"]), ["bad-input"]);
    assert_eq!(infer(&stage(), &["x", "y"]), ["unknown-column"]);
    let bad =
        MatchReference { radius: f64::NAN, radius_unit: RadiusUnit::Arcsec, condition: Some("x >".into()), ..stage() };
    assert_eq!(infer(&bad, &["x", "y", "r"]).len(), 3);
    let error = Harness::new(MatchReference { radius_unit: RadiusUnit::Deg, ..stage() })
        .input("table", kept())
        .input("isophotes", isophotes())
        .input("reference", reference())
        .run()
        .unwrap_err();
    assert!(error.message.contains("world coordinates"));
}

determinism_test!(matching_is_deterministic, harness());
golden_test!(matching_keeps_its_result, harness(), version: 1, digest: "da9653fa1564");
