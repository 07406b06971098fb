//! All problems of a file at once, each with its place, none of them a consequence.

use skyloom_engine::{LoadOptions, load_str};

use crate::support::{load, load_with, only, options, places, registry};

const EIGHT: &str = r##"// Eight mistakes, two of them in one node.
(
    name: "eight",
    params: { "factor": 2.0 },
    nodes: {
        "one":    (kind: "toy.constant", params: (value: "1")),
        "two":    (kind: "toy.scael", params: (factor: 2.0), inputs: {"number": "one.number"}),
        "three":  (kind: "toy.scale",
            params: (factor: 20.0, nam: "x"), /* out of range, and unknown */
            inputs: {"number": "two.number"}),
        "four":   (kind: "toy.scale", params: (factor: "{factr}"), inputs: {"number": "three.number"}),
        "five":   (kind: "toy.sieve", params: (rules: []), inputs: {"number": "four.word"}),
        "six":    (kind: "toy.scale", params: (factor: 1), inputs: {"number": "fife.number"}, treads: 2),
        "seven":  (kind: "toy.add", inputs: {"terms": ["six.number", "one.number", "two.result"]}),
    },
    outputs: { "sum.txt": "seven.number" },
)
"##;

#[test]
fn eight_mistakes_are_all_reported_with_line_and_column_and_no_consequences() {
    let expected = [
        "6:58 wrong-type nodes.one.params.value",
        "7:26 unknown-kind nodes.two.kind",
        "9:30 param-out-of-range nodes.three.params.factor",
        "9:36 unknown-parameter nodes.three.params.nam",
        "11:56 unknown-reference nodes.four.params.factor",
        "12:79 type-mismatch nodes.five.inputs.number",
        "13:79 unknown-node nodes.six.inputs.number",
        "13:95 unknown-field nodes.six.treads",
    ];
    assert_eq!(places(load(EIGHT)), expected);
}

#[test]
fn every_mistake_says_what_was_found_and_expected_and_offers_the_nearest_name() {
    let failure = load(EIGHT).expect_err("there are eight mistakes");
    let said: Vec<[&str; 3]> = failure
        .diagnostics
        .iter()
        .map(|d| [d.found.as_str(), d.expected.as_str(), d.help.as_deref().unwrap_or_default()])
        .collect();
    let expected = [
        ["\"1\"", "integer", ""],
        ["unknown kind \"toy.scael\"", "a kind that `stages list` shows", "did you mean \"toy.scale\"?"],
        ["20.0", "number, from 0.5 to 10", ""],
        ["unknown parameter \"nam\"", "one of factor, rounding, offset, name, limit", "did you mean \"name\"?"],
        ["{factr}", "one of factor", "did you mean \"factor\"?"],
        ["\"four.word\", which is of type word", "a product of type number", "four gives that type at \"four.number\""],
        ["unknown node \"fife\"", "the name of a node of this graph", "did you mean \"five\"?"],
        [
            "unknown field \"treads\"",
            "one of kind, params, inputs, when, over, keep, label, threads, if_present",
            "did you mean \"threads\"?",
        ],
    ];
    assert_eq!(said, expected);
    assert_eq!(&failure.diagnostics[0].source[failure.diagnostics[0].span.clone()], "\"1\"");
}

fn one_node(node: &str) -> String {
    format!("(name: \"one\", nodes: {{\n\"source\": (kind: \"toy.constant\", params: (value: 1)),\n\"n\": {node},\n}})")
}

#[test]
fn a_syntax_error_stands_alone() {
    let d = only(load("(\n  name: \"x\",\n  nodes: { \"a\": (kind: \"nope\") \"b\": () },\n)"));
    assert_eq!((d.code.as_str(), d.line, d.column), ("syntax-error", 3, 32));
    assert_eq!((d.found.as_str(), d.expected.as_str()), ("`\"`", "comma"));
}

#[test]
fn an_unclosed_bracket_is_named() {
    let d = only(load("(\n  name: \"x\",\n  nodes: {\n"));
    assert_eq!(d.code, "syntax-error");
    assert_eq!(d.help.as_deref(), Some("the `{` at 3:10 is not closed"));
}

