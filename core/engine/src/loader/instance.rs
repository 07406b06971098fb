//! From nodes as written to nodes as they run: `over` multiplies them, `when` switches them off.

use indexmap::IndexMap;

use super::document::{Entry, join};
use super::finding::Findings;
use super::graph_params::GraphParams;
use super::merge::Merged;
use super::node_entry::NodeEntry;
use super::reference::{Lookup, Scope, resolve};
use super::source::{Place, Sources};
use super::tree::{Kind, Tree};
use crate::graph::Keep;
use crate::nearest::nearest;

/// A node as it would run.
#[derive(Debug)]
pub(crate) struct Instance<'m> {
    /// `flat`, or `mags[Y]` for an element of an expanded node.
    pub(crate) name: String,
    /// `nodes.NAME`, how problems call it.
    pub(crate) subject: String,
    pub(crate) entry: &'m NodeEntry,
    /// Values of `over` for this element.
    pub(crate) element: Vec<(String, Tree)>,
    /// `when` names a parameter that is not set.
    pub(crate) is_off: bool,
    pub(crate) keep: Keep,
    pub(crate) label: Option<String>,
    pub(crate) threads: Option<usize>,
    pub(crate) findings: Findings,
}

/// All elements of one node of the file.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Names in `over`.
    pub(crate) keys: Vec<String>,
    /// Its instances, in order.
    pub(crate) members: Vec<usize>,
    /// Its list of elements is not known.
    pub(crate) is_broken: bool,
}

/// The nodes of a graph after expansion.
#[derive(Debug, Default)]
pub(crate) struct Expanded<'m> {
    pub(crate) instances: Vec<Instance<'m>>,
    pub(crate) groups: IndexMap<&'m str, Group>,
}

/// The names that strings of one instance may refer to: its element first, then the graph's parameters.
pub(crate) struct InstanceScope<'a> {
    pub(crate) element: &'a [(String, Tree)],
    pub(crate) params: &'a GraphParams,
}

impl Scope for InstanceScope<'_> {
    fn lookup(&self, name: &str) -> Lookup<'_> {
        match self.element.iter().find(|(key, _)| key == name) {
            Some((_, value)) => Lookup::Value(value),
            None => self.params.lookup(name),
        }
    }

    fn names(&self) -> Vec<&str> {
        self.element.iter().map(|(key, _)| key.as_str()).chain(self.params.names()).collect()
    }
}

/// Expands all nodes, in the order of the file.
pub(crate) fn expand<'m>(
    merged: &'m Merged,
    params: &GraphParams,
    sources: &Sources,
    findings: &mut Findings,
) -> Expanded<'m> {
    let mut expanded = Expanded::default();
    for (name, entry) in &merged.nodes {
        let mut group = Group::default();
        let elements = match &entry.over {
            None => Some(vec![Vec::new()]),
            Some(_) if entry.is_broken => None,
            Some(over) => {
                group.keys = over.keys().cloned().collect();
                elements(name, over, params, sources, findings)
            }
        };
        group.is_broken = elements.is_none();
        for element in elements.unwrap_or_default() {
            group.members.push(expanded.instances.len());
            expanded.instances.push(instance(name, entry, element, params, sources));
        }
        let names: Vec<String> = group
            .members
            .iter()
            .filter_map(|&i| expanded.instances[i].name.split_once('['))
            .map(|(_, e)| e.trim_end_matches(']').to_owned())
            .collect();
        for (element, _, setting) in &entry.of_element {
            if !group.is_broken && !names.contains(element) {
                let expected = if names.is_empty() {
                    "no element: the node is not expanded over a list".to_owned()
                } else {
                    format!("one of {}", names.join(", "))
                };
                findings
                    .report(
                        "unknown-setting",
                        setting.place,
                        "--set",
                        format!("element [{element}] of {name}"),
                        expected,
                    )
                    .suggest(nearest(element, names.iter().map(String::as_str)));
            }
        }
        expanded.groups.insert(name, group);
    }
    expanded
}

/// All combinations of the lists, the last name running fastest. `None` when a list is not known.
fn elements(
    node: &str,
    over: &IndexMap<String, Entry>,
    params: &GraphParams,
    sources: &Sources,
    findings: &mut Findings,
) -> Option<Vec<Vec<(String, Tree)>>> {
    let mut all: Option<Vec<Vec<(String, Tree)>>> = Some(vec![Vec::new()]);
    for (key, entry) in over {
        let subject = join(&join("nodes", node), &format!("over.{key}"));
        let list = resolve(&entry.value, params, &subject, sources, findings)
            .and_then(|value| list_of_words(value, &subject, sources, findings));
        all = match (all, list) {
            (Some(all), Some(list)) => Some(
                all.iter()
                    .flat_map(|element| {
                        list.iter().map(|value| {
                            let mut element = element.clone();
                            element.push((key.clone(), value.clone()));
                            element
                        })
                    })
                    .collect(),
            ),
            _ => None,
        };
    }
    all
}

