//! The skeleton of one file: which parts it has, before their values mean anything.

use indexmap::IndexMap;

use super::finding::Findings;
use super::node_entry::{NodeEntry, read_node};
use super::source::{Place, Sources};
use super::tree::{Field, Kind, Tree};
use crate::nearest::nearest;

/// What a text is: the fields that it may have depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A graph of its own, or the base of one.
    Graph,
    /// Changes to a graph.
    Overlay,
    /// Changes to a graph for one test.
    Test,
}

impl Role {
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Graph => &["name", "doc", "base", "plugins", "params", "nodes", "remove", "outputs", "tests"],
            Self::Overlay => &["name", "doc", "plugins", "params", "nodes", "remove", "outputs", "tests"],
            Self::Test => &["name", "doc", "params", "nodes", "remove", "outputs"],
        }
    }
}

/// A value with the place of its name.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) value: Tree,
}

/// A name and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// A test of a file.
#[derive(Debug, Clone)]
pub(crate) struct TestEntry {
    pub(crate) name: Named,
    pub(crate) doc: String,
    pub(crate) change: Document,
}

/// The parts of one file, overlay or test, as written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) name: Option<String>,
    pub(crate) doc: Option<String>,
    pub(crate) base: Option<Named>,
    /// Files and folders that bring kinds of stages.
    pub(crate) plugins: Vec<Named>,
    pub(crate) params: IndexMap<String, Entry>,
    pub(crate) nodes: IndexMap<String, NodeEntry>,
    pub(crate) remove: Vec<Named>,
    pub(crate) outputs: IndexMap<String, Entry>,
    pub(crate) tests: Vec<TestEntry>,
}

/// Reads the skeleton; `subject` is empty for a file and `tests.NAME` for a test.
pub(crate) fn read_document(
    tree: Tree,
    role: Role,
    subject: &str,
    sources: &Sources,
    findings: &mut Findings,
) -> Document {
    let mut document = Document::default();
    let fields = match tree.into_fields() {
        Ok(fields) => fields,
        Err(tree) => {
            let expected = "(name: .., nodes: {..}, ..)";
            findings.report("wrong-type", tree.place, subject_or(subject, "graph"), tree.shape(), expected);
            return document;
        }
    };
    let mut seen = Vec::new();
    for Field { name, place, value } in fields {
        if seen.contains(&name) {
            continue;
        }
        let path = join(subject, &name);
        match name.as_str() {
            "name" => document.name = read_text(&value, &path, findings),
            "doc" => document.doc = read_text(&value, &path, findings),
            "base" if role == Role::Graph => {
                document.base = read_text(&value, &path, findings).map(|name| Named { name, place: value.place });
            }
            "plugins" if role != Role::Test => document.plugins = read_names(&value, &path, findings),
            "params" => document.params = read_entries(value, &path, findings),
            "outputs" => document.outputs = read_entries(value, &path, findings),
            "nodes" => {
                for (name, entry) in read_entries(value, &path, findings) {
                    let node = read_node(&name, entry, &path, sources, findings);
                    document.nodes.insert(name, node);
                }
            }
            "remove" => document.remove = read_names(&value, &path, findings),
            "tests" if role != Role::Test => document.tests = read_tests(value, sources, findings),
            _ => unknown_field(&name, place, &path, role.fields(), findings),
        }
        seen.push(name);
    }
    document
}

fn read_tests(tree: Tree, sources: &Sources, findings: &mut Findings) -> Vec<TestEntry> {
    let items = match tree.kind {
        Kind::List(items) => items,
        _ => {
            findings.report("wrong-type", tree.place, "tests", tree.shape(), "a list [(name: .., ..), ..]");
            return Vec::new();
        }
    };
    let mut tests: Vec<TestEntry> = Vec::new();
    for (i, item) in items.into_iter().enumerate() {
        let place = item.place;
        let named = item.fields().into_iter().flatten().find(|(key, ..)| *key == "name");
        let known =
            named.and_then(|(_, _, value)| Some(Named { name: value.as_text()?.to_owned(), place: value.place }));
        let has_no_name = named.is_none() && item.fields().is_some();
        let subject = known.as_ref().map_or_else(|| format!("tests.{i}"), |n| format!("tests.{}", n.name));
        let change = read_document(item, Role::Test, &subject, sources, findings);
        match known {
            Some(name) => {
                if let Some(first) = tests.iter().find(|t| t.name.name == name.name) {
                    let expected = format!("each name once; first at {}", sources.describe(first.name.place));
                    findings.report("duplicate-name", name.place, &subject, format!("{:?} again", name.name), expected);
                    continue;
                }
                tests.push(TestEntry { doc: change.doc.clone().unwrap_or_default(), name, change });
            }
            None if has_no_name => {
                findings.report("missing-field", place, &subject, "no name", "name: \"..\"");
            }
            None => {}
        }
    }
    tests
}

/// Names with values. The first of two equal names counts; that there are two is reported elsewhere.
pub(crate) fn read_entries(tree: Tree, subject: &str, findings: &mut Findings) -> IndexMap<String, Entry> {
    match tree.into_fields() {
        Ok(fields) => entries(fields),
        Err(tree) => {
            findings.report("wrong-type", tree.place, subject, tree.shape(), "a map {\"name\": .., ..}");
            IndexMap::new()
        }
    }
}

/// Fields by name; the first of two equal names counts.
pub(crate) fn entries(fields: Vec<Field>) -> IndexMap<String, Entry> {
    let mut entries = IndexMap::with_capacity(fields.len());
    for Field { name, place, value } in fields {
        entries.entry(name).or_insert(Entry { place, value });
    }
    entries
}

/// A list of names; one name alone will do.
fn read_names(tree: &Tree, subject: &str, findings: &mut Findings) -> Vec<Named> {
    let one = std::slice::from_ref(tree);
    let items = if let Kind::List(items) = &tree.kind { items.as_slice() } else { one };
    let mut names = Vec::new();
    for item in items {
        if let Some(name) = read_text(item, subject, findings) {
            names.push(Named { name, place: item.place });
        }
    }
    names
}

pub(crate) fn read_text(tree: &Tree, subject: &str, findings: &mut Findings) -> Option<String> {
    let text = tree.as_text().map(str::to_owned);
    if text.is_none() {
        findings.report("wrong-type", tree.place, subject, tree.shape(), "text in quotes");
    }
    text
}

pub(crate) fn unknown_field(name: &str, place: Place, subject: &str, known: &[&str], findings: &mut Findings) {
    let expected = format!("one of {}", known.join(", "));
    findings
        .report("unknown-field", place, subject, format!("unknown field {name:?}"), expected)
        .suggest(nearest(name, known.iter().copied()));
}

/// `subject.name`.
pub(crate) fn join(subject: &str, name: &str) -> String {
    if subject.is_empty() { name.to_owned() } else { format!("{subject}.{name}") }
}

fn subject_or<'a>(subject: &'a str, other: &'a str) -> &'a str {
    if subject.is_empty() { other } else { subject }
}
