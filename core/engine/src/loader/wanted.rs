//! Which products a node asks for: names looked up, before ports and types mean anything.

use indexmap::IndexMap;

use super::build::Built;
use super::document::join;
use super::finding::Findings;
use super::graph_params::GraphParams;
use super::instance::{Expanded, Group, Instance, InstanceScope, element_text};
use super::product_name::ProductName;
use super::reference::resolve_cow;
use super::source::{Place, Sources};
use super::tree::{Kind, Tree};
use crate::nearest::nearest;

/// What stands at one name of `inputs`.
#[derive(Debug)]
pub(crate) struct WantedPort {
    pub(crate) port: String,
    /// Where the port's name is written.
    pub(crate) place: Place,
    /// The products, in the order of the file.
    pub(crate) products: Vec<WantedProduct>,
    /// Something of it was reported.
    pub(crate) is_broken: bool,
}

/// One name of a product, and the instances that it means.
#[derive(Debug)]
pub(crate) struct WantedProduct {
    pub(crate) place: Place,
    /// As written, references replaced.
    pub(crate) name: String,
    pub(crate) output: String,
    /// Several for an expanded node; none when its list is empty.
    pub(crate) instances: Vec<usize>,
}

/// Looks up names of products; remembers suggestions, since a hub that is missing is missed by every reader.
pub(crate) struct Lookup<'a, 'm> {
    pub(crate) expanded: &'a Expanded<'m>,
    pub(crate) built: &'a [Built],
    pub(crate) sources: &'a Sources,
    suggestions: IndexMap<String, Option<String>>,
}

impl<'a, 'm> Lookup<'a, 'm> {
    pub(crate) fn new(expanded: &'a Expanded<'m>, built: &'a [Built], sources: &'a Sources) -> Self {
        Self { expanded, built, sources, suggestions: IndexMap::new() }
    }

    /// What an instance asks for. `None` as a value takes back a wire of an earlier text.
    pub(crate) fn inputs_of(
        &mut self,
        reader: &Instance<'_>,
        params: &GraphParams,
        findings: &mut Findings,
    ) -> Vec<WantedPort> {
        let scope = InstanceScope { element: &reader.element, params };
        let mut ports = Vec::with_capacity(reader.entry.inputs.len());
        for (port, entry) in &reader.entry.inputs {
            let subject = || format!("{}.inputs.{port}", reader.subject);
            let mut wanted =
                WantedPort { port: port.clone(), place: entry.place, products: Vec::new(), is_broken: false };
            match resolve_cow(&entry.value, &scope, &subject, self.sources, findings) {
                Some(value) if value.is_word("None", self.sources) => continue,
                Some(value) => {
                    let one = std::slice::from_ref(&*value);
                    let items = if let Kind::List(items) = &value.kind { items.as_slice() } else { one };
                    for item in items {
                        match self.product(item, &reader.element, &subject, findings) {
                            Some(product) => wanted.products.push(product),
                            None => wanted.is_broken = true,
                        }
                    }
                }
                None => wanted.is_broken = true,
            }
            ports.push(wanted);
        }
        ports
    }

    /// Looks up one name; `element` is that of the reader. `None` when the name has a problem, which is reported.
    pub(crate) fn product(
        &mut self,
        tree: &Tree,
        element: &[(String, Tree)],
        subject: &dyn Fn() -> String,
        findings: &mut Findings,
    ) -> Option<WantedProduct> {
        let Some(text) = tree.as_text() else {
            findings.report("wrong-type", tree.place, subject(), tree.excerpt(self.sources), "\"node.port\"");
            return None;
        };
        let Some(name) = ProductName::parse(text) else {
            let expected = "\"node.port\", or \"node[element].port\" for one element of an expanded node";
            findings.report("bad-product-name", tree.place, subject(), format!("{text:?}"), expected);
            return None;
        };
        let Some(group) = self.expanded.groups.get(name.node) else {
            let suggestion = self.nearest_node(name.node);
            findings
                .report(
                    "unknown-node",
                    tree.place,
                    subject(),
                    format!("unknown node {:?}", name.node),
                    "the name of a node of this graph",
                )
                .suggest(suggestion.as_deref());
            return None;
        };
        if group.is_broken {
            return None;
        }
        let instances = match name.element {
            Some(wanted) => vec![self.element(group, name.node, wanted, tree.place, subject, findings)?],
            None => self.matching(group, element),
        };
        if name.element.is_none() && instances.is_empty() && !group.members.is_empty() {
            let found = format!("{:?}, which has no element for this node", name.node);
            let expected = format!("one of {}", self.element_names(group).join(", "));
            findings.report("unknown-element", tree.place, subject(), found, expected);
            return None;
        }
        Some(WantedProduct { place: tree.place, name: text.to_owned(), output: name.port.to_owned(), instances })
    }

    /// The instances that agree with the reader's element wherever both are expanded over the same name.
    fn matching(&self, group: &Group, element: &[(String, Tree)]) -> Vec<usize> {
        let text_of = |element: &[(String, Tree)], key: &str| {
            let value = element.iter().find(|(k, _)| k == key).map(|(_, tree)| tree)?;
            element_text(value, self.sources)
        };
        let shared: Vec<&String> = group.keys.iter().filter(|key| element.iter().any(|(k, _)| k == *key)).collect();
        if shared.is_empty() {
            return group.members.clone();
        }
        let agrees = |&&i: &&usize| {
            let other = &self.expanded.instances[i].element;
            shared.iter().all(|key| text_of(other, key) == text_of(element, key))
        };
        group.members.iter().filter(agrees).copied().collect()
    }

    fn element(
        &self,
        group: &Group,
        node: &str,
        wanted: &str,
        place: Place,
        subject: &dyn Fn() -> String,
        findings: &mut Findings,
    ) -> Option<usize> {
        let full = format!("{node}[{wanted}]");
        let found = group.members.iter().copied().find(|&i| self.expanded.instances[i].name == full);
        if found.is_none() {
            let names = self.element_names(group);
            let expected = if group.keys.is_empty() {
                format!("{node} without an element: it is not expanded over a list")
            } else {
                format!("one of {}", names.join(", "))
            };
            let near = nearest(&full, names.iter().map(String::as_str)).map(str::to_owned);
            findings
                .report("unknown-element", place, subject(), format!("unknown element {full}"), expected)
                .suggest(near.as_deref());
        }
        found
    }

    /// Names of all instances of a node.
    pub(crate) fn element_names(&self, group: &Group) -> Vec<String> {
        group.members.iter().map(|&i| self.expanded.instances[i].name.clone()).collect()
    }

    fn nearest_node(&mut self, name: &str) -> Option<String> {
        if let Some(known) = self.suggestions.get(name) {
            return known.clone();
        }
        let found = nearest(name, self.expanded.groups.keys().copied()).map(str::to_owned);
        self.suggestions.insert(name.to_owned(), found.clone());
        found
    }

    /// Products of a type, for the help of a missing input.
    pub(crate) fn products_of_type(&self, of_type: &str, except: usize) -> Vec<String> {
        const SHOWN: usize = 3;
        let named = self.expanded.instances.iter().zip(self.built).enumerate().filter(|(i, _)| *i != except);
        named
            .flat_map(|(_, (instance, built))| {
                let outputs = built.signature.iter().flat_map(|s| &s.outputs);
                outputs.filter(|o| o.product.name == of_type).map(|o| join(&instance.name, &o.name))
            })
            .take(SHOWN)
            .collect()
    }
}
