//! The program holds the stage, and the graph passes its own tests.

use std::process::Command;

/// Runs the program in the folder above, and returns what it prints.
fn skyloom(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_{{name}}-skyloom"))
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
    let line = list.lines().find(|line| line.starts_with("{{kind}} ")).expect("the stage is listed");
    assert!(line.ends_with(&{{ident}}::STAGE_CRATE.to_string()), "{line}");
}

#[test]
fn the_graph_passes_its_tests() {
    skyloom(&["test", "graphs/{{name}}.ron"]);
}
