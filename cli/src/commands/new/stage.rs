//! The files of a new stage crate, from the templates in `cli/templates/stage`.
//!
//! A line of a template that starts with `{{python}}` or `{{no-python}}` is there only with, or only without, a Python package.

use super::NewFile;
use super::frame::frame_fits;
use super::name::StageName;
use super::source::Source;
use crate::failure::CommandFailure;

macro_rules! template {
    ($($path:literal from $file:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/stage/", $file)))),+]
    };
}

/// Path in the new folder, and template.
const TEMPLATES: [(&str, &str); 13] = template! {
    ".gitignore" from "gitignore",
    "Cargo.toml" from "workspace.toml",
    "README.md" from "README.md",
    "rustfmt.toml" from "rustfmt.toml",
    "graphs/{{name}}.ron" from "graphs/graph.ron",
    "program/Cargo.toml" from "program/program.toml",
    "program/src/main.rs" from "program/src/main.rs",
    "program/tests/graph.rs" from "program/tests/graph.rs",
    "stage/Cargo.toml" from "stage/stage.toml",
    "stage/src/algorithm.rs" from "stage/src/algorithm.rs",
    "stage/src/lib.rs" from "stage/src/lib.rs",
    "stage/src/stage.rs" from "stage/src/stage.rs",
    "stage/tests/conformance.rs" from "stage/tests/conformance.rs",
};

/// The same for the Python package.
const PYTHON: [(&str, &str); 4] = template! {
    "python/Cargo.toml" from "python/python.toml",
    "python/pyproject.toml" from "python/pyproject.toml",
    "python/src/lib.rs" from "python/src/lib.rs",
    "python/tests/test_graph.py" from "python/tests/test_graph.py",
};

/// All files, in order.
pub fn files(name: &StageName, skyloom: &Source, with_python: bool) -> Result<Vec<NewFile>, CommandFailure> {
    let values = [
        ("{{name}}", name.name.clone()),
        ("{{ident}}", name.ident.clone()),
        ("{{kind}}", name.kind.clone()),
        ("{{type}}", name.type_name.clone()),
        ("{{cli}}", skyloom.dependency("cli")),
        ("{{data}}", skyloom.dependency("core/data")),
        ("{{engine}}", skyloom.dependency("core/engine")),
        ("{{testkit}}", skyloom.dependency("core/testkit")),
        ("{{skyloom-python}}", skyloom.dependency("python")),
        ("{{python-half}}", skyloom.python_half()),
    ];
    let fill = |text: &str| values.iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, value));
    let python = PYTHON.iter().filter(|_| with_python);
    let templates = TEMPLATES.iter().chain(python);
    let mut files: Vec<NewFile> = templates
        .map(|(path, text)| NewFile { path: fill(path), content: fill(&chosen(text, with_python)).into_bytes() })
        .collect();
    files.push(NewFile { path: "graphs/frame.fits".to_owned(), content: frame_fits()? });
    Ok(files)
}

/// A template without the lines that are for the other case.
fn chosen(text: &str, with_python: bool) -> String {
    let (kept, dropped) = match with_python {
        true => ("{{python}}", "{{no-python}}"),
        false => ("{{no-python}}", "{{python}}"),
    };
    let lines = text.split_inclusive('\n').filter(|line| !line.starts_with(dropped));
    lines.map(|line| line.strip_prefix(kept).unwrap_or(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::name::LONGEST;
    use super::*;

    fn written(name: &str, with_python: bool) -> Vec<(String, String)> {
        let skyloom = Source::Checkout("/sky".into());
        let files = files(&StageName::parse(name).unwrap(), &skyloom, with_python).unwrap();
        files.into_iter().map(|f| (f.path, String::from_utf8_lossy(&f.content).into_owned())).collect()
    }

    #[test]
    fn every_gap_of_the_templates_is_filled() {
        for with_python in [false, true] {
            for (path, text) in written("acme-star-halo", with_python) {
                assert!(!path.contains("{{") && !text.contains("{{"), "{path}");
            }
        }
    }

    #[test]
    fn python_is_there_when_it_was_asked_for() {
        let text = |with_python, path: &str| {
            let files = written("acme-halo", with_python);
            files.into_iter().find(|(name, _)| name == path).map(|(_, text)| text)
        };
        let (with, without) = (text(true, "Cargo.toml").unwrap(), text(false, "Cargo.toml").unwrap());
        assert!(
            with.contains("\"stage\", \"program\", \"python\"]") && with.contains("skyloom-python = { path"),
            "{with}"
        );
        assert!(without.contains("[\"stage\", \"program\"]") && !without.contains("pyo3"), "{without}");
        assert!(text(true, "python/pyproject.toml").unwrap().contains("python-source = \"/sky/python/lib\""));
        assert_eq!(text(false, "python/pyproject.toml"), None);
    }

    /// Longer lines rustfmt would break, and `cargo fmt --check` fail in the new workspace.
    #[test]
    fn the_longest_name_leaves_the_lines_short() {
        let name = format!("acme-{}", "h".repeat(LONGEST - 5));
        let code = written(&name, true).into_iter().filter(|(path, _)| path.ends_with(".rs"));
        // These it leaves alone, having nowhere to break them.
        let whole = ["//", "use ", "skyloom_engine::register_stage!"];
        for (path, text) in code {
            for line in text.lines() {
                let is_whole = whole.iter().any(|start| line.trim_start().starts_with(start));
                assert!(is_whole || line.len() <= 120, "{path}: {line}");
            }
        }
    }
}
