//! A graph as it is written: after bases, overlays and settings, before any value means anything.

use indexmap::IndexMap;

use super::document::Entry;
use super::merge::Merged;
use super::source::Sources;
use super::tree::{Kind, Tree};

/// A graph as it is written, for comparisons: values are RON on one line, references are not resolved, and nothing is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenGraph {
    /// Parameters of the graph.
    pub params: IndexMap<String, String>,
    /// The nodes by name.
    pub nodes: IndexMap<String, WrittenNode>,
    /// File name to product.
    pub outputs: IndexMap<String, String>,
}

/// A node as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenNode {
    /// Its kind; empty where none is given.
    pub kind: String,
    /// Its parameters.
    pub params: IndexMap<String, String>,
    /// Its wires by port.
    pub inputs: IndexMap<String, String>,
    /// `when`, `over`, `keep`, `label`, `threads`, as far as they are set.
    pub settings: IndexMap<String, String>,
}

impl WrittenGraph {
    pub(super) fn of(merged: &Merged, sources: &Sources) -> Self {
        let values = |entries: &IndexMap<String, Entry>| -> IndexMap<String, String> {
            entries.iter().map(|(name, entry)| (name.clone(), entry.value.to_ron(sources))).collect()
        };
        let wires = |entries: &IndexMap<String, Entry>| -> IndexMap<String, String> {
            let is_wired = |entry: &Entry| !entry.value.is_word("None", sources);
            entries
                .iter()
                .filter(|(_, e)| is_wired(e))
                .map(|(name, e)| (name.clone(), wire(&e.value, sources)))
                .collect()
        };
        let nodes = merged.nodes.iter().map(|(name, node)| {
            let mut settings = IndexMap::new();
            let simple =
                [("when", &node.when), ("keep", &node.keep), ("label", &node.label), ("threads", &node.threads)];
            for (field, tree) in simple {
                if let Some(tree) = tree.as_ref().filter(|tree| !tree.is_word("None", sources)) {
                    settings.insert(field.to_owned(), tree.to_ron(sources));
                }
            }
            if let Some(over) = &node.over {
                let lists: Vec<String> = values(over).into_iter().map(|(key, list)| format!("{key}: {list}")).collect();
                settings.insert("over".to_owned(), format!("{{{}}}", lists.join(", ")));
            }
            let kind = node.kind.as_ref().map(|kind| kind.name.clone()).unwrap_or_default();
            let written = WrittenNode { kind, params: values(&node.params), inputs: wires(&node.inputs), settings };
            (name.clone(), written)
        });
        Self {
            params: values(&merged.params),
            nodes: nodes.collect(),
            outputs: merged.outputs.iter().map(|(file, e)| (file.clone(), wire(&e.value, sources))).collect(),
        }
    }
}

/// A product or a list of products, without quotes.
fn wire(tree: &Tree, sources: &Sources) -> String {
    match &tree.kind {
        Kind::Text { text, .. } => text.clone(),
        Kind::List(items) => {
            format!("[{}]", items.iter().map(|item| wire(item, sources)).collect::<Vec<_>>().join(", "))
        }
        _ => tree.to_ron(sources),
    }
}
