use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::{Table, TableBuilder};
use skyloom_engine::{Facets, FacetsOut, Place, Problems, Stage, StageProblem};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

fn rule(name: &str, remove_when: &str) -> Rule {
    Rule { name: name.to_owned(), remove_when: remove_when.to_owned(), doc: None }
}

fn stage() -> Cull {
    Cull {
        rules: vec![
            rule("too small", "r_light < fwhm_local"),
            rule("remnant", "median_pixel < 0.1 and r_geo < 13"),
            rule("no band", "sample == 'none' or is_nan(r_geo)"),
        ],
    }
}

fn table() -> Table {
    let text = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect();
    TableBuilder::new()
        .int("id", "", "Index of the contour", vec![0, 1, 2, 3, 4])
        .float("r_light", "px", "Light radius", vec![2.0, 9.0, 8.0, 2.5, f64::NAN])
        .float("fwhm_local", "px", "Local FWHM", vec![3.0; 5])
        .float("median_pixel", "", "Median pixel", vec![0.01, 0.05, 4.0, 9.0, 3.0])
        .float("r_geo", "px", "Geometric radius", vec![5.0, 9.1, 20.0, 30.0, f64::NAN])
        .text("sample", "Sample", text(&["a", "a", "a", "none", "none"]))
        .build()
        .unwrap()
}

fn texts(table: &Table, name: &str) -> Vec<String> {
    let column = table.batch().column_by_name(name).unwrap();
    let list = column.as_any().downcast_ref::<arrow::array::StringArray>().unwrap();
    list.iter().map(|t| t.unwrap().to_owned()).collect()
}

fn infer(stage: &Cull, columns: Option<Vec<(String, ColumnKind)>>) -> (FacetsOut, Vec<StageProblem>) {
    let mut inputs = Facets::new();
    inputs.add("table", "phot.table", TableFacet { columns }.to_facet());
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    stage.infer(&inputs, &mut outputs, &mut problems);
    (outputs, problems.into_list())
}

#[test]
fn each_row_goes_by_the_first_rule_that_holds_and_order_is_kept() {
    let outcome = Harness::new(stage()).input("table", table()).run().unwrap();
    let (kept, rejected) = (outcome.get::<Table>("table"), outcome.get::<Table>("rejected"));
    assert_eq!(kept.ints("id").unwrap(), [Some(2)]);
    assert_eq!(rejected.ints("id").unwrap(), [Some(0), Some(1), Some(3), Some(4)]);
    assert_eq!(texts(&rejected, "rule"), ["too small", "remnant", "too small", "no band"]);
    assert_eq!(rejected.ints("rule_number").unwrap(), [Some(1), Some(2), Some(1), Some(3)]);
    let values = texts(&rejected, "rule_values");
    assert_eq!(values[0], "r_light=2.0, fwhm_local=3.0");
    assert_eq!(values[1], "median_pixel=0.05, r_geo=9.1");
    assert_eq!(values[3], "sample=\"none\", r_geo=NaN");
    assert_eq!(kept.column_names(), table().column_names());
    let left: Vec<_> = outcome.metrics.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    assert_eq!(left, [("n_rows", 5.0), ("left.too small", 3.0), ("left.remnant", 2.0), ("left.no band", 1.0)]);
}

