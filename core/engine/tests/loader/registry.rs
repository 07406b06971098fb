//! Kinds from several sources: clashes, descriptions, parameters.

use std::sync::Arc;

use skyloom_engine::{
    BuildError, Registry, Stage, StageCrate, StageInfo, StageSource, parameters, undocumented_parameters,
};

use crate::support::registry;

#[derive(Debug)]
struct Foreign(&'static str);

impl StageSource for Foreign {
    fn name(&self) -> &str {
        "descriptors in tools/"
    }
    fn stages(&self) -> Vec<StageInfo> {
        vec![StageInfo {
            kind: self.0.to_owned(),
            provider: "sextractor 2.28".to_owned(),
            doc: "Finds sources.\n\nWith a foreign program.".to_owned(),
            schema: serde_json::json!({"type": "object", "properties": {"value": {"type": "integer"}, "deep": {"type": "array", "items": {"type": "number"}}}, "required": ["value"]}),
            example: "(value: 1)".to_owned(),
        }]
    }
    fn build(&self, _: &str, params_ron: &str) -> Result<Box<dyn Stage>, BuildError> {
        registry().build("toy.constant", params_ron)
    }
}

#[test]
fn kinds_are_sorted_and_described() {
    let registry = registry();
    let kinds: Vec<&str> = registry.stages().map(|s| s.kind.as_str()).collect();
    assert_eq!(kinds, ["toy.add", "toy.constant", "toy.read", "toy.scale", "toy.sieve"]);
    let info = registry.find("toy.scale").expect("it is there");
    assert_eq!((info.summary(), info.provider.as_str()), ("Multiplies a number.", "skyloom-engine 0.1.0"));
}

#[test]
fn every_example_builds_and_shows_its_ports() {
    let registry = registry();
    for info in registry.stages() {
        assert!(registry.example_signature(&info.kind).is_ok(), "{}", info.kind);
    }
    let ports = registry.example_signature("toy.scale").expect("it builds");
    assert_eq!(ports.inputs.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["number", "bias"]);
}

#[test]
fn a_clash_names_both_who_bring_the_kind() {
    let mut registry = registry();
    registry.add(Arc::new(Foreign("sextractor.run"))).expect("a kind of its own");
    let error = registry.add(Arc::new(Foreign("toy.add"))).expect_err("the kind is taken");
    let text = error.to_string();
    assert!(text.contains("\"toy.add\""), "{text}");
    assert!(text.contains("skyloom-engine 0.1.0 (built in)"), "{text}");
    assert!(text.contains("sextractor 2.28 (descriptors in tools/)"), "{text}");
}

#[test]
fn a_graph_may_use_kinds_that_typetag_has_never_seen() {
    let mut registry = Registry::with_builtin().expect("the toys do not clash");
    registry.add(Arc::new(Foreign("sextractor.run"))).expect("a kind of its own");
    let load = |params: &str| {
        let text = format!("(name: \"x\", nodes: {{\"a\": (kind: \"sextractor.run\", params: ({params}))}})");
        skyloom_engine::load_str(&text, "x.ron".as_ref(), &crate::support::options(), &registry)
    };
    assert_eq!(load("value: 3").expect("good").nodes()[0].provider, "sextractor 2.28");
    assert_eq!(crate::support::only(load("value: 3, valu: 4")).code, "unknown-parameter");
}

#[test]
fn parameters_have_type_unit_default_range_and_choices() {
    let registry = registry();
    let list = parameters(registry.find("toy.scale").expect("it is there"));
    let text: Vec<String> = list
        .iter()
        .map(|p| format!("{} {}|{:?}|{:?}|{:?}|{}", p.name, p.type_text, p.unit, p.default, p.range, p.required))
        .collect();
    assert_eq!(
        text,
        [
            "factor number|Some(\"px\")|None|Some(\"from 0.5 to 10\")|true",
            "rounding one of down, nearest, step|None|Some(\"down\")|None|false",
            "offset integer or None|None|Some(\"None\")|None|false",
            "name text|None|Some(\"\\\"scaled\\\"\")|None|false",
            "limit number|None|Some(\"0.0\")|None|false",
        ]
    );
    assert_eq!(list[0].doc, "The factor.");
    assert_eq!(list[1].choices[0].doc, "Towards minus infinity.");
    let rules = parameters(registry.find("toy.sieve").expect("it is there"));
    assert_eq!(rules[0].type_text, "list of (name: .., from: .., to: ..)");
}

#[test]
fn undocumented_parameters_are_listed() {
    for info in registry().stages() {
        assert_eq!(undocumented_parameters(info), Vec::<String>::new(), "{}", info.kind);
    }
    let info = &Foreign("x.y").stages()[0];
    assert_eq!(undocumented_parameters(info), ["value", "deep"]);
}

#[test]
fn an_unknown_kind_is_answered_by_the_right_name_or_by_the_ways_that_a_stage_comes_in() {
    let mut registry = registry();
    registry.add(Arc::new(Foreign("sextractor.run"))).expect("a kind of its own");
    assert_eq!(registry.providers(), ["sextractor 2.28", "skyloom-engine 0.1.0"]);
    assert_eq!(registry.help_for_unknown("toy.scael"), "did you mean \"toy.scale\"?");
    assert_eq!(registry.help_for_unknown("scale"), "did you mean \"toy.scale\"?");
    let ways = registry.help_for_unknown("acme.halo");
    assert!(ways.starts_with("this program holds sextractor 2.28, skyloom-engine 0.1.0; "), "{ways}");
    // The nearest name of another family may be meant, or a crate may be missing.
    let both = registry.help_for_unknown("toys.scale");
    assert!(both.starts_with("did you mean \"toy.scale\"?") && both.contains("main_with"), "{both}");
    assert!(Registry::new().help_for_unknown("a.b").contains("no stages"));
}

#[test]
fn a_crate_knows_which_of_its_stages_did_not_register() {
    let kinds = &["toy.add", "toy.constant", "toy.read", "toy.scale", "toy.sieve"];
    let whole = StageCrate { name: "skyloom-engine", version: "0.1.0", kinds };
    assert!(whole.missing().is_empty() && whole.unlisted().is_empty());
    let other = StageCrate { kinds: &["toy.add", "toy.lost"], ..whole };
    assert_eq!(other.missing(), ["toy.lost"]);
    assert_eq!(other.unlisted(), kinds[1..]);
    // The same kind from another crate is not this crate's.
    let elsewhere = StageCrate { name: "acme", ..whole };
    assert_eq!((elsewhere.missing().as_slice(), elsewhere.to_string().as_str()), (kinds.as_slice(), "acme 0.1.0"));
}
