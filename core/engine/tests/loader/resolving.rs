//! Values: references, origins, settings, bases, overlays, tests, paths, and the corners of RON.

use std::path::{Path, PathBuf};

use skyloom_engine::{LoadOptions, Origin, load as load_file, plugins, resolved_graph};

use crate::support::{feeds, load, load_with, names, only, options, param, places, registry, set};

fn scale(params: &str) -> String {
    format!(
        "(name: \"s\", params: {{\"n\": 4, \"word\": \"w\", \"mode\": nearest, \"nested\": \"{{word}}/{{n}}\", \"none\": None}}, nodes: {{\n\"a\": (kind: \"toy.constant\", params: (value: 1)),\n\"s\": (kind: \"toy.scale\", params: ({params}), inputs: {{\"number\": \"a.number\"}}),\n}})"
    )
}

#[test]
fn a_whole_reference_becomes_the_value_whatever_its_type() {
    let graph =
        load(&scale("factor: \"{n}\", rounding: \"{mode}\", offset: \"{none}\", name: \"{word}\"")).expect("good");
    let values = ["factor", "rounding", "offset", "name"].map(|name| param(&graph, "s", name));
    assert_eq!(values, ["4.0", "nearest", "None", "\"w\""]);
}

#[test]
fn inside_a_longer_string_a_reference_is_text_and_braces_can_be_escaped() {
    let graph = load(&scale("factor: 1, name: \"{nested}.{n}-{{x}}\"")).expect("good");
    assert_eq!(param(&graph, "s", "name"), "\"w/4.4-{x}\"");
    let graph = load(&scale("factor: 1, name: r#\"{{\"{word}\"}}\"#")).expect("good");
    assert_eq!(param(&graph, "s", "name"), r#""{\"w\"}""#);
}

#[test]
fn faulty_references_are_explained() {
    for (text, code) in [
        ("{m}", "unknown-reference"),
        ("a{", "bad-reference"),
        ("a}b", "bad-reference"),
        ("{n", "bad-reference"),
        ("{}", "unknown-reference"),
    ] {
        let d = only(load(&scale(&format!("factor: 1, name: \"{text}\""))));
        assert_eq!((d.code.as_str(), d.line, d.column), (code, 3, 52), "{text}");
    }
    let d = only(load("(name: \"x\", params: {\"l\": [1], \"a\": \"x{l}\"}, nodes: {})"));
    assert_eq!(d.found, "{l}, which is a list [..]");
}

#[test]
fn parameters_that_refer_to_each_other_in_a_circle_are_one_problem() {
    let text = "(name: \"x\", params: {\n\"a\": \"{b}\", \"b\": \"x{c}\", \"c\": \"{a}\", \"d\": \"{a}\"\n}, nodes: {\"n\": (kind: \"toy.constant\", params: (value: \"{d}\"))})";
    let d = only(load(text));
    assert_eq!((d.code.as_str(), d.found.as_str()), ("reference-cycle", "a -> b -> c -> a"));
}

#[test]
fn every_value_knows_its_origin() {
    let text = scale("factor: \"{n}\", name: \"x\"");
    let graph = load_with(&text, &set(&[("n", "5"), ("s.offset", "7")])).expect("good");
    let node = &graph.nodes()[graph.index_of("s").expect("it is there")];
    let origins: Vec<(&str, &str, Origin)> =
        node.params.iter().map(|(n, v)| (n.as_str(), v.value.as_str(), v.origin.clone())).collect();
    let file = |line, column| Origin::File { path: PathBuf::from("graphs/toy.ron"), line, column };
    assert_eq!(
        origins,
        [
            ("factor", "5.0", Origin::CommandLine),
            ("rounding", "down", Origin::Default),
            ("offset", "7", Origin::CommandLine),
            ("name", "\"x\"", file(3, 56)),
            ("limit", "0.0", Origin::Default),
        ]
    );
    assert_eq!(graph.params()["n"].origin, Origin::CommandLine);
    assert_eq!(graph.params()["nested"].value, "\"w/5\"");
    assert_eq!(graph.params()["word"].origin, file(1, 38));
}

#[test]
fn settings_are_ron_and_everything_else_is_a_string() {
    let text = scale("factor: 1");
    let graph = load_with(
        &text,
        &set(&[("s.name", "some/path with space.fits"), ("s.rounding", "step(step: 2)"), ("s.factor", "2.5")]),
    )
    .expect("good");
    let values = ["name", "rounding", "factor"].map(|name| param(&graph, "s", name));
    assert_eq!(values, ["\"some/path with space.fits\"", "step(step:2)", "2.5"]);
    let graph = load_with(&text, &set(&[("s.name", "word"), ("s.rounding", "\"nearest\"")])).expect("good");
    assert_eq!(["name", "rounding"].map(|n| param(&graph, "s", n)), ["\"word\"", "nearest"], "quotes do not matter");
    let graph = load_with(&text, &set(&[("s.name", "{word}"), ("s.factor", "3"), ("s.factor", "4")])).expect("good");
    assert_eq!(["name", "factor"].map(|n| param(&graph, "s", n)), ["\"w\"", "4.0"], "the later one wins");
}

#[test]
fn wrong_settings_are_shown_as_they_were_typed() {
    let text = scale("factor: 1");
    let d = only(load_with(&text, &set(&[("s.factor", "30")])));
    assert_eq!((d.code.as_str(), d.file.to_str(), d.column), ("param-out-of-range", Some("--set"), 10));
    assert_eq!(&*d.source, "s.factor=30");
    for (key, help) in [
        ("wrd", Some("did you mean \"word\"?")),
        ("ss.factor", Some("did you mean \"s.factor\"?")),
        ("s", Some("add the parameter: --set s.PARAMETER=1")),
        ("quite_different", None),
    ] {
        let d = only(load_with(&text, &set(&[(key, "1")])));
        assert_eq!((d.code.as_str(), d.help.as_deref()), ("unknown-setting", help), "{key}");
    }
    let d = only(load_with(&text, &set(&[("s.factr", "1")])));
    assert_eq!((d.code.as_str(), d.help.as_deref()), ("unknown-parameter", Some("did you mean \"factor\"?")));
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
            std::fs::write(path, text).expect("a file can be written");
        }
        Self(dir)
    }
    fn options(&self) -> LoadOptions {
        LoadOptions { working_dir: self.0.path().to_path_buf(), ..options() }
    }
    fn path(&self, name: &str) -> String {
        format!("\"{}\"", self.0.path().join(name).display())
    }
}

