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
    /// The first value that does not fit, alone.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Vec<Diagnostic>> {
        let text = &*self.sources.get(0).text;
        ron_options().from_str(text).map_err(|error| {
            let offset = offset_of(text, error.span.start.line, error.span.start.col).min(text.len());
            // ron's span begins where the token before it ends.
            let offset = text.len() - text[offset..].trim_start().len();
            let token = token_at(text, offset);
            let (code, found, expected) = in_words(&error.code.to_string(), token);
            vec![self.diagnose(Place::new(0, offset..offset + token.len()), "file", code, found, expected)]
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

/// The value that begins at an offset, as far as it stands in one line and without brackets.
fn token_at(text: &str, offset: usize) -> &str {
    let rest = &text[offset..];
    let end = rest.find([',', '(', ')', '[', ']', '{', '}', '\n']).unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let end = end.max(first);
    rest[..end].trim_end()
}

/// Code, what was found, what was expected, from what ron says in one sentence.
fn in_words(message: &str, token: &str) -> (&'static str, String, String) {
    let plain = |text: &str| text.trim_start_matches("Unexpected ").trim_end_matches(" instead").to_owned();
    if let Some(field) = message.strip_prefix("Unexpected missing field named ") {
        return ("missing-field", "nothing".to_owned(), format!("the field {field}"));
    }
    if let Some((found, expected)) = message.split_once(", expected ") {
        return ("unknown-field", plain(found), plain(expected));
    }
    match message.strip_prefix("Expected ") {
        Some(expected) => match expected.split_once(" but found ") {
            Some((expected, found)) => ("wrong-type", plain(found), expected.to_owned()),
            None => ("wrong-type", token.to_owned(), expected.to_owned()),
        },
        None => ("bad-value", message.to_owned(), "another value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde::Deserialize;

    use super::RonFile;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename = "thing")]
    struct Thing {
        size: f64,
    }

    fn problem(text: &str) -> String {
        let file = RonFile::read(Path::new("x.ron"), text).unwrap_or_else(|e| panic!("{e:?}"));
        let d = file.parse::<Thing>().expect_err("a problem").remove(0);
        format!("{}:{} {}: {}; {}", d.line, d.column, d.code, d.found, d.expected)
    }

    #[test]
    fn problems_have_places_and_words() {
        let good = RonFile::read(Path::new("x.ron"), "(size: 1)").expect("RON");
        assert_eq!(good.parse::<Thing>().map(|thing| thing.size), Ok(1.0));
        assert_eq!(problem("(\n size: one)"), "2:8 wrong-type: one; float");
        assert_eq!(problem("(size: 1, sise: 2)"), "1:11 unknown-field: field named `sise` in `thing`; `size`");
        assert_eq!(problem("()"), "1:2 missing-field: nothing; the field `size` in `thing`");
        assert!(
            RonFile::read(Path::new("x.ron"), "(size: 1, size: 2)").is_err_and(|list| list[0].code == "duplicate-name")
        );
        let file = RonFile::read(Path::new("x.ron"), "(a: {\"b\": [1, 2]})").expect("RON");
        let at = |path: &[&str]| (file.problem(path, "c", "f", "e").line, file.problem(path, "c", "f", "e").column);
        assert_eq!((at(&["a", "b", "1"]), at(&["a", "b", "9"]), at(&["z"])), ((1, 15), (1, 11), (1, 1)));
    }
}
