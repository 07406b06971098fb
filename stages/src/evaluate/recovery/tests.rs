use skyloom_data::{Isophote, Isophotes, Table, TableBuilder};
use skyloom_engine::{Deliverable, ErrorClass, Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

fn planted(x: f64, y: f64, mag: f64, r_half: f64) -> Planted {
    Planted { x, y, mag, r_half }
}

fn found(x: f64, y: f64, mag: f64, r_geo: f64) -> Found<'static> {
    Found { id: 0, x, y, mag, r_geo, contour: None }
}

#[test]
fn wilson_has_its_published_values() {
    // Brown, Cai and DasGupta (2001) tabulate neither; closed form for k = 0: z^2 / (n + z^2), by symmetry for k = n.
    let (low, high) = wilson(0, 10, 1.96);
    assert!(low == 0.0 && (high - 1.96_f64.powi(2) / (10.0 + 1.96_f64.powi(2))).abs() < 1e-12);
    let (low, high) = wilson(10, 10, 1.96);
    assert!(high == 1.0 && (low - 10.0 / (10.0 + 1.96_f64.powi(2))).abs() < 1e-12);
    // 5 of 10 at 95 %: 0.2366 to 0.7634 in the textbooks.
    let (low, high) = wilson(5, 10, 1.959_964);
    assert!((low - 0.2366).abs() < 5e-5 && (high - 0.7634).abs() < 5e-5, "{low} {high}");
    assert!(wilson(0, 0, 1.0).0.is_nan());
}

#[test]
fn an_object_is_recovered_by_the_nearest_candidate_that_reaches_it() {
    let objects = [
        planted(50.0, 50.0, 15.2, 6.0),
        planted(100.0, 50.0, 15.3, 6.0),
        planted(150.0, 50.0, 15.4, 3.0),
        planted(200.0, 50.0, 17.2, 3.0),
    ];
    let candidates = [
        found(54.0, 50.0, 15.5, 2.0),
        found(51.0, 50.0, 15.3, 2.0),
        // Within its isophote, though the centre is off.
        found(112.0, 50.0, 15.4, 15.0),
        // Too far for a small object with a small isophote.
        found(155.0, 50.0, 15.4, 4.0),
    ];
    let (results, cells) = recovery(&Recovery { bin_width: 1.0, ..Recovery::default() }, &objects, &candidates, &[]);
    assert_eq!(results[0].found, Some((1, 1.0)));
    assert_eq!(results[1].found, Some((2, 12.0)));
    assert!(results[2].found.is_none() && results[3].found.is_none());
    let first = &cells[0];
    assert_eq!((first.mag_low, first.n, first.n_recovered, first.n_mag), (15.0, 3, 2, 2));
    assert!((first.mag_bias - 0.1).abs() < 1e-12 && first.mag_scatter.abs() < 1e-12);
    // Three magnitude bins over all radii, then for each of three radius bins.
    assert_eq!(cells.len(), 12);
    assert_eq!(cells.iter().skip(3).map(|c| c.n).sum::<usize>(), 4);
    assert!(cells[1].n == 0 && cells[1].completeness().is_nan());
}

#[test]
fn a_candidate_that_is_mostly_something_else_does_not_count() {
    let objects = [planted(50.0, 50.0, 15.0, 3.0)];
    let giant = [found(80.0, 50.0, 9.0, 60.0)];
    let (results, _) = recovery(&Recovery::default(), &objects, &giant, &[]);
    assert!(results[0].found.is_none());
    let (results, _) = recovery(&Recovery { max_excess_mag: None, ..Recovery::default() }, &objects, &giant, &[]);
    assert!(results[0].found.is_some());
    // Without a magnitude it may be the object.
    let dark = [found(50.0, 50.0, f64::NAN, 6.0)];
    let (results, _) = recovery(&Recovery::default(), &objects, &dark, &[]);
    assert!(results[0].found.is_some() && results[0].mag_offset.is_nan());
}

#[test]
fn objects_on_a_reference_candidate_are_left_out() {
    let objects = [planted(50.0, 50.0, 15.0, 3.0), planted(150.0, 50.0, 15.0, 3.0)];
    let candidates = [found(50.0, 50.0, 15.0, 6.0)];
    let (results, cells) = recovery(&Recovery::default(), &objects, &candidates, &[found(151.0, 50.0, 12.0, 6.0)]);
    assert!(results[1].is_left_out && !results[0].is_left_out);
    assert_eq!((cells[0].n, cells[0].n_recovered), (1, 1));
}

#[test]
fn half_completeness_is_between_the_bins_where_it_falls() {
    let objects: Vec<Planted> =
        (0..40).map(|i| planted(f64::from(i) * 40.0, 0.0, 14.25 + 0.5 * f64::from(i / 10), 3.0)).collect();
    // 10, 8, 2, 0 of ten recovered: half way between 14.75 and 15.25.
    let is_seen = |i: usize| [10, 8, 2, 0][i / 10] > i % 10;
    let candidates: Vec<Found<'_>> =
        objects.iter().enumerate().filter(|(i, _)| is_seen(*i)).map(|(_, o)| found(o.x, o.y, o.mag, 3.0)).collect();
    let (_, cells) = recovery(&Recovery::default(), &objects, &candidates, &[]);
    assert!((super::algorithm::half_completeness(&cells).unwrap() - 15.0).abs() < 1e-9);
    assert_eq!(super::algorithm::half_completeness(&[]), None);
}

