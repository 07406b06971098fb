//! What every registered stage promises to the manual, to `stages show` and to graph files.
#![allow(missing_docs)]

use skyloom_engine::{ParamInfo, Registry, StageInfo, parameters};
// Links the stages in.
use skyloom_stages as _;
use skyloom_testkit::manual_problems;

/// Runs a check on every stage and lists all that fail, so that one run shows everything.
fn every_stage(check: impl Fn(&Registry, &StageInfo, &mut Vec<String>)) {
    let registry = Registry::with_builtin().expect("the stages are sound");
    let mut problems = Vec::new();
    let mut n = 0;
    for info in registry.stages() {
        let mut found = Vec::new();
        check(&registry, info, &mut found);
        problems.extend(found.into_iter().map(|p| format!("{}: {p}", info.kind)));
        n += 1;
    }
    assert!(n >= 14, "only {n} stages are linked in");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Parameters that fail a condition, as one line each.
fn each_parameter(info: &StageInfo, found: &mut Vec<String>, problem: impl Fn(&ParamInfo) -> Option<String>) {
    found.extend(parameters(info).iter().filter_map(|p| Some(format!("{}: {}", p.name, problem(p)?))));
}

#[test]
fn every_stage_is_described_as_the_suite_of_the_testkit_asks() {
    every_stage(|registry, info, found| found.extend(manual_problems(registry, &info.kind)));
}

#[test]
fn kinds_are_listed_in_order() {
    let registry = Registry::with_builtin().expect("the stages are sound");
    let kinds: Vec<&str> = registry.stages().map(|s| s.kind.as_str()).collect();
    assert!(kinds.is_sorted(), "{kinds:?}");
}

#[test]
fn every_summary_fits_beside_the_kind_in_a_list() {
    every_stage(|_, info, found| {
        let length = info.summary().chars().count();
        if length > 110 {
            found.push(format!("a summary of {length} characters: {:?}", info.summary()));
        }
    });
}

#[test]
fn every_stage_names_its_crate_and_version() {
    every_stage(|_, info, found| {
        let is_named = info.provider.split_once(' ').is_some_and(|(name, version)| {
            name.starts_with("skyloom") && version.split('.').filter(|n| n.parse::<u32>().is_ok()).count() == 3
        });
        if !is_named {
            found.push(format!("provider {:?}", info.provider));
        }
    });
}

#[test]
fn every_parameter_has_the_unit_that_its_name_says() {
    every_stage(|_, info, found| {
        each_parameter(info, found, |p| {
            let (_, ending) = p.name.rsplit_once('_')?;
            let expected = match ending {
                unit @ ("px" | "s" | "deg" | "arcsec" | "sigma") => unit,
                "mag" => "mag",
                "percentile" | "percent" => "%",
                _ => return None,
            };
            (p.unit.as_deref() != Some(expected)).then(|| format!("unit {:?}, expected {expected:?}", p.unit))
        });
    });
}
