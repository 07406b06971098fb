//! A RON file beside the graph, for crates that read one of their own: problems get places as those of graphs do.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::build::locate;
use super::duplicates::report_duplicates;
use super::finding::{Finding, Findings, to_diagnostic};
use super::source::{Place, Sources};
use super::syntax::parse_file;
use super::tree::Tree;
use crate::diagnostic::Diagnostic;
use crate::registry::{offset_of, ron_options};

/// A RON text with the places of its values.
#[derive(Debug)]
pub struct RonFile {
    sources: Sources,
    tree: Tree,
}

impl RonFile {
    /// Reads a text; `file` is its name in messages.
    ///
    /// # Errors
    /// The one syntax error, or every name that stands twice in a struct or map.
    pub fn read(file: &Path, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut sources = Sources::default();
        let mut findings = Findings::default();
        let number = sources.add(file.to_path_buf(), Default::default(), Arc::from(text), false);
        let tree = parse_file(&sources, number, &mut findings);
        if let Some(tree) = &tree {
            report_duplicates(tree, &sources, &mut findings);
        }
        match tree {
            Some(tree) if findings.is_empty() => Ok(Self { sources, tree }),
            _ => Err(findings.into_diagnostics(&sources)),
        }
    }

    /// The whole file as a value of a type. `Some` and names of newtypes may be left out, as in graphs.
    ///
    /// # Errors
    /// The first value that does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Diagnostic> {
        let text = &*self.sources.get(0).text;
        ron_options().from_str(text).map_err(|error| {
            let offset = offset_of(text, error.span.start.line, error.span.start.col).min(text.len());
            let length = text[offset..].chars().next().map_or(0, char::len_utf8);
            let message = error.code.to_string();
            let (found, expected) = match message.split_once(", expected ") {
                Some((found, expected)) => (found.trim_start_matches("Unexpected ").to_owned(), expected.to_owned()),
                None => match message.strip_prefix("Expected ") {
                    Some(expected) => ("something else".to_owned(), expected.to_owned()),
                    None => (message, "fields that fit together".to_owned()),
                },
            };
            self.diagnose(Place::new(0, offset..offset + length), "file", "bad-field", found, expected)
        })
    }

    /// A problem at a value, by the names that lead to it; where they lead nowhere, at the last that is there.
    #[must_use]
    pub fn problem(
        &self,
        path: &[&str],
        code: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Diagnostic {
        let (_, place) = locate(&self.tree, path.iter().copied());
        self.diagnose(place, &path.join("."), code, found.into(), expected.into())
    }

    fn diagnose(&self, place: Place, subject: &str, code: &str, found: String, expected: String) -> Diagnostic {
        let (code, subject) = (code.to_owned(), subject.to_owned());
        to_diagnostic(Finding { code, place, subject, found, expected, help: None }, &self.sources)
    }
}
