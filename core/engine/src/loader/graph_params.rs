//! The parameters of a graph: values that nodes refer to, and that the command line sets.

use indexmap::IndexMap;

use super::document::{Entry, join};
use super::finding::Findings;
use super::reference::{Lookup, Part, Scope, resolve, split};
use super::source::Sources;
use super::tree::{Kind, Tree};

/// Resolved graph parameters; `None` for one that has a problem.
#[derive(Debug, Default)]
pub(crate) struct GraphParams {
    values: IndexMap<String, Option<Tree>>,
}

impl GraphParams {
    /// Replaces the references that parameters make to each other.
    pub(crate) fn resolve(params: &IndexMap<String, Entry>, sources: &Sources, findings: &mut Findings) -> Self {
        let mut resolved = Self { values: params.keys().map(|name| (name.clone(), None)).collect() };
        let mut states = vec![State::Open; params.len()];
        for index in 0..params.len() {
            visit(index, params, &mut states, &mut Vec::new(), &mut resolved, sources, findings);
        }
        resolved
    }

    /// The resolved values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Tree)> {
        self.values.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)))
    }

    /// Whether a parameter is set: declared, and neither `None` nor `false`. `None` when it is not declared.
    pub(crate) fn is_set(&self, name: &str, sources: &Sources) -> Option<bool> {
        let value = self.values.get(name)?;
        Some(value.as_ref().is_some_and(|v| !v.is_word("None", sources) && !v.is_word("false", sources)))
    }
}

impl Scope for GraphParams {
    fn lookup(&self, name: &str) -> Lookup<'_> {
        match self.values.get(name) {
            Some(Some(value)) => Lookup::Value(value),
            Some(None) => Lookup::Broken,
            None => Lookup::Unknown,
        }
    }

    fn names(&self) -> Vec<&str> {
        self.values.keys().map(String::as_str).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Active,
    Done,
}

fn visit(
    index: usize,
    params: &IndexMap<String, Entry>,
    states: &mut [State],
    path: &mut Vec<usize>,
    resolved: &mut GraphParams,
    sources: &Sources,
    findings: &mut Findings,
) {
    let Some((name, entry)) = params.get_index(index) else { return };
    match states[index] {
        State::Done => return,
        State::Active => {
            let start = path.iter().position(|&i| i == index).unwrap_or(0);
            let names: Vec<&str> = path[start..]
                .iter()
                .chain([&index])
                .filter_map(|&i| params.get_index(i).map(|(name, _)| name.as_str()))
                .collect();
            let expected = "parameters that do not refer to themselves";
            let subject = join("params", name);
            findings.report("reference-cycle", entry.value.place, subject, names.join(" -> "), expected);
            return;
        }
        State::Open => {}
    }
    states[index] = State::Active;
    path.push(index);
    let before = findings.len();
    let mut names = Vec::new();
    references(&entry.value, &mut names);
    for referred in names.iter().filter_map(|name| params.get_index_of(name.as_str())) {
        visit(referred, params, states, path, resolved, sources, findings);
    }
    // A parameter of a cycle stays without a value; so does what refers to it.
    let in_cycle = findings.list[before..].iter().any(|f| f.code == "reference-cycle");
    if !in_cycle {
        let value = resolve(&entry.value, &*resolved, &join("params", name), sources, findings);
        resolved.values[index] = value;
    }
    path.pop();
    states[index] = State::Done;
}

/// Names that a value refers to; malformed strings are reported when they are resolved.
fn references(tree: &Tree, names: &mut Vec<String>) {
    if !tree.has_braces {
        return;
    }
    match &tree.kind {
        Kind::Text { text, .. } => {
            for part in split(text).unwrap_or_default() {
                if let Part::Reference(name) = part {
                    names.push(name);
                }
            }
        }
        Kind::List(items) | Kind::Tuple { items, .. } => items.iter().for_each(|t| references(t, names)),
        Kind::Struct { fields, .. } => fields.iter().for_each(|f| references(&f.value, names)),
        Kind::Map(pairs) => {
            for (key, value) in pairs {
                references(key, names);
                references(value, names);
            }
        }
        Kind::Unit | Kind::Number | Kind::Word | Kind::Raw => {}
    }
}