#[test]
fn relative_paths_start_from_the_file_in_which_they_are_written() {
    let graph = r#"(name: "p", params: {"tile": "data", "file": "a.txt"}, nodes: {
        "here": (kind: "toy.read", params: (path: "data/a.txt", other: "{file}")),
        "tile": (kind: "toy.read", params: (path: "{tile}/a.txt", other: Some("{file}"))),
    })"#;
    let folder = Folder::new(&[
        ("graphs/p.ron", graph),
        ("graphs/data/a.txt", "1"),
        ("surveys/data/a.txt", "1"),
        ("surveys/o.ron", "(params: {\"tile\": \"data\"})"),
        ("mine/a.txt", "1"),
    ]);
    let load = |options: &LoadOptions| load_file(Path::new("graphs/p.ron"), options, &registry()).expect("good");
    let graph = load(&folder.options());
    assert_eq!(param(&graph, "here", "path"), folder.path("graphs/data/a.txt"));
    assert_eq!(param(&graph, "tile", "path"), folder.path("graphs/data/a.txt"));
    assert_eq!(param(&graph, "tile", "other"), folder.path("graphs/a.txt"));
    let graph = load(&LoadOptions { overlays: vec!["surveys/o.ron".into()], ..folder.options() });
    assert_eq!(param(&graph, "tile", "path"), folder.path("surveys/data/a.txt"));
    assert_eq!(graph.sources(), [PathBuf::from("graphs/p.ron"), PathBuf::from("surveys/o.ron")]);
    let sets = vec![("tile".to_owned(), "mine".to_owned()), ("here.path".to_owned(), "mine/a.txt".to_owned())];
    let graph = load(&LoadOptions { sets, ..folder.options() });
    assert_eq!(param(&graph, "tile", "path"), folder.path("mine/a.txt"));
    assert_eq!(param(&graph, "here", "path"), folder.path("mine/a.txt"));
}

const BASE: &str = r#"(name: "base", doc: "The base.", params: {"n": 1}, nodes: {
    "a": (kind: "toy.constant", params: (value: "{n}")),
    "s": (kind: "toy.scale", params: (factor: 2, name: "base"), inputs: {"number": "a.number", "bias": "a.number"}),
    "t": (kind: "toy.add", inputs: {"terms": "s.number"}),
}, outputs: {"s.txt": "s.number", "t.txt": "t.number"}, tests: [(name: "of base")])"#;