fn truth() -> Table {
    let n = 24;
    let at = |f: &dyn Fn(usize) -> f64| (0..n).map(f).collect::<Vec<f64>>();
    TableBuilder::new()
        .int("id", "", "", (0..n as i64).collect())
        .text("kind", "", (0..n).map(|i| if i == 5 { "star" } else { "cluster" }.to_owned()).collect())
        .float("x", "px", "", at(&|i| 30.0 * i as f64))
        .float("y", "px", "", at(&|_| 40.0))
        .float("mag", "mag", "", at(&|i| 13.1 + 0.2 * i as f64))
        .float("r_half", "px", "", at(&|i| 3.0 + (i % 3) as f64 * 4.0))
        .build()
        .unwrap()
}

fn square(x: f64, y: f64, half: f64) -> Isophote {
    let corner = |a: f64, b: f64| [x + a * half, y + b * half];
    let vertices = vec![corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0), corner(-1.0, -1.0)];
    Isophote { level_sigma: 3.0, parent: None, vertices }
}

/// Every other object, with a nested isophote that must not count.
fn candidates() -> (Table, Isophotes) {
    let n = 12;
    let at = |f: &dyn Fn(usize) -> f64| (0..n).map(f).collect::<Vec<f64>>();
    let mut parents = vec![None; n];
    parents[11] = Some(10);
    let table = TableBuilder::new()
        .int("id", "", "", (0..n as i64).collect())
        .optional_int("parent_id", "", "", parents)
        .float("x_light", "px", "", at(&|i| 60.0 * i as f64 + 2.0))
        .float("y_light", "px", "", at(&|_| 41.0))
        .float("r_geo", "px", "", at(&|_| 7.0))
        .float("mag_Ks", "mag", "", at(&|i| 13.2 + 0.4 * i as f64))
        .build()
        .unwrap();
    let contours = (0..n).map(|i| square(60.0 * i as f64 + 2.0, 41.0, 6.0)).collect();
    (table, Isophotes { width: 700, height: 80, contours })
}

fn harness() -> Harness {
    let (table, isophotes) = candidates();
    let stage = Recovery { mag_column: Some("mag_Ks".into()), title: "test".into(), ..Recovery::default() };
    Harness::new(stage).input("truth", truth()).input("table", table).input("isophotes", isophotes)
}

#[test]
fn the_tables_say_which_object_was_found_by_what() {
    let outcome = harness().run().unwrap();
    let matches = outcome.get::<Table>("matches");
    assert_eq!(matches.n_rows(), 23, "the star does not count");
    let ids = matches.ints("candidate_id").unwrap();
    assert_eq!(ids[..4], [Some(0), None, Some(1), None]);
    // Candidate 11 is nested.
    assert_eq!(ids[21], None);
    let table = outcome.get::<Table>("table");
    assert_eq!(table.column_names()[..4], ["mag_low", "mag_high", "r_low", "r_high"]);
    let metric = |name: &str| outcome.metrics.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!((metric("n_planted"), metric("n_recovered")), (23.0, 11.0));
    assert!((metric("mag_bias") - 0.1).abs() < 1e-9);
    assert!(outcome.get::<Deliverable>("file").bytes().unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn only_candidates_that_meet_the_condition_recover() {
    let (table, isophotes) = candidates();
    let bright = Recovery { condition: Some("id < 3".into()), ..Recovery::default() };
    let outcome =
        Harness::new(bright).input("truth", truth()).input("table", table).input("isophotes", isophotes).run().unwrap();
    assert_eq!(outcome.metrics.iter().find(|(n, _)| n == "n_recovered").unwrap().1, 3.0);
}

#[test]
fn nothing_planted_and_nothing_found_are_fine() {
    let (table, isophotes) = candidates();
    let none = truth().filter(&[false; 24]).unwrap();
    let outcome = Harness::new(Recovery::default()).input("truth", none).input("table", table.clone()).run().unwrap();
    assert_eq!(outcome.get::<Table>("table").n_rows(), 0);
    assert!(outcome.warnings.iter().any(|w| w.contains("no planted object")));
    let empty = table.filter(&[false; 12]).unwrap();
    let outcome = Harness::new(Recovery::default())
        .input("truth", truth())
        .input("table", empty)
        .input("isophotes", isophotes)
        .run()
        .unwrap();
    assert!(outcome.get::<Table>("table").floats("completeness").unwrap().iter().all(|c| c.is_nan() || *c == 0.0));
}

#[test]
fn ids_without_contour_and_bad_parameters_are_errors() {
    let (table, _) = candidates();
    let few = Isophotes { width: 9, height: 9, contours: vec![square(2.0, 2.0, 1.0)] };
    let error = Harness::new(Recovery::default())
        .input("truth", truth())
        .input("table", table)
        .input("isophotes", few)
        .run()
        .unwrap_err();
    assert!(error.class == ErrorClass::Data && error.message.contains("none of the 1 contours"), "{error}");
    let mut problems = Problems::new();
    Recovery {
        bin_width: f64::NAN,
        z: 0.0,
        radius_edges_px: vec![3.0, 3.0],
        max_excess_mag: Some(-1.0),
        ..Recovery::default()
    }
    .check(&mut problems);
    assert_eq!(problems.list().len(), 4);
    let mut inputs = Facets::new();
    let columns = vec![("x".to_owned(), skyloom_data::facets::ColumnKind::Float)];
    let facet = skyloom_data::facets::TableFacet { columns: Some(columns) };
    inputs.add("truth", "planted.truth", facet.to_facet());
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    Recovery::default().infer(&inputs, &mut outputs, &mut problems);
    assert_eq!(problems.list().len(), 3);
}

determinism_test!(recovery_is_deterministic, harness());
golden_test!(recovery_is_frozen, harness(), version: 1, digest: "8a684307fed3");
