//! Names that are written twice in one struct or map: a plain reader keeps the last of two without a word.

use std::borrow::Cow;

use indexmap::IndexMap;

use super::finding::Findings;
use super::source::{Place, Sources};
use super::tree::{Kind, Tree};

/// A path from the root, built only when there is something to say.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: &'a str,
}

impl Path<'_> {
    fn text(&self) -> String {
        match self.parent {
            Some(parent) => format!("{}.{}", parent.text(), self.name),
            None => self.name.to_owned(),
        }
    }
}

/// Reports every name that stands twice in one struct or map, wherever that is.
pub(crate) fn report_duplicates(tree: &Tree, sources: &Sources, findings: &mut Findings) {
    visit(tree, None, sources, findings);
}

fn visit(tree: &Tree, parent: Option<&Path<'_>>, sources: &Sources, findings: &mut Findings) {
    match &tree.kind {
        Kind::Struct { fields, .. } => {
            let named = fields.iter().map(|f| (Cow::Borrowed(&*f.name), f.place, &f.value));
            visit_named(named.collect(), parent, sources, findings);
        }
        Kind::Map(pairs) => {
            let named = pairs.iter().map(|(key, value)| {
                let name = key.as_text().map_or_else(|| Cow::Owned(key.to_ron(sources)), Cow::Borrowed);
                (name, key.place, value)
            });
            visit_named(named.collect(), parent, sources, findings);
        }
        Kind::List(items) | Kind::Tuple { items, .. } => {
            for (i, item) in items.iter().enumerate() {
                // Most elements are plain values.
                if !matches!(item.kind, Kind::Text { .. } | Kind::Number | Kind::Word) {
                    visit(item, Some(&Path { parent, name: &i.to_string() }), sources, findings);
                }
            }
        }
        Kind::Unit | Kind::Number | Kind::Word | Kind::Raw | Kind::Text { .. } => {}
    }
}

fn visit_named(
    named: Vec<(Cow<'_, str>, Place, &Tree)>,
    parent: Option<&Path<'_>>,
    sources: &Sources,
    findings: &mut Findings,
) {
    const SMALL: usize = 16;
    let mut index: IndexMap<&str, Place> = IndexMap::new();
    for (i, (name, place, value)) in named.iter().enumerate() {
        let path = Path { parent, name };
        let first = if named.len() <= SMALL {
            named[..i].iter().find(|(other, ..)| other == name).map(|(_, place, _)| *place)
        } else {
            let known = index.get(&**name).copied();
            if known.is_none() {
                index.insert(name, *place);
            }
            known
        };
        if let Some(first) = first {
            let is_node = parent.is_some_and(|p| p.parent.is_none() && p.name == "nodes");
            let code = if is_node { "duplicate-node" } else { "duplicate-name" };
            let expected = format!("each name once; first at {}", sources.describe(first));
            findings.report(code, *place, path.text(), format!("{name:?} again"), expected);
        }
        visit(value, Some(&path), sources, findings);
    }
}
