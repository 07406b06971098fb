//! What every registered stage promises to the manual, to `stages show` and to graph files.
#![allow(missing_docs)]

use skyloom_engine::{ParamInfo, Registry, StageInfo, parameters, undocumented_parameters};
// Links the stages in.
use skyloom_stages as _;

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

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_kind_is_family_and_verb_in_lower_case() {
    every_stage(|_, info, found| {
        let parts: Vec<&str> = info.kind.split('.').collect();
        if parts.len() != 2 || !parts.iter().all(|p| is_word(p)) {
            found.push("expected family.verb".into());
        }
    });
}

#[test]
fn kinds_are_listed_in_order() {
    let registry = Registry::with_builtin().expect("the stages are sound");
    let kinds: Vec<&str> = registry.stages().map(|s| s.kind.as_str()).collect();
    assert!(kinds.is_sorted(), "{kinds:?}");
}

#[test]
fn every_summary_is_one_sentence() {
    every_stage(|_, info, found| {
        let summary = info.summary();
        let is_sentence = summary.ends_with('.')
            && summary.starts_with(|c: char| c.is_uppercase())
            && !summary.trim_end_matches('.').contains(". ");
        if !is_sentence {
            found.push(format!("the first line is no sentence of its own: {summary:?}"));
        }
        // It stands beside the kind in a list.
        if summary.chars().count() > 110 {
            found.push(format!("a summary of {} characters: {summary:?}", summary.chars().count()));
        }
        if info.doc.lines().nth(1).is_some_and(|line| !line.trim().is_empty()) {
            found.push("no empty line below the summary".into());
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
fn every_parameter_is_documented() {
    every_stage(|_, info, found| {
        found.extend(undocumented_parameters(info));
        each_parameter(info, found, |p| {
            let doc = p.doc.trim();
            (!doc.ends_with(['.', ')', '`'])).then(|| format!("the documentation is no sentence: {doc:?}"))
        });
        each_parameter(info, found, |p| {
            let bare: Vec<&str> =
                p.choices.iter().filter(|c| c.doc.trim().is_empty()).map(|c| c.name.as_str()).collect();
            (!bare.is_empty()).then(|| format!("choices without documentation: {}", bare.join(", ")))
        });
    });
}

#[test]
fn every_parameter_is_a_lower_case_word_with_the_unit_that_its_name_says() {
    every_stage(|_, info, found| {
        each_parameter(info, found, |p| (!is_word(&p.name)).then(|| "expected a lower case word".into()));
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

#[test]
fn every_parameter_is_required_or_has_a_default() {
    every_stage(|_, info, found| {
        each_parameter(info, found, |p| {
            (p.required == p.default.is_some()).then(|| format!("required {}, default {:?}", p.required, p.default))
        });
    });
}

#[test]
fn every_example_builds_and_every_port_is_documented() {
    every_stage(|registry, info, found| {
        let signature = match registry.example_signature(&info.kind) {
            Ok(signature) => signature,
            Err(error) => return found.push(format!("the example {}: {error:?}", info.example)),
        };
        let inputs = signature.inputs.iter().map(|p| ("input", &p.name, &p.doc));
        let outputs = signature.outputs.iter().map(|p| ("output", &p.name, &p.doc));
        for (direction, name, doc) in inputs.chain(outputs) {
            if doc.trim().is_empty() {
                found.push(format!("{direction} {name} has no documentation"));
            }
            if !is_word(name) {
                found.push(format!("{direction} {name:?}: expected a lower case word"));
            }
        }
        if signature.inputs.is_empty() && signature.outputs.is_empty() {
            found.push("no ports".into());
        }
    });
}