#[test]
fn an_empty_file_is_a_syntax_error() {
    assert_eq!(places(load("")), ["1:1 syntax-error syntax"]);
    assert_eq!(places(load("// nothing\n")), ["2:1 syntax-error syntax"]);
}

#[test]
fn unknown_fields_are_found_at_every_level() {
    let text = "(name: \"x\", nods: {}, nodes: {\n\"a\": (kind: \"toy.constant\", params: (value: 1), input: {}),\n}, tests: [(name: \"t\", param: {})])";
    assert_eq!(
        places(load(text)),
        ["1:13 unknown-field nods", "2:49 unknown-field nodes.a.input", "3:24 unknown-field tests.t.param"]
    );
}

#[test]
fn names_that_are_written_twice_are_found_at_every_level() {
    let text = r#"(name: "x", name: "y", params: {"p": 1, "p": 2}, nodes: {
"a": (kind: "toy.constant", params: (value: 1, value: 2)),
"a": (kind: "toy.nothing"),
"s": (kind: "toy.sieve", params: (rules: [(name: "r", name: "q", from: 1, to: 2)]), inputs: {"number": "a.number", "number": "a.number"}),
}, outputs: {"o": "a.number", "o": "a.number"})"#;
    assert_eq!(
        places(load(text)),
        [
            "1:13 duplicate-name name",
            "1:41 duplicate-name params.p",
            "2:48 duplicate-name nodes.a.params.value",
            "3:1 duplicate-node nodes.a",
            "4:55 duplicate-name nodes.s.params.rules.0.name",
            "4:116 duplicate-name nodes.s.inputs.number",
            "5:31 duplicate-name outputs.o",
        ]
    );
}

#[test]
fn a_misspelt_required_parameter_is_one_mistake() {
    let d = only(load(&one_node("(kind: \"toy.constant\", params: (vale: 1))")));
    assert_eq!((d.code.as_str(), d.help.as_deref()), ("unknown-parameter", Some("did you mean \"value\"?")));
}

#[test]
fn all_missing_and_unknown_parameters_of_a_node_are_reported() {
    let node = "(kind: \"toy.sieve\", params: (rules: [(name: \"a\"), (fro: 1, to: 2, name: \"b\", weight: 3)], zzz: 1), inputs: {\"number\": \"source.number\"})";
    assert_eq!(
        places(load(&one_node(node))),
        [
            "3:43 missing-parameter nodes.n.params.rules.0.from",
            "3:43 missing-parameter nodes.n.params.rules.0.to",
            "3:57 unknown-parameter nodes.n.params.rules.1.fro",
            "3:83 unknown-parameter nodes.n.params.rules.1.weight",
            "3:96 unknown-parameter nodes.n.params.zzz",
        ]
    );
    let d = only(load(&one_node("(kind: \"toy.constant\")")));
    assert_eq!((d.code.as_str(), d.line, d.column), ("missing-parameter", 3, 1));
    assert_eq!(d.expected, "value: integer");
}

