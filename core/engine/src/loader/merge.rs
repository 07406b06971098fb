//! From a base, a file, overlays and a test to one description of the graph.

use indexmap::IndexMap;

use super::document::{Document, Entry, Named, Role, TestEntry, join};
use super::finding::Findings;
use super::node_entry::NodeEntry;
use super::source::Sources;
use crate::nearest::nearest;

/// The graph after all changes, before any value is resolved.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) name: Option<String>,
    pub(crate) doc: String,
    /// Those of every text, in order: an overlay adds to what the graph names.
    pub(crate) plugins: Vec<Named>,
    pub(crate) params: IndexMap<String, Entry>,
    pub(crate) nodes: IndexMap<String, NodeEntry>,
    pub(crate) outputs: IndexMap<String, Entry>,
    pub(crate) tests: Vec<TestEntry>,
}

impl Merged {
    /// Applies the next text. Nodes are removed first, then added, replaced or patched by name; a replaced node keeps
    /// its place in the order.
    ///
    /// A file name that an earlier text delivers from a removed node falls with that node. Tests belong to the file in
    /// which they stand: those of a base are not inherited. Name and doc of an overlay or test describe that text.
    pub(crate) fn apply(
        &mut self,
        document: Document,
        role: Role,
        subject: &str,
        sources: &Sources,
        findings: &mut Findings,
    ) {
        if role == Role::Graph {
            self.name = document.name.or_else(|| self.name.take());
            self.doc = document.doc.unwrap_or_default();
            self.tests.clear();
        }
        self.plugins.extend(document.plugins);
        let mut removed = Vec::new();
        for gone in document.remove {
            if self.nodes.shift_remove(&gone.name).is_some() {
                removed.push(gone.name);
            } else {
                findings
                    .report(
                        "unknown-node",
                        gone.place,
                        join(subject, "remove"),
                        format!("no node {:?} to remove", gone.name),
                        "the name of a node of the graph so far",
                    )
                    .suggest(nearest(&gone.name, self.nodes.keys().map(String::as_str)));
            }
        }
        for (name, mut node) in document.nodes {
            match self.nodes.get_mut(&name) {
                Some(known) if node.kind.is_none() => known.patch(node),
                Some(known) => *known = node,
                None if node.kind.is_none() && node.if_present.is_some() => {}
                None => {
                    if node.kind.is_none() && !node.is_broken {
                        self.report_no_kind(&name, &node, role, subject, findings);
                        node.is_broken = true;
                    }
                    self.nodes.insert(name, node);
                }
            }
        }
        self.params.extend(document.params);
        removed.retain(|name| !self.nodes.contains_key(name));
        if !removed.is_empty() {
            self.outputs.retain(|_, entry| {
                let node = entry.value.as_text().and_then(|text| text.split(['.', '[']).next());
                !node.is_some_and(|node| removed.iter().any(|name| name == node))
            });
        }
        for (file, entry) in document.outputs {
            // `None` takes back what an earlier text delivers.
            if entry.value.is_word("None", sources) && self.outputs.contains_key(&file) {
                self.outputs.shift_remove(&file);
            } else {
                self.outputs.insert(file, entry);
            }
        }
        self.tests.extend(document.tests);
    }

    fn report_no_kind(&self, name: &str, node: &NodeEntry, role: Role, subject: &str, findings: &mut Findings) {
        let path = join(&join(subject, "nodes"), name);
        let near = nearest(name, self.nodes.keys().map(String::as_str));
        if role == Role::Graph && near.is_none() {
            findings.report("missing-field", node.place, path, "no kind", "kind: \"family.verb\"");
        } else {
            findings
                .report(
                    "missing-field",
                    node.place,
                    path,
                    format!("no kind, and no node {name:?} to change"),
                    "kind: \"family.verb\" for a new node, or the name of a node of the graph so far",
                )
                .suggest(near);
        }
    }
}
