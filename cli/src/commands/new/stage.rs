//! The files of a new stage crate, from the templates in `cli/templates/stage`.

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

/// All files, in order.
pub fn files(name: &StageName, skyloom: &Source) -> Result<Vec<NewFile>, CommandFailure> {
    let values = [
        ("{{name}}", name.name.clone()),
        ("{{ident}}", name.ident.clone()),
        ("{{kind}}", name.kind.clone()),
        ("{{type}}", name.type_name.clone()),
        ("{{cli}}", skyloom.dependency("cli")),
        ("{{data}}", skyloom.dependency("core/data")),
        ("{{engine}}", skyloom.dependency("core/engine")),
        ("{{testkit}}", skyloom.dependency("core/testkit")),
    ];
    let fill = |text: &str| values.iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, value));
    let mut files: Vec<NewFile> =
        TEMPLATES.iter().map(|(path, text)| NewFile { path: fill(path), content: fill(text).into_bytes() }).collect();
    files.push(NewFile { path: "graphs/frame.fits".to_owned(), content: frame_fits()? });
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_of_the_templates_is_filled() {
        let name = StageName::parse("acme-star-halo").unwrap();
        let files = files(&name, &Source::Git("https://example.org/skyloom".to_owned())).unwrap();
        for file in files {
            let text = String::from_utf8_lossy(&file.content);
            assert!(!file.path.contains("{{") && !text.contains("{{"), "{}", file.path);
        }
    }
}
