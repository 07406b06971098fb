//! Ports, types, cycles, expansion, `when`, and the files that a graph delivers.

use crate::support::{feeds, load, load_with, names, only, places, set};

#[test]
fn nodes_come_in_topological_order_with_ties_as_in_the_file() {
    let graph = load(
        r#"(name: "x", nodes: {
        "sum": (kind: "toy.add", inputs: {"terms": ["b.number", "a.number"]}),
        "b": (kind: "toy.constant", params: (value: 1)),
        "a": (kind: "toy.constant", params: (value: 2)),
        "last": (kind: "toy.scale", params: (factor: 2), inputs: {"bias": "a.number", "number": "sum.number"}),
    }, outputs: {"x.txt": "last.number", "w.txt": "last.word"})"#,
    )
    .expect("a good graph");
    assert_eq!(names(&graph), ["b", "a", "sum", "last"]);
    assert_eq!(feeds(&graph, "sum"), ["terms=b.number", "terms=a.number"], "in the order of the file");
    assert_eq!(feeds(&graph, "last"), ["number=sum.number", "bias=a.number"], "in the order of the signature");
    let outputs: Vec<String> = graph.outputs().iter().map(|(f, p)| format!("{f}={}.{}", p.node, p.port)).collect();
    assert_eq!(outputs, ["x.txt=last.number", "w.txt=last.word"]);
    assert_eq!(graph.structure().edge_count(), 4);
}

#[test]
fn a_cycle_is_printed_as_a_path_and_other_problems_are_found_beside_it() {
    let text = r#"(name: "x", nodes: {
"a": (kind: "toy.scale", params: (factor: 1), inputs: {"number": "c.number"}),
"b": (kind: "toy.scale", params: (factor: 1), inputs: {"number": "a.number"}),
"c": (kind: "toy.add", inputs: {"terms": ["b.number", "d.number"]}),
"d": (kind: "toy.add", inputs: {"terms": "d.number"}),
"r": (kind: "toy.read", params: (path: "nothing")),
})"#;
    let failure = load(text).expect_err("two cycles and a missing file");
    let said: Vec<String> =
        failure.diagnostics.iter().map(|d| format!("{}:{} {} {}", d.line, d.column, d.code, d.found)).collect();
    assert_eq!(said, ["2:66 cycle a -> b -> c -> a", "5:42 cycle d -> d", "6:40 missing-file no such file"]);
}

#[test]
fn missing_inputs_and_unknown_ports_are_found() {
    let text = r#"(name: "x", nodes: {
"a": (kind: "toy.constant", params: (value: 1), inputs: {"number": "a.number"}),
"b": (kind: "toy.scale", params: (factor: 1)),
"c": (kind: "toy.scale", params: (factor: 1), inputs: {"numbr": "a.number"}),
"d": (kind: "toy.scale", params: (factor: 1), inputs: {"number": "a.nmber", "bias": "a"}),
"e": (kind: "toy.scale", params: (factor: 1), inputs: {"number": ["a.number", "b.number"]}),
})"#;
    assert_eq!(
        places(load(text)),
        [
            "2:58 unknown-port nodes.a.inputs.number",
            "3:1 missing-input nodes.b.inputs.number",
            "4:56 unknown-port nodes.c.inputs.numbr",
            "5:66 unknown-port nodes.d.inputs.number",
            "5:85 bad-product-name nodes.d.inputs.bias",
            "6:79 too-many-products nodes.e.inputs.number",
        ]
    );
    let failure = load(text).expect_err("as above");
    assert_eq!(failure.diagnostics[1].help.as_deref(), Some("products of that type: a.number, c.number, d.number"));
    assert_eq!(failure.diagnostics[3].found, "\"a.nmber\": a has no output \"nmber\"");
}

#[test]
fn wiring_is_checked_at_nodes_whose_parameters_are_wrong() {
    let text = r#"(name: "x", nodes: {
"a": (kind: "toy.constant", params: (value: "one")),
"b": (kind: "toy.scale", params: (factor: "two"), inputs: {"bias": "a.numbr"}),
})"#;
    assert_eq!(
        places(load(text)),
        [
            "2:45 wrong-type nodes.a.params.value",
            "3:1 missing-input nodes.b.inputs.number",
            "3:43 wrong-type nodes.b.params.factor",
            "3:68 unknown-port nodes.b.inputs.bias",
        ]
    );
}

const BANDS: &str = r#"(name: "bands", params: {"bands": ["Y", "J"], "scale": 2}, nodes: {
"image": (kind: "toy.constant", params: (value: 1), over: {"band": "{bands}"}),
"mags": (kind: "toy.scale", params: (factor: "{scale}", name: "mag_{band}"), over: {"band": "{bands}"},
    inputs: {"number": "image.number"}, label: "in {band}"),
"all": (kind: "toy.add", inputs: {"terms": "mags.number"}),
"y": (kind: "toy.scale", params: (factor: 1), inputs: {"number": "mags[Y].number"}),
}, outputs: {"mag_y.txt": "mags[Y].word"})"#;

#[test]
fn over_expands_a_node_and_its_readers_find_their_element() {
    let graph = load(BANDS).expect("a good graph");
    assert_eq!(names(&graph), ["image[Y]", "image[J]", "mags[Y]", "mags[J]", "all", "y"]);
    assert_eq!(feeds(&graph, "mags[J]"), ["number=image[J].number"]);
    assert_eq!(feeds(&graph, "all"), ["terms=mags[Y].number", "terms=mags[J].number"]);
    assert_eq!(feeds(&graph, "y"), ["number=mags[Y].number"]);
    let node = &graph.nodes()[graph.index_of("mags[J]").expect("it is there")];
    assert_eq!(node.label.as_deref(), Some("in J"));
    assert_eq!(crate::support::param(&graph, "mags[J]", "name"), "\"mag_J\"");
}