#[test]
fn the_attrition_table_counts_what_each_rule_left_and_removed() {
    let outcome = Harness::new(stage()).input("table", table()).run().unwrap();
    let attrition = outcome.get::<Table>("attrition");
    assert_eq!(texts(&attrition, "rule"), ["input", "too small", "remnant", "no band"]);
    assert_eq!(attrition.ints("step").unwrap(), [Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!(attrition.ints("n_left").unwrap(), [Some(5), Some(3), Some(2), Some(1)]);
    assert_eq!(attrition.ints("n_removed").unwrap(), [Some(0), Some(2), Some(1), Some(1)]);
    assert_eq!(attrition.floats("fraction").unwrap(), [1.0, 0.6, 0.4, 0.2]);
    let columns = crate::rules::expression::column_kinds(&attrition);
    let (outputs, _) = infer(&stage(), None);
    assert_eq!(TableFacet::from_facet(&outputs.get("attrition")).columns, Some(columns));
    let empty = Harness::new(stage()).input("table", table().filter(&[false; 5]).unwrap()).run().unwrap();
    assert!(empty.get::<Table>("attrition").floats("fraction").unwrap().iter().all(|f| f.is_nan()));
}

#[test]
fn units_and_descriptions_of_columns_are_kept() {
    let outcome = Harness::new(stage()).input("table", table()).run().unwrap();
    for port in ["table", "rejected"] {
        let schema = outcome.get::<Table>(port).batch().schema();
        let field = schema.field_with_name("r_light").unwrap();
        assert_eq!(field.metadata().get("unit").map(String::as_str), Some("px"), "{port}");
        assert_eq!(field.metadata().get("description").map(String::as_str), Some("Light radius"), "{port}");
    }
}

#[test]
fn an_empty_table_and_an_empty_list_of_rules_are_no_special_cases() {
    let empty = table().filter(&[false; 5]).unwrap();
    let outcome = Harness::new(stage()).input("table", empty).run().unwrap();
    assert_eq!(outcome.get::<Table>("table").n_rows(), 0);
    assert_eq!(outcome.get::<Table>("rejected").column_names().len(), 9);
    let outcome = Harness::new(Cull { rules: vec![] }).input("table", table()).run().unwrap();
    assert_eq!(*outcome.get::<Table>("table"), table());
    assert_eq!(outcome.get::<Table>("rejected").n_rows(), 0);
}

#[test]
fn a_column_that_no_table_has_is_found_before_running_with_the_nearest_name() {
    let columns = vec![("r_light".to_owned(), ColumnKind::Float), ("r_geo".to_owned(), ColumnKind::Float)];
    let stage = Cull { rules: vec![rule("a", "r_geo < 3"), rule("b", "r_ligth < 2 * r_geo")] };
    let (_, problems) = infer(&stage, Some(columns));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "unknown-column");
    assert_eq!(problems[0].place, Place::Param("rules.1.remove_when".to_owned()));
    assert_eq!(problems[0].found, "\"r_ligth\" at byte 0 of \"r_ligth < 2 * r_geo\"");
    assert_eq!(problems[0].expected, "one of the table's columns");
    assert_eq!(problems[0].help.as_deref(), Some("did you mean \"r_light\"?"));
}

#[test]
fn columns_are_passed_on_and_unknown_ones_stay_unknown() {
    let (outputs, problems) = infer(&stage(), None);
    assert!(problems.is_empty());
    assert_eq!(TableFacet::from_facet(&outputs.get("rejected")).columns, None);
    let columns = crate::rules::expression::column_kinds(&table());
    let (outputs, problems) = infer(&stage(), Some(columns.clone()));
    assert!(problems.is_empty());
    assert_eq!(TableFacet::from_facet(&outputs.get("table")).columns, Some(columns));
    let rejected = TableFacet::from_facet(&outputs.get("rejected")).columns.unwrap();
    let added = [("rule", ColumnKind::Text), ("rule_values", ColumnKind::Text), ("rule_number", ColumnKind::Int)];
    assert_eq!(rejected[6..], added.map(|(name, kind)| (name.to_owned(), kind)));
    let (_, problems) = infer(&stage(), Some(rejected));
    assert_eq!(problems.iter().filter(|p| p.code == "bad-input").count(), 3);
}

#[test]
fn syntax_errors_and_duplicate_names_are_reported_together_and_once() {
    let stage = Cull { rules: vec![rule("a", "r_geo <"), rule("a", "1 + 2"), rule("", "r_geo < 3")] };
    let mut problems = Problems::new();
    stage.check(&mut problems);
    let list: Vec<_> = problems.list().iter().map(|p| (p.code, p.place.clone())).collect();
    let place = |p: &str| Place::Param(p.to_owned());
    assert_eq!(
        list,
        [
            ("expression-syntax", place("rules.0.remove_when")),
            ("duplicate-rule", place("rules.1.name")),
            ("expression-type", place("rules.1.remove_when")),
            ("param-out-of-range", place("rules.2.name")),
        ]
    );
    assert!(problems.list()[0].found.contains("at byte 7"));
    let (_, again) = infer(&stage, Some(vec![("r_geo".to_owned(), ColumnKind::Float)]));
    assert!(again.is_empty(), "{again:?}");
}

#[test]
fn a_table_that_does_not_fit_the_rules_is_an_error_that_names_rule_and_column() {
    let table = TableBuilder::new().float("r_geo", "px", "", vec![1.0]).build().unwrap();
    let error = Harness::new(stage()).input("table", table).run().unwrap_err();
    assert!(error.message.contains("too small") && error.message.contains("r_light"), "{error}");
}

determinism_test!(cull_is_deterministic, Harness::new(stage()).input("table", table()));
golden_test!(cull_result_is_frozen, Harness::new(stage()).input("table", table()), version: 2, digest: "0110ab8303ac");