#[test]
fn a_base_is_patched_replaced_and_cut_by_name() {
    let derived = r#"(base: "base.ron", doc: "Derived.", params: {"n": 2}, remove: ["t"], nodes: {
        "s": (params: (factor: 3), inputs: {"bias": None}, label: "patched"),
        "a": (kind: "toy.scale", params: (factor: "{n}"), inputs: {"number": "c.number"}),
        "c": (kind: "toy.constant", params: (value: 9)),
    }, outputs: {"s.txt": None, "c.txt": "c.number"}, tests: [(name: "of derived", doc: "Shows it.")])"#;
    let folder = Folder::new(&[("g/base.ron", BASE), ("g/derived.ron", derived)]);
    let graph = load_file(Path::new("g/derived.ron"), &folder.options(), &registry()).expect("good");
    assert_eq!((graph.name(), graph.doc()), ("base", "Derived."));
    assert_eq!(names(&graph), ["c", "a", "s"]);
    assert_eq!(feeds(&graph, "s"), ["number=a.number"]);
    assert_eq!(["factor", "name"].map(|n| param(&graph, "s", n)), ["3.0", "\"base\""]);
    assert_eq!(graph.nodes()[2].label.as_deref(), Some("patched"));
    assert_eq!(graph.outputs().keys().collect::<Vec<_>>(), ["c.txt"]);
    assert_eq!(graph.tests().iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["of derived"]);
    assert_eq!(graph.sources(), [PathBuf::from("g/base.ron"), PathBuf::from("g/derived.ron")]);
    assert_eq!(graph.file(), Path::new("g/derived.ron"));
}

#[test]
fn plugins_of_all_texts_are_named_once_and_stand_in_the_resolved_graph() {
    let derived = r#"(base: "../base.ron", plugins: ["tools", "../a.x"])"#;
    let base = BASE.replacen("nodes:", "plugins: \"a.x\", nodes:", 1);
    let folder =
        Folder::new(&[("base.ron", &base), ("g/derived.ron", derived), ("o/over.ron", "(plugins: [\"b.x\"])")]);
    let (overlays, more) = (vec!["o/over.ron".into()], vec!["tools".into(), "o/b.x".into()]);
    let options = LoadOptions { overlays, plugins: more, ..folder.options() };
    let root = folder.0.path();
    let expected = ["g/../a.x", "g/tools", "o/b.x", "tools"].map(|name| root.join(name));
    let found = plugins(Path::new("g/derived.ron"), &options);
    assert_eq!(found.iter().map(|p| p.path.clone()).collect::<Vec<_>>(), expected);
    let problem = found[1].problem("code", "found", "expected");
    assert_eq!((problem.file.as_path(), problem.line, problem.column), (Path::new("g/derived.ron"), 1, 33));
    let graph = load_file(Path::new("g/derived.ron"), &options, &registry()).expect("good");
    assert_eq!(graph.plugins(), expected);
    let resolved = load(&resolved_graph(&graph)).expect("good");
    assert_eq!(resolved.plugins(), expected);
    // A file that cannot be read brings none; `load` says why.
    assert!(plugins(Path::new("gone.ron"), &folder.options()).is_empty());
    assert_eq!(only(load("(nodes: {}, tests: [(name: \"t\", plugins: [])])")).code, "unknown-field");
}

#[test]
fn an_overlay_may_change_nodes_that_only_some_graphs_have() {
    let over =
        r#"(nodes: {"s": (if_present: true, params: (factor: 5)), "gone": (if_present: true, params: (factr: 1))})"#;
    let folder = Folder::new(&[("base.ron", BASE), ("over.ron", over)]);
    let options = LoadOptions { overlays: vec!["over.ron".into()], ..folder.options() };
    let graph = load_file(Path::new("base.ron"), &options, &registry()).expect("good");
    assert_eq!((names(&graph), param(&graph, "s", "factor")), (vec!["a", "s", "t"], "5.0".to_owned()));

    // The word is a condition on changes; a new node, or another value, is a mistake.
    for (node, code) in [
        ("(kind: \"toy.add\", if_present: true)", "conflict"),
        ("(if_present: 3)", "wrong-type"),
        ("(if_present: false, params: (factor: 1))", "missing-field"),
    ] {
        let folder = Folder::new(&[("base.ron", BASE), ("over.ron", &format!("(nodes: {{\"u\": {node}}})"))]);
        let options = LoadOptions { overlays: vec!["over.ron".into()], ..folder.options() };
        let failure = load_file(Path::new("base.ron"), &options, &registry()).expect_err("a mistake");
        assert_eq!(failure.diagnostics[0].code, code, "{node}");
    }
}

#[test]
fn problems_are_reported_in_the_file_that_has_them() {
    let folder = Folder::new(&[
        ("base.ron", &BASE.replace("factor: 2", "factor: 200")),
        ("derived.ron", "(base: \"base.ron\", remove: [\"tt\"], nodes: {\"u\": (params: (factor: 1))})"),
        ("over.ron", "(base: \"x\", nodes: {\"s\": (params: (factr: 3))})"),
    ]);
    let options = LoadOptions { overlays: vec!["over.ron".into()], ..folder.options() };
    let failure = load_file(Path::new("derived.ron"), &options, &registry()).expect_err("five problems");
    let said: Vec<String> = failure
        .diagnostics
        .iter()
        .map(|d| format!("{}:{}:{} {}", d.file.display(), d.line, d.column, d.code))
        .collect();
    assert_eq!(
        said,
        [
            "derived.ron:1:29 unknown-node",
            "derived.ron:1:44 missing-field",
            "base.ron:3:47 param-out-of-range",
            "over.ron:1:2 unknown-field",
            "over.ron:1:36 unknown-parameter",
        ]
    );
}