fn list_of_words(value: Tree, subject: &str, sources: &Sources, findings: &mut Findings) -> Option<Vec<Tree>> {
    let Kind::List(items) = value.kind else {
        let found = value.shape();
        findings.report("wrong-type", value.place, subject, found, "a list of words or numbers");
        return None;
    };
    let before = findings.len();
    let mut seen: IndexMap<String, Place> = IndexMap::new();
    for item in &items {
        let Some(text) = element_text(item, sources) else {
            findings.report("wrong-type", item.place, subject, item.shape(), "a word or a number");
            continue;
        };
        if text.is_empty() || text.contains([',', '[', ']']) {
            let expected = "a word without commas and brackets: it becomes part of the node's name";
            findings.report("bad-name", item.place, subject, format!("{text:?}"), expected);
        }
        if let Some(first) = seen.insert(text.clone(), item.place) {
            let expected = format!("each element once; first at {}", sources.describe(first));
            findings.report("duplicate-name", item.place, subject, format!("{text:?} again"), expected);
        }
    }
    (findings.len() == before).then_some(items)
}

/// How an element is written in the name of its node.
pub(crate) fn element_text(tree: &Tree, sources: &Sources) -> Option<String> {
    match &tree.kind {
        Kind::Text { text, .. } => Some(text.clone()),
        Kind::Number | Kind::Word => Some(tree.token(sources).to_owned()),
        _ => None,
    }
}

fn instance<'m>(
    node: &str,
    entry: &'m NodeEntry,
    element: Vec<(String, Tree)>,
    params: &GraphParams,
    sources: &Sources,
) -> Instance<'m> {
    let words: Vec<String> = element.iter().filter_map(|(_, tree)| element_text(tree, sources)).collect();
    let name = if words.is_empty() { node.to_owned() } else { format!("{node}[{}]", words.join(",")) };
    let mut findings = Findings::default();
    let scope = InstanceScope { element: &element, params };
    let subject = format!("nodes.{name}");
    let mut value = |field: &str, tree: &Option<Tree>| {
        let tree = tree.as_ref()?;
        let path = join(&subject, field);
        let value = resolve(tree, &scope, &path, sources, &mut findings)?;
        Some((path, value)).filter(|(_, value)| !value.is_word("None", sources))
    };
    let when = value("when", &entry.when);
    let keep = value("keep", &entry.keep);
    let label = value("label", &entry.label);
    let threads = value("threads", &entry.threads);
    let wrong = |path: &str, value: &Tree, expected: &str, findings: &mut Findings| {
        findings.report("wrong-type", value.place, path, value.excerpt(sources), expected);
    };
    let keep = keep.and_then(|(path, value)| {
        let keep = match element_text(&value, sources).as_deref() {
            Some("auto") => Some(Keep::Auto),
            Some("always") => Some(Keep::Always),
            Some("never") => Some(Keep::Never),
            _ => None,
        };
        if keep.is_none() {
            wrong(&path, &value, "one of auto, always, never", &mut findings);
        }
        keep
    });
    let label = label.and_then(|(path, value)| {
        let label = value.as_text().map(str::to_owned);
        if label.is_none() {
            wrong(&path, &value, "text in quotes", &mut findings);
        }
        label
    });
    let threads = threads.and_then(|(path, value)| {
        let threads = element_text(&value, sources).and_then(|t| t.parse::<usize>().ok()).filter(|&n| n > 0);
        if threads.is_none() || !matches!(value.kind, Kind::Number) {
            wrong(&path, &value, "a number of threads, at least 1", &mut findings);
        }
        threads
    });
    let is_off = when.is_some_and(|(path, value)| {
        let Some(text) = value.as_text() else {
            wrong(&path, &value, "the name of a graph parameter, in quotes", &mut findings);
            return false;
        };
        let (name, wanted) = text.strip_prefix("not ").map_or((text, true), |name| (name.trim(), false));
        match params.is_set(name, sources) {
            Some(is_set) => is_set != wanted,
            None => {
                let known = params.names();
                let near = nearest(name, known.iter().copied());
                let expected = "the name of a graph parameter";
                findings.report("unknown-reference", value.place, path, format!("{name:?}"), expected).suggest(near);
                false
            }
        }
    });
    Instance { name, subject, entry, element, is_off, keep: keep.unwrap_or_default(), label, threads, findings }
}
