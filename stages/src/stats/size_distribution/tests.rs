use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::{Table, TableBuilder};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

/// The quantiles of a Pareto law: as even a sample as there can be.
fn pareto(n: usize, slope: f64, x_min: f64) -> Vec<f64> {
    (0..n).map(|i| x_min * libm::pow(1.0 - (i as f64 + 0.5) / n as f64, -1.0 / (slope - 1.0))).collect()
}

/// Fewer below the limit than the law would have.
fn incomplete() -> Table {
    let mut sizes = pareto(2000, 2.7, 10.0);
    sizes.extend((0..300).map(|i| 5.0 + 5.0 * (f64::from(i) / 300.0)));
    sizes.extend([f64::NAN, -1.0, 0.0]);
    let n = sizes.len();
    let parents = (0..n).map(|i| if i % 7 == 0 { Some(1) } else { None }).collect();
    TableBuilder::new().float("r_geo", "pix", "", sizes).optional_int("parent_id", "", "", parents).build().unwrap()
}

fn run(stage: SizeDistribution, table: Table) -> (Table, Table) {
    let outcome = Harness::new(stage).input("table", table).run().unwrap();
    ((*outcome.get::<Table>("table")).clone(), (*outcome.get::<Table>("histogram")).clone())
}

#[test]
fn the_slope_of_a_pareto_sample_is_found_with_its_error() {
    for slope in [1.8, 2.5, 3.3] {
        let law = fit_power_law(&pareto(10_000, slope, 3.0), 3.0);
        // Quantiles carry no sampling noise; only their spacing shows.
        assert!((law.slope - slope).abs() < 2e-3, "{law:?}");
        assert!((law.slope_err - (slope - 1.0) / 100.0).abs() < 1e-4);
        assert!(law.ks < 1e-3);
        // A higher limit cuts the sample and leaves the slope.
        assert!((fit_power_law(&pareto(10_000, slope, 3.0), 5.0).slope - slope).abs() < 0.01);
    }
}

#[test]
fn the_limit_is_the_peak_of_the_histogram_unless_it_is_given() {
    let (law, histogram) = run(SizeDistribution::default(), incomplete());
    let value = |name: &str| law.floats(name).unwrap()[0];
    assert!(value("x_min") > 10.0 && value("x_min") < 12.0, "{}", value("x_min"));
    assert!((value("slope") - 2.7).abs() < 2.0 * value("slope_err"), "{}", value("slope"));
    assert!((value("slope_log") - value("slope") + 1.0).abs() < 1e-12);
    assert_eq!(value("n_total"), 2300.0);
    let total: i64 = histogram.ints("n").unwrap().into_iter().flatten().sum();
    assert_eq!(total, 2300);
    let expected: f64 = histogram.floats("n_law").unwrap().into_iter().filter(|v| v.is_finite()).sum();
    assert!((expected - value("n")).abs() < 0.01 * value("n"));
    let given = SizeDistribution { x_min: Some(20.0), ..SizeDistribution::default() };
    assert!((run(given, incomplete()).0.floats("slope").unwrap()[0] - 2.7).abs() < 0.02);
    let roots = SizeDistribution { condition: Some("is_nan(parent_id)".to_owned()), ..SizeDistribution::default() };
    assert_eq!(run(roots, incomplete()).0.ints("n_total").unwrap(), [Some(1971)]);
}

#[test]
fn too_few_sizes_give_nan_and_a_warning() {
    for sizes in [vec![], vec![3.0], vec![2.0, 2.0]] {
        let table = TableBuilder::new().float("r_geo", "", "", sizes.clone()).build().unwrap();
        let stage = SizeDistribution { x_min: Some(2.0), ..SizeDistribution::default() };
        let outcome = Harness::new(stage).input("table", table).run().unwrap();
        assert!(outcome.get::<Table>("table").floats("slope").unwrap()[0].is_nan(), "{sizes:?}");
        assert_eq!(outcome.warnings.len(), 1);
    }
}

#[test]
fn every_value_lies_in_the_bin_between_its_edges() {
    let values: Vec<f64> = (1..2000).map(|i| f64::from(i) * 0.01).chain([1.0, 10.0, 1000.0]).collect();
    let histogram = log_histogram(&values, 10);
    assert_eq!(histogram.counts.iter().sum::<usize>(), values.len());
    for (w, &n) in histogram.edges.windows(2).zip(&histogram.counts) {
        assert_eq!(values.iter().filter(|v| **v >= w[0] && **v < w[1]).count(), n);
    }
}

#[test]
fn parameters_and_columns_are_checked() {
    let bad = SizeDistribution {
        column: "r_ego".into(),
        x_min: Some(f64::NAN),
        bins_per_dex: 0,
        condition: Some("1 +".into()),
    };
    let mut problems = Problems::new();
    bad.check(&mut problems);
    assert_eq!(problems.list().len(), 3);
    let mut inputs = Facets::new();
    let columns = Some(vec![("r_geo".to_owned(), ColumnKind::Float)]);
    inputs.add("table", "cull.table", TableFacet { columns }.to_facet());
    let mut problems = Problems::new();
    bad.infer(&inputs, &mut FacetsOut::new(), &mut problems);
    assert_eq!(problems.list()[0].help.as_deref(), Some("did you mean \"r_geo\"?"));
}

fn frozen() -> Harness {
    Harness::new(SizeDistribution::default()).input("table", incomplete())
}

determinism_test!(the_size_distribution_is_deterministic, frozen());
golden_test!(the_size_distribution_keeps_its_result, frozen(), version: 1, digest: "c9ccacbb789c");
