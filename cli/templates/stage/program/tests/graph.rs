//! The program holds the stage, and the graph passes its own tests.

use std::process::Command;

/// Runs the program in the folder above, and returns what it prints.
fn skyloom(args: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_{{name}}-skyloom");
    let output = Command::new(program)
        .args(args)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env("SKYLOOM_CACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"))
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn the_stage_is_listed_with_its_crate_and_version() {
    let list = skyloom(&["stages", "list"]);
    let is_ours = |line: &&str| line.starts_with("{{kind}} ");
    let line = list.lines().find(is_ours).expect("the stage is listed");
    let provider = {{ident}}::STAGE_CRATE.to_string();
    assert!(line.ends_with(&provider), "{line}");
}

#[test]
fn the_graph_passes_its_tests() {
    skyloom(&["test", "graphs/{{name}}.ron"]);
}
