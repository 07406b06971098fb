//! From the text of a source to a tree, or to the one syntax error that stands alone.

use super::finding::Findings;
use super::scan::{scan, unclosed_bracket};
use super::source::{Place, Sources};
use super::tree::{Kind, Tree};
use crate::registry::{offset_of, ron_options};

/// Extensions that a file may enable: both are always on.
const KNOWN_EXTENSIONS: [&str; 2] = ["implicit_some", "unwrap_newtypes"];

/// Reads a file. A syntax error is reported alone: nothing behind it can be trusted.
pub(crate) fn parse_file(sources: &Sources, file: u32, findings: &mut Findings) -> Option<Tree> {
    let text = &*sources.get(file).text;
    if text.trim().is_empty() {
        let found = if text.is_empty() { "an empty file" } else { "a file of blanks" };
        findings.report("syntax-error", Place::new(file, 0..0), "syntax", found, "a graph: (name: .., nodes: {..})");
        return None;
    }
    // ron judges, the scanner finds places; on a graph of 10,000 nodes each takes as long as everything else together.
    let (judged, scanned) =
        rayon::join(|| ron_options().from_str::<serde::de::IgnoredAny>(text), || scan(text, file, 0..text.len()));
    if let Err(error) = judged {
        let offset = offset_of(text, error.span.end.line, error.span.end.col);
        report_syntax(sources, file, offset, &error.code.to_string(), findings);
        return None;
    }
    let scanned = match scanned {
        Ok(scanned) => scanned,
        Err(error) => {
            report_syntax(sources, file, error.offset, &format!("Expected {}", error.expected), findings);
            return None;
        }
    };
    for (name, place) in &scanned.extensions {
        if !KNOWN_EXTENSIONS.contains(&name.as_str()) {
            let expected = "no extension: implicit_some and unwrap_newtypes are always on, others are not supported";
            findings.report("unsupported-extension", *place, "enable", name, expected);
        }
    }
    Some(scanned.tree)
}

fn report_syntax(sources: &Sources, file: u32, offset: usize, message: &str, findings: &mut Findings) {
    let text = &*sources.get(file).text;
    let rest = &text[offset..];
    let length = rest
        .find(|c: char| !(c == '_' || c.is_alphanumeric()))
        .map_or(rest.len(), |n| if n == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { n });
    let token = &rest[..length];
    let found = match token {
        "" => "the end of the file".to_owned(),
        "\n" | "\r" => "the end of the line".to_owned(),
        token => format!("`{token}`"),
    };
    let (found, expected) = match message.strip_prefix("Expected ") {
        Some(expected) => (found, expected.to_owned()),
        None => (format!("{found}: {message}"), "RON".to_owned()),
    };
    let place = Place::new(file, offset..offset + length);
    let finding = findings.report("syntax-error", place, "syntax", found, expected);
    if let Some(open) = unclosed_bracket(text) {
        let (line, column) = sources.line_column(Place::new(file, open..open + 1));
        finding.help(format!("the `{}` at {line}:{column} is not closed", &text[open..open + 1]));
    }
}

/// Reads the value of a `--set`: RON, and what does not parse as RON is a string.
pub(crate) fn parse_setting(sources: &Sources, file: u32, value: std::ops::Range<usize>) -> Tree {
    let text = &sources.get(file).text[value.clone()];
    let place = Place::new(file, value.clone());
    let as_text = || Tree::new(place, Kind::Text { text: text.to_owned(), first: file });
    if text.starts_with('#') || ron_options().from_str::<serde::de::IgnoredAny>(text).is_err() {
        return as_text();
    }
    scan(&sources.get(file).text, file, value).map_or_else(|_| as_text(), |scanned| scanned.tree)
}
