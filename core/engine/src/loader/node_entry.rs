//! The skeleton of one node.

use indexmap::IndexMap;

use super::document::{Entry, Named, entries, join, read_entries, read_text, unknown_field};
use super::finding::Findings;
use super::source::{Place, Sources};
use super::tree::{Kind, Tree};

const FIELDS: [&str; 9] = ["kind", "params", "inputs", "when", "over", "keep", "label", "threads", "if_present"];

/// A node as written: its kind, or changes to a node of that name.
#[derive(Debug, Clone)]
pub(crate) struct NodeEntry {
    /// The node's name.
    pub(crate) place: Place,
    pub(crate) kind: Option<Named>,
    /// Where `params` stands, for problems with what is missing there.
    pub(crate) params_place: Option<Place>,
    pub(crate) params: IndexMap<String, Entry>,
    pub(crate) inputs: IndexMap<String, Entry>,
    pub(crate) when: Option<Tree>,
    pub(crate) over: Option<IndexMap<String, Entry>>,
    pub(crate) keep: Option<Tree>,
    pub(crate) label: Option<Tree>,
    pub(crate) threads: Option<Tree>,
    /// Changes to a node that the graph may not have: `if_present: true` at this place.
    pub(crate) if_present: Option<Place>,
    /// Parameters of single elements of an expanded node, from `--set mags[Y].radius=..`.
    pub(crate) of_element: Vec<(String, String, Entry)>,
    /// Kind, parameters or elements cannot be read: what follows from it is not reported.
    pub(crate) is_broken: bool,
    /// The same for the inputs.
    pub(crate) has_broken_inputs: bool,
}

/// Reads the skeleton of a node.
pub(crate) fn read_node(
    name: &str,
    entry: Entry,
    subject: &str,
    sources: &Sources,
    findings: &mut Findings,
) -> NodeEntry {
    let mut node = NodeEntry {
        place: entry.place,
        kind: None,
        params_place: None,
        params: IndexMap::new(),
        inputs: IndexMap::new(),
        when: None,
        over: None,
        keep: None,
        label: None,
        threads: None,
        if_present: None,
        of_element: Vec::new(),
        is_broken: false,
        has_broken_inputs: false,
    };
    let subject = join(subject, name);
    let is_name = |c: char| c == '_' || c == '-' || c.is_alphanumeric();
    if name.is_empty() || !name.chars().all(is_name) {
        let expected = "a name of letters, digits, _ and -";
        findings.report("bad-name", entry.place, &subject, format!("{name:?}"), expected);
    }
    let fields = match entry.value.into_fields() {
        Ok(fields) => fields,
        Err(value) => {
            let expected = "(kind: \"..\", params: (..), inputs: {..})";
            findings.report("wrong-type", value.place, &subject, value.shape(), expected);
            node.is_broken = true;
            return node;
        }
    };
    for (name, Entry { place, value }) in entries(fields) {
        let path = join(&subject, &name);
        let before = findings.len();
        match name.as_str() {
            "kind" => {
                node.kind = read_text(&value, &path, findings).map(|name| Named { name, place: value.place });
                node.is_broken |= node.kind.is_none();
            }
            "params" => {
                node.params_place = Some(value.place);
                node.params = read_params(value, &path, findings);
                node.is_broken |= findings.len() > before;
            }
            "inputs" => {
                node.inputs = read_entries(value, &path, findings);
                node.has_broken_inputs = findings.len() > before;
            }
            "over" => {
                node.over = Some(read_entries(value, &path, findings));
                node.is_broken |= findings.len() > before;
            }
            "when" => node.when = Some(value),
            "keep" => node.keep = Some(value),
            "label" => node.label = Some(value),
            "threads" => node.threads = Some(value),
            "if_present" => {
                if value.is_word("true", sources) {
                    node.if_present = Some(place);
                } else if !value.is_word("false", sources) {
                    findings.report("wrong-type", value.place, &path, value.shape(), "true or false");
                    node.is_broken = true;
                }
            }
            _ => unknown_field(&name, place, &path, &FIELDS, findings),
        }
    }
    if let (Some(place), Some(_)) = (node.if_present, &node.kind) {
        findings.report(
            "conflict",
            place,
            join(&subject, "if_present"),
            "a node with a kind of its own".to_owned(),
            "if_present only on changes to a node of the graph, without kind",
        );
    }
    node
}

fn read_params(tree: Tree, subject: &str, findings: &mut Findings) -> IndexMap<String, Entry> {
    let place = tree.place;
    let is_named = matches!(tree.kind, Kind::Struct { name: Some(_), .. } | Kind::Tuple { name: Some(_), .. });
    let shape = if is_named { "a struct with a name" } else { tree.shape() };
    match tree.into_fields() {
        Ok(fields) if !is_named => entries(fields),
        _ => {
            findings.report("wrong-type", place, subject, shape, "the parameters, (name: value, ..)");
            IndexMap::new()
        }
    }
}

impl NodeEntry {
    /// Applies a patch: an entry of the same name without a `kind`.
    pub(crate) fn patch(&mut self, patch: Self) {
        if patch.params_place.is_some() && self.params_place.is_none() {
            self.params_place = patch.params_place;
        }
        self.params.extend(patch.params);
        self.inputs.extend(patch.inputs);
        self.when = patch.when.or_else(|| self.when.take());
        self.over = patch.over.or_else(|| self.over.take());
        self.keep = patch.keep.or_else(|| self.keep.take());
        self.label = patch.label.or_else(|| self.label.take());
        self.threads = patch.threads.or_else(|| self.threads.take());
        self.is_broken |= patch.is_broken;
        self.has_broken_inputs |= patch.has_broken_inputs;
    }
}
