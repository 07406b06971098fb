use skyloom_data::{Isophote, Isophotes, Table, TableBuilder};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

const SIZE: usize = 600;

/// A Poisson field in which of every two stars closer than `merged` only the first remains.
fn field(n: usize, merged: f64) -> Vec<[f64; 2]> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 * SIZE as f64 - 0.5
    };
    let all: Vec<[f64; 2]> = (0..n).map(|_| [next(), next()]).collect();
    let grid = crate::psf::PositionGrid::new(all.iter().map(|p| (p[0], p[1])), 4.0);
    let is_first = |i: usize| !grid.any_within(all[i][0], all[i][1], merged, |j| j < i);
    (0..n).filter(|&i| is_first(i)).map(|i| all[i]).collect()
}

fn stars(positions: &[[f64; 2]]) -> Table {
    let n = positions.len();
    TableBuilder::new()
        .float("x", "", "", positions.iter().map(|p| p[0]).collect())
        .float("y", "", "", positions.iter().map(|p| p[1]).collect())
        .float("mag", "", "", (0..n).map(|i| 7.0 + (i % 100) as f64 * 0.1).collect())
        .float("prob", "", "", (0..n).map(|i| if i % 50 == 0 { 0.1 } else { 0.9 }).collect())
        .float("sharp", "", "", (0..n).map(|i| if i % 50 == 0 { 0.8 } else { 0.0 }).collect())
        .build()
        .unwrap()
}

fn isophotes() -> Isophotes {
    let square = |x: f64, y: f64| Isophote {
        level_sigma: 3.0,
        parent: None,
        vertices: vec![[x, y], [x + 20.0, y], [x + 20.0, y + 20.0], [x, y + 20.0], [x, y]],
    };
    Isophotes {
        width: SIZE,
        height: SIZE,
        contours: vec![square(100.0, 100.0), square(300.0, 300.0), square(500.0, 100.0)],
    }
}

fn harness(stage: Contamination, stars: Table) -> Harness {
    let table = TableBuilder::new().int("id", "", "", vec![0, 1, 2]).build().unwrap();
    Harness::new(stage).input("table", table).input("isophotes", isophotes()).input("stars", stars)
}

fn stage() -> Contamination {
    Contamination { pixel_scale_arcsec: Some(0.5), ..Contamination::default() }
}

#[test]
fn a_poisson_field_without_pairs_below_one_pixel_has_a_scale_of_one_pixel() {
    for merged in [1.0, 1.6] {
        let scale = neighbour_scale(&field(12_000, merged), SIZE as f64, SIZE as f64, 4, 0.5);
        // Ranges of separations are 0.1 px wide there.
        assert!((scale.scale - merged).abs() < 0.12, "{} for {merged}", scale.scale);
        assert!((scale.equivalent - merged).abs() < 0.12, "{} for {merged}", scale.equivalent);
    }
}

#[test]
fn a_poisson_field_has_no_scale_and_duplicates_do_not_hide_one() {
    let poisson = neighbour_scale(&field(12_000, 0.0), SIZE as f64, SIZE as f64, 4, 0.5);
    assert_eq!(poisson.scale, 0.0);
    for bin in &poisson.bins {
        assert!((bin.expected - 50.0).abs() < 1e-3);
        // Five standard deviations.
        assert!((bin.n as f64 - 50.0).abs() < 36.0, "{bin:?}");
    }
    let mut doubled = field(12_000, 1.0);
    let copies: Vec<[f64; 2]> = doubled[..60].iter().map(|p| [p[0] + 0.01, p[1]]).collect();
    doubled.extend(copies);
    let scale = neighbour_scale(&doubled, SIZE as f64, SIZE as f64, 4, 0.5);
    assert!((scale.scale - 1.0).abs() < 0.12, "{}", scale.scale);
}