#[test]
fn one_port_takes_no_list_of_elements() {
    let d = only(load(&BANDS.replace("mags[Y].number", "mags.number")));
    assert_eq!((d.code.as_str(), d.found.as_str()), ("too-many-products", "\"mags.number\", which is 2 products"));
    assert_eq!(d.help.as_deref(), Some("name one: \"mags[Y].number\""));
    let d = only(load(&BANDS.replace("mags[Y].word", "mags.word")));
    assert_eq!((d.code.as_str(), d.subject.as_str()), ("too-many-products", "outputs.mag_y.txt"));
}

#[test]
fn unknown_elements_and_lists_are_found() {
    let d = only(load(&BANDS.replace("mags[Y].number", "mags[H].number")));
    assert_eq!((d.code.as_str(), d.expected.as_str()), ("unknown-element", "one of mags[Y], mags[J]"));
    let text = BANDS.replace("[\"Y\", \"J\"]", "\"YJ\"");
    assert_eq!(places(load(&text)), ["2:68 wrong-type nodes.image.over.band", "3:93 wrong-type nodes.mags.over.band"]);
    let d = only(load(&BANDS.replace("[\"Y\", \"J\"]", "[\"Y\", \"Y\"]")));
    assert_eq!((d.code.as_str(), d.line, d.column), ("duplicate-name", 1, 41));
}

#[test]
fn settings_reach_one_element_of_an_expanded_node() {
    let graph = load_with(BANDS, &set(&[("mags[J].factor", "3"), ("mags.offset", "1")])).expect("a good graph");
    assert_eq!(crate::support::param(&graph, "mags[J]", "factor"), "3.0");
    assert_eq!(crate::support::param(&graph, "mags[Y]", "factor"), "2.0");
    assert_eq!(crate::support::param(&graph, "mags[Y]", "offset"), "1");
    let d = only(load_with(BANDS, &set(&[("mags[H].factor", "3")])));
    assert_eq!((d.code.as_str(), d.file.to_str()), ("unknown-setting", Some("--set")));
}

const WHEN: &str = r#"(name: "when", params: {"y": None, "k": 7}, nodes: {
"ks": (kind: "toy.constant", params: (value: "{k}"), when: "k"),
"y": (kind: "toy.constant", params: (value: "{y}"), when: "y"),
"scaled": (kind: "toy.scale", params: (factor: "{y}"), inputs: {"number": "y.number"}),
"biased": (kind: "toy.scale", params: (factor: 2), inputs: {"number": "ks.number", "bias": "scaled.number"}),
"sum": (kind: "toy.add", inputs: {"terms": ["ks.number", "y.number", "scaled.number"]}),
}, outputs: {"y.txt": "scaled.number", "sum.txt": "sum.number"})"#;

#[test]
fn a_node_falls_with_when_and_takes_along_what_needs_it() {
    let graph = load(WHEN).expect("a good graph");
    assert_eq!(names(&graph), ["ks", "biased", "sum"]);
    assert_eq!(feeds(&graph, "biased"), ["number=ks.number"], "an optional port is left empty");
    assert_eq!(feeds(&graph, "sum"), ["terms=ks.number"], "a port for many takes what is there");
    assert_eq!(graph.outputs().keys().collect::<Vec<_>>(), ["sum.txt"]);
}

#[test]
fn setting_the_parameter_brings_the_node_back() {
    let graph = load_with(WHEN, &set(&[("y", "3")])).expect("a good graph");
    assert_eq!(names(&graph), ["ks", "y", "scaled", "biased", "sum"]);
    assert_eq!(graph.outputs().len(), 2);
    let d = only(load(
        &WHEN
            .replace("when: \"y\"", "when: \"yy\"")
            .replace("\"{y}\"), when", "1), when")
            .replace("\"{y}\"), inputs", "1), inputs"),
    ));
    assert_eq!((d.code.as_str(), d.subject.as_str()), ("unknown-reference", "nodes.y.when"));
}

#[test]
fn a_node_with_not_stands_in_for_one_that_is_off() {
    let text = WHEN.replace("when: \"k\"", "when: \"not y\"");
    assert_eq!(names(&load(&text).expect("a good graph")), ["ks", "biased", "sum"]);
    let graph = load_with(&text, &set(&[("y", "3")])).expect("a good graph");
    assert_eq!(names(&graph), ["y", "scaled", "sum"]);
    let d = only(load(&text.replace("when: \"not y\"", "when: \"not yy\"")));
    assert_eq!((d.code.as_str(), d.subject.as_str()), ("unknown-reference", "nodes.ks.when"));
}

#[test]
fn output_names_are_plain_and_products_exist() {
    let text = r#"(name: "x", params: {"t": "a"}, nodes: {
"a": (kind: "toy.constant", params: (value: 1)),
}, outputs: {
"run.json": "a.number",
"../a.txt": "a.number",
"b/a.txt": "a.number",
"": "a.number",
"c.txt": "b.number",
"d.txt": "a.numbr",
"{t}.txt": "a.number",
"a.txt": "{t}.number",
"e.txt": 3,
})"#;
    assert_eq!(
        places(load(text)),
        [
            "4:1 bad-output-name outputs.run.json",
            "5:1 bad-output-name outputs.../a.txt",
            "6:1 bad-output-name outputs.b/a.txt",
            "7:1 bad-output-name outputs.",
            "8:10 unknown-node outputs.c.txt",
            "9:10 unknown-port outputs.d.txt",
            "11:1 duplicate-name outputs.a.txt",
            "12:10 wrong-type outputs.e.txt",
        ]
    );
}