#[test]
fn every_wrong_type_of_a_node_is_reported() {
    let node = "(kind: \"toy.scale\", params: (factor: \"2\", rounding: up, offset: 1.5, name: 3), inputs: {\"number\": \"source.number\"})";
    let failure = load(&one_node(node)).expect_err("four wrong types");
    let said: Vec<[String; 3]> = failure
        .diagnostics
        .iter()
        .map(|d| [format!("{}:{} {}", d.line, d.column, d.code), d.found.clone(), d.expected.clone()])
        .collect();
    let expected = [
        ["3:43 wrong-type", "\"2\"", "number, from 0.5 to 10"],
        ["3:58 unknown-choice", "up", "one of down, nearest, step"],
        ["3:70 wrong-type", "1.5", "integer or None"],
        ["3:81 wrong-type", "3", "text"],
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_variant_in_quotes_is_explained() {
    let node =
        "(kind: \"toy.scale\", params: (factor: 2, rounding: \"nearest\"), inputs: {\"number\": \"source.number\"})";
    let d = only(load(&one_node(node)));
    assert_eq!(d.help.as_deref(), Some("write it without quotes: nearest"));
}

#[test]
fn ranges_reach_inside_variants_and_a_check_does_not_repeat_them() {
    let node = "(kind: \"toy.scale\", params: (factor: 0, rounding: step(step: 0), name: \"\"), inputs: {\"number\": \"source.number\"})";
    assert_eq!(
        places(load(&one_node(node))),
        [
            "3:43 param-out-of-range nodes.n.params.factor",
            "3:67 param-out-of-range nodes.n.params.rounding.step",
            "3:77 param-out-of-range nodes.n.params.name",
        ]
    );
}

#[test]
fn nan_and_infinity_are_refused_unless_the_parameter_allows_them() {
    for value in ["NaN", "inf", "-inf", "1e999"] {
        let node = format!(
            "(kind: \"toy.scale\", params: (factor: {value}, limit: {value}), inputs: {{\"number\": \"source.number\"}})"
        );
        assert_eq!(places(load(&one_node(&node))), ["3:43 not-finite nodes.n.params.factor"], "{value}");
    }
}

#[test]
fn a_problem_of_the_stage_lands_on_the_element_that_it_names() {
    let node = "(kind: \"toy.sieve\", params: (rules: [\n(name: \"a\", from: 1, to: 2),\n(name: \"b\", from: 5, to: 3),\n]), inputs: {\"number\": \"source.number\"})";
    let d = only(load(&one_node(node)));
    assert_eq!((d.line, d.column, d.subject.as_str()), (5, 26, "nodes.n.params.rules.1.to"));
    let node = "(kind: \"toy.sieve\", params: (rules: [\n(name: \"colour\", from: 1, to: 2),\n]), inputs: {\"number\": \"source.number\"})";
    let d = only(load(&one_node(node)));
    assert_eq!((d.code.as_str(), d.line, d.column), ("unknown-column", 4, 8));
}

#[test]
fn a_faulty_value_of_a_reference_is_shown_with_its_origin() {
    let text = "(name: \"x\", params: {\n\"f\": 99.0 },\nnodes: {\n\"a\": (kind: \"toy.constant\", params: (value: 1)),\n\"s\": (kind: \"toy.scale\", params: (factor: \"{f}\"), inputs: {\"number\": \"a.number\"}) })";
    let d = only(load(text));
    assert_eq!((d.line, d.column), (5, 43));
    assert_eq!(d.found, "99.0 (the value of {f}, graphs/toy.ron:2:6)");
}

#[test]
fn inference_is_silent_about_consequences_and_speaks_otherwise() {
    let text = r#"(name: "x", nodes: {
"minus": (kind: "toy.constant", params: (value: -1)),
"first": (kind: "toy.scale", params: (factor: 1), inputs: {"number": "minus.number"}),
"second": (kind: "toy.scale", params: (factor: 1), inputs: {"number": "first.number"}),
"broken": (kind: "toy.constant", params: (value: -1, x: 2)),
"third": (kind: "toy.scale", params: (factor: 1), inputs: {"number": "broken.number"}),
})"#;
    assert_eq!(
        places(load(text)),
        ["3:70 bad-sign nodes.first.inputs.number", "5:54 unknown-parameter nodes.broken.params.x"]
    );
}

#[test]
fn a_missing_file_is_found_at_the_value() {
    let d = only(load("(name: \"x\", nodes: {\n \"r\": (kind: \"toy.read\", params: (path: \"no/such.fits\")) })"));
    assert_eq!((d.code.as_str(), d.line, d.column), ("missing-file", 2, 41));
}

