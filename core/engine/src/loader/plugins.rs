//! Files and folders that bring kinds of stages: who names them, and where.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::Named;
use super::finding::{Finding, to_diagnostic};
use super::source::{Place, Sources};
use crate::diagnostic::Diagnostic;

/// A file or folder that brings kinds of stages to a graph. The engine does not know what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// Its absolute path.
    pub path: PathBuf,
    named: Diagnostic,
}

impl Plugin {
    /// A problem with the file or folder itself, at the place where it is named.
    #[must_use]
    pub fn problem(&self, code: &str, found: impl Into<String>, expected: impl Into<String>) -> Diagnostic {
        Diagnostic { code: code.to_owned(), found: found.into(), expected: expected.into(), ..self.named.clone() }
    }
}

/// Those of the texts, whose paths start from the folder of their text, then those of the command line. Each once.
pub(crate) fn plugins_of(
    named: &[Named],
    command_line: &[PathBuf],
    working_dir: &Path,
    sources: &mut Sources,
) -> Vec<Plugin> {
    let mut found: Vec<(PathBuf, Place)> = Vec::new();
    let mut add = |path: PathBuf, place: Place| {
        if !found.iter().any(|(known, _)| *known == path) {
            found.push((path, place));
        }
    };
    for Named { name, place } in named {
        add(sources.folder(place.file).join(name), *place);
    }
    for path in command_line {
        let text: Arc<str> = Arc::from(path.to_string_lossy());
        let whole = 0..text.len();
        let file = sources.add("--plugins".into(), working_dir.to_path_buf(), text, true);
        add(working_dir.join(path), Place::new(file, whole));
    }
    let plugin = |(path, place)| {
        let finding = Finding {
            code: String::new(),
            place,
            subject: "plugins".to_owned(),
            found: String::new(),
            expected: String::new(),
            help: None,
        };
        Plugin { path, named: to_diagnostic(finding, sources) }
    };
    found.into_iter().map(plugin).collect()
}
