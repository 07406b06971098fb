//! A graph file with many mistakes, all printed in one go, each with its place and none of their consequences.
#![allow(missing_docs)]

use skyloom_tests::{Place, repository};

/// Ten mistakes, none of them syntax, two in the node `sky`.
const WRONG: &str = r#"(
    name: "wrong",
    nodes: {
        "gone": (kind: "io.read_image", params: (path: "nowhere.fits")),
        "frame": (kind: "io.read_image", params: (path: "frame.fits.gz")),
        "flat": (kind: "background.nebulize", params: (median_px: 90), inputs: {"image": "frame.image"}),
        "sky": (
            kind: "background.mesh",
            params: (box_pix: 50, clip_sigma: "three"),
            inputs: {"image": "flat.image"},
        ),
        "stars": (
            kind: "detect.stars",
            params: (fwhm_px: -2.0, threshold_sigma: 5.0),
            inputs: {"image": "frame.image", "noise": "sky.noise"},
        ),
        "trace": (kind: "contour.trace", params: (), inputs: {"image": "frame.image", "nois": "sky.noise"}),
        "shapes": (
            kind: "measure.isophotes",
            params: (fwhm_px: 2.0),
            inputs: {"isophotes": "trace.isophotes", "image": "frame.image", "noise": "sky.noise"},
        ),
        "cull": (
            kind: "rules.cull",
            params: (rules: [(name: "small", remove_when: "r_geoo < 3")]),
            inputs: {"table": "shapes.table"},
            colour: "red",
        ),
        "write": (kind: "io.write_table", params: (format: parquet), inputs: {"table": "frame.image"}),
    },
    outputs: {"candidates.parquet": "writ.file"},
)"#;

#[test]
fn ten_mistakes_are_printed_in_one_go_with_line_and_column_and_no_consequence() {
    let place = Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"));
    let frame = repository().join("examples/data/frame-r-002583-2-0136.fits.gz");
    std::fs::copy(frame, place.path("frame.fits.gz")).expect("the frame can be copied");
    place.write("wrong.ron", WRONG);
    let ended = place.run(&["check", "wrong.ron"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    insta::assert_snapshot!(ended.stderr.replace(&place.path("").display().to_string(), "PLACE/"));
    let json = place.run(&["check", "wrong.ron", "--json"]).stdout;
    let problems: serde_json::Value = serde_json::from_str(&json).expect("the problems are JSON");
    let list: Vec<String> = problems["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|p| format!("{}:{} {}", p["line"], p["column"], p["code"].as_str().expect("a code")))
        .collect();
    assert_eq!(
        list,
        [
            "4:56 missing-file",
            "6:24 unknown-kind",
            "9:22 unknown-parameter",
            "9:47 wrong-type",
            "14:31 param-out-of-range",
            "17:87 unknown-port",
            "25:59 unknown-column",
            "27:13 unknown-field",
            "29:88 type-mismatch",
            "31:37 unknown-node",
        ]
    );
}

#[test]
fn a_syntax_error_stands_alone() {
    let place = Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"));
    place.write("wrong.ron", "(\n    nodes: {\n        \"a\": (kind: \"nothing\" params: ()),\n    },\n)");
    let ended = place.run(&["run", "wrong.ron"]);
    assert_eq!(ended.code, Some(3));
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn the_help_names_every_verb_and_exit_code() {
    let place = Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"));
    insta::assert_snapshot!(place.run(&["--help"]).ok().stdout);
    insta::assert_snapshot!(place.run(&["run", "--help"]).ok().stdout);
}