#[test]
fn a_node_that_cannot_fit_names_both_sizes() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let text = format!(
        "(name: \"x\", nodes: {{ \"r\": (kind: \"toy.read\", params: (path: \"{here}\", bytes: 12900000000)) }})"
    );
    let options = LoadOptions { memory_budget: Some(8_000_000_000), ..options() };
    let d = only(load_with(&text, &options));
    assert_eq!((d.code.as_str(), d.line, d.column), ("does-not-fit", 1, 22));
    assert_eq!(
        (d.found.as_str(), d.expected.as_str()),
        ("a node that needs 12.9 GB at its peak", "at most 8.0 GB, the memory budget")
    );
    assert!(load(&text).is_ok(), "without a budget there is nothing to exceed");
}

#[test]
fn skeleton_fields_of_a_wrong_type_are_explained() {
    let text = "(name: 3, nodes: {\n\"a\": [],\n\"b\": (kind: toy, params: [1]),\n\"c\": (kind: \"toy.constant\", params: (value: 1), keep: sometimes, threads: 0, label: 5),\n\"d.e\": (kind: \"toy.constant\", params: (value: 1)),\n\"f\": (params: (value: 1)),\n})";
    assert_eq!(
        places(load(text)),
        [
            "1:8 wrong-type name",
            "2:6 wrong-type nodes.a",
            "3:13 wrong-type nodes.b.kind",
            "3:26 wrong-type nodes.b.params",
            "4:55 wrong-type nodes.c.keep",
            "4:75 wrong-type nodes.c.threads",
            "4:85 wrong-type nodes.c.label",
            "5:1 bad-name nodes.d.e",
            "6:1 missing-field nodes.f",
        ]
    );
}

#[test]
fn a_file_that_is_no_struct_is_explained() {
    assert_eq!(places(load("[1, 2]")), ["1:1 wrong-type graph"]);
    assert_eq!(
        places(load("#![enable(unwrap_variant_newtypes)]\n(name: \"x\")")),
        ["1:11 unsupported-extension enable"]
    );
}

#[test]
fn a_mistake_in_an_expanded_node_is_reported_once() {
    let text = "(name: \"x\", nodes: {\n\"m\": (kind: \"toy.constant\", params: (value: \"one\"), over: {\"band\": [\"Y\", \"J\"]}),\n})";
    assert_eq!(places(load(text)), ["2:45 wrong-type nodes.m[Y].params.value"]);
}

#[test]
fn no_damage_to_a_file_makes_the_loader_panic() {
    let registry = registry();
    let check = |text: &str| {
        if let Err(failure) = load_str(text, "x.ron".as_ref(), &options(), &registry) {
            assert!(!failure.diagnostics.is_empty(), "a failure says why");
            for d in &failure.diagnostics {
                assert!(d.source.get(d.span.clone()).is_some(), "{d:?}");
            }
        }
    };
    for (i, c) in EIGHT.char_indices() {
        check(&EIGHT[..i]);
        check(&format!("{}{}", &EIGHT[..i], &EIGHT[i + c.len_utf8()..]));
        for other in ["(", "}", "\"", "{x}", "\\", "é", "NaN"] {
            check(&format!("{}{other}{}", &EIGHT[..i], &EIGHT[i..]));
        }
    }
}

#[test]
fn a_word_where_text_is_wanted_gets_its_quotes_suggested() {
    let node = "(kind: \"toy.scale\", params: (factor: 2, name: word), inputs: {\"number\": \"source.number\"})";
    assert_eq!(only(load(&one_node(node))).help.as_deref(), Some("write it in quotes: \"word\""));
    let help = only(load(&one_node(&node.replace("word", "None")))).help.expect("a help");
    assert!(help.starts_with("it must have a value"), "{help}");
}

#[test]
fn two_mistakes_in_one_value_of_a_reference_and_beside_it_are_both_found() {
    let text = "(name: \"x\", params: {\"r\": [(name: \"a\", from: 1, to: \"z\")]}, nodes: {\n\"c\": (kind: \"toy.constant\", params: (value: 1)),\n\"s\": (kind: \"toy.sieve\", params: (rules: \"{r}\", more: 1), inputs: {\"number\": \"c.number\"}),\n})";
    assert_eq!(
        places(load(text)),
        ["1:53 wrong-type nodes.s.params.rules.0.to", "3:49 unknown-parameter nodes.s.params.more"]
    );
}