#[test]
fn nearest_neighbours_equal_those_of_a_search_over_all_pairs() {
    let mut stars = field(300, 0.0);
    stars.push([1e5, 3.0]);
    stars.push([f64::NAN, 3.0]);
    let distance = |a: &[f64; 2], b: &[f64; 2]| libm::hypot(a[0] - b[0], a[1] - b[1]);
    for (i, found) in nearest_distances(&stars).into_iter().enumerate() {
        let others = stars.iter().enumerate().filter(|(j, _)| *j != i);
        let expected = others.map(|(_, p)| distance(p, &stars[i])).fold(f64::INFINITY, f64::min);
        assert!((found - expected).abs() < 1e-9 || (found.is_nan() && i == 301), "{i}: {found}, {expected}");
    }
    assert_eq!(nearest_distances(&[[1.0, 2.0]]), [f64::INFINITY]);
    assert!(nearest_distances(&[]).is_empty());
}

#[test]
fn galaxies_inside_outlines_and_both_readings_of_the_blends_are_reported() {
    let positions = field(12_000, 1.0);
    let outcome = harness(stage(), stars(&positions)).run().unwrap();
    let table = outcome.get::<Table>("table");
    let value = |name: &str| table.floats(name).unwrap()[0];
    assert_eq!(value("n_candidates"), 3.0);
    assert!((value("scale_measured_arcsec") - 0.5).abs() < 0.06);
    assert_eq!(value("scale_arcsec"), value("scale_measured_arcsec"));
    assert!((value("area_deg2") - 300.0 * 300.0 / 3600.0 / 3600.0).abs() < 1e-12);
    let n = value("n_blend_stars");
    let expected =
        n * (1.0 - libm::exp(-n / 90_000.0 * std::f64::consts::PI * value("scale_arcsec") * value("scale_arcsec")));
    assert!((value("n_blends_circle") - expected).abs() < 1e-9);
    // Both are small shares, so that they differ by little else than the factor of the areas.
    assert!((value("n_blends_circle") / value("n_blends_square") - std::f64::consts::PI).abs() < 0.2);
    assert!(value("galaxy_fraction") <= 1.0 && value("n_listed_galaxies") > 100.0);
    // A list of galaxies replaces the condition.
    let list = TableBuilder::new()
        .float("x", "", "", vec![110.0, 111.0, 305.0, 10.0])
        .float("y", "", "", vec![110.0, 111.0, 305.0, 10.0])
        .build()
        .unwrap();
    let given = Contamination { scale_arcsec: Some(0.34), area_deg2: Some(1.77), ..stage() };
    let outcome = harness(given, stars(&positions)).input("galaxies", list).run().unwrap();
    let table = outcome.get::<Table>("table");
    assert_eq!(table.ints("n_galaxies").unwrap(), [Some(2)]);
    assert_eq!(table.floats("scale_arcsec").unwrap(), [0.34]);
}

#[test]
fn few_stars_give_no_scale_and_a_warning_and_empty_tables_are_no_error() {
    let outcome = harness(stage(), stars(&field(20, 0.0))).run().unwrap();
    assert!(outcome.get::<Table>("table").floats("scale_arcsec").unwrap()[0].is_nan());
    assert_eq!(outcome.warnings.len(), 1);
    let outcome = harness(Contamination { scale_arcsec: Some(1.0), ..stage() }, stars(&[])).run().unwrap();
    assert_eq!(outcome.get::<Table>("table").floats("n_blends_circle").unwrap(), [0.0]);
}

#[test]
fn parameters_and_missing_columns_are_reported() {
    let bad = Contamination {
        condition: Some("a".into()),
        galaxy_where: "prob <".into(),
        scale_arcsec: Some(0.0),
        density_cells: 0,
        deficit: f64::NAN,
        ..Contamination::default()
    };
    let mut problems = Problems::new();
    bad.check(&mut problems);
    assert!(problems.list().len() >= 4, "{:?}", problems.list());
    let mut problems = Problems::new();
    Contamination::default().infer(&Facets::new(), &mut FacetsOut::new(), &mut problems);
    assert_eq!(problems.list()[0].code, "missing-param");
}

fn frozen() -> Harness {
    harness(stage(), stars(&field(6_000, 1.0)))
}

determinism_test!(contamination_is_deterministic, frozen());
golden_test!(contamination_keeps_its_result, frozen(), version: 1, digest: "8664afa9e455");