#[test]
fn bases_that_lead_in_a_circle_or_nowhere_are_reported() {
    let folder = Folder::new(&[
        ("a.ron", "(base: \"b.ron\")"),
        ("b.ron", "(base: \"./a.ron\")"),
        ("c.ron", "(name: \"c\",\n base: \"missing.ron\")"),
    ]);
    let d = only(load_file(Path::new("a.ron"), &folder.options(), &registry()));
    assert_eq!((d.code.as_str(), d.found.as_str()), ("base-cycle", "a.ron -> b.ron -> ./a.ron"));
    let d = only(load_file(Path::new("c.ron"), &folder.options(), &registry()));
    assert_eq!((d.code.as_str(), d.line, d.column), ("unreadable-file", 2, 8));
    let d = only(load_file(Path::new("nowhere.ron"), &folder.options(), &registry()));
    assert_eq!((d.code.as_str(), d.line, d.column), ("unreadable-file", 1, 1));
}

#[test]
fn a_test_changes_the_graph_and_the_command_line_still_wins() {
    let text = BASE.replace(
        "[(name: \"of base\")]",
        "[(name: \"small\", doc: \"Less.\", params: {\"n\": 5}, nodes: {\"a\": (kind: \"toy.add\"), \"s\": (params: (name: \"test\"))}, remove: [\"t\"], outputs: {\"u.txt\": \"a.number\"})]",
    );
    let test = |name: &str| LoadOptions { test: Some(name.to_owned()), ..options() };
    assert_eq!(names(&load(&text).expect("good")), ["a", "s", "t"]);
    let graph = load_with(&text, &test("small")).expect("good");
    assert_eq!(names(&graph), ["a", "s"]);
    assert_eq!(graph.nodes()[0].kind, "toy.add");
    assert_eq!(graph.params()["n"].value, "5");
    assert_eq!(graph.outputs().keys().collect::<Vec<_>>(), ["s.txt", "u.txt"]);
    let sets = set(&[("n", "6"), ("s.name", "typed")]).sets;
    let graph = load_with(&text, &LoadOptions { sets, ..test("small") }).expect("good");
    assert_eq!((graph.params()["n"].value.as_str(), param(&graph, "s", "name").as_str()), ("6", "\"typed\""));
    let d = only(load_with(&text, &test("smal")));
    assert_eq!((d.code.as_str(), d.help.as_deref()), ("unknown-test", Some("did you mean \"small\"?")));
}

#[test]
fn the_corners_of_ron_are_read_with_exact_places() {
    let text = "#![enable(implicit_some)]\n/* a /* nested */ comment */\n(name: r#\"a \"raw\" name\"#, // to the end\n nodes: { \"ä\": (kind: \"toy.constant\", params: (value: 0x1F,),), /* é */ \"b\": (kind: \"toy.scale\", params: (r#factor: 1_0.0e-1, rounding: step ( step : 3 , ), offset: Some(-4), name: \"\\u{e9}\\n\\\"\\\\\", factor2: 1), inputs: {\"number\": \"ä.number\",},),},)\n";
    let d = only(load(text));
    assert_eq!((d.code.as_str(), d.line, d.column), ("unknown-parameter", 4, 198));
    let graph = load(&text.replace(", factor2: 1", "")).expect("good");
    assert_eq!(graph.name(), "a \"raw\" name");
    assert_eq!(param(&graph, "ä", "value"), "31");
    let values = ["factor", "rounding", "offset", "name"].map(|name| param(&graph, "b", name));
    assert_eq!(values, ["1.0", "step(step:3)", "-4", "\"é\\n\\\"\\\\\""]);
}

#[test]
fn a_graph_without_a_name_is_called_after_its_file() {
    let graph = load("(nodes: {})").expect("an empty graph is a graph");
    assert_eq!((graph.name(), graph.nodes().len()), ("toy", 0));
}

#[test]
fn all_problems_of_the_skeleton_and_of_the_meaning_come_together() {
    let text = "(name: \"x\", what: 1, nodes: {\"a\": (kind: \"toy.constnt\"), \"b\": (kind: \"toy.add\", inputs: {\"terms\": \"a.number\"}), \"b\": ()})";
    assert_eq!(
        places(load(text)),
        ["1:13 unknown-field what", "1:42 unknown-kind nodes.a.kind", "1:113 duplicate-node nodes.b"]
    );
}
