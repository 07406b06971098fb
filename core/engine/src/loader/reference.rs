//! `{name}` inside strings: a whole string that is one reference becomes the value, inside a longer one it is text.

use std::borrow::Cow;
use std::sync::Arc;

use super::finding::Findings;
use super::source::{Place, Sources};
use super::tree::{Field, Kind, Tree};
use crate::nearest::nearest;

/// What a name in braces stands for.
pub(crate) enum Lookup<'a> {
    /// This value.
    Value(&'a Tree),
    /// A value that has a problem which is reported elsewhere.
    Broken,
    /// Nothing of that name.
    Unknown,
}

/// The names that a string may refer to.
pub(crate) trait Scope {
    /// What a name stands for.
    fn lookup(&self, name: &str) -> Lookup<'_>;
    /// All names, for suggestions.
    fn names(&self) -> Vec<&str>;
}

/// A piece of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Characters that stand for themselves.
    Literal(String),
    /// A name in braces.
    Reference(String),
}

/// Splits a string at its references. `{{` and `}}` stand for braces.
///
/// # Errors
/// What is wrong with the braces.
pub(crate) fn split(text: &str) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let (brace, tail) = rest[at..].split_at(1);
        if let Some(after) = tail.strip_prefix(brace) {
            literal.push_str(brace);
            rest = after;
        } else if brace == "}" {
            return Err("a } without a {");
        } else {
            let end = tail.find(['{', '}']).filter(|&end| tail[end..].starts_with('}'));
            let Some(end) = end else { return Err("a { without a }") };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Reference(tail[..end].to_owned()));
            rest = &tail[end + 1..];
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// As [`resolve`], without a copy of what has no references.
pub(crate) fn resolve_cow<'t>(
    tree: &'t Tree,
    scope: &dyn Scope,
    subject: &dyn Fn() -> String,
    sources: &Sources,
    findings: &mut Findings,
) -> Option<Cow<'t, Tree>> {
    if tree.has_braces {
        resolve(tree, scope, &subject(), sources, findings).map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(tree))
    }
}

/// Replaces all references in a value. `None` when one could not be replaced; every such one is reported, unless its
/// own value is what has the problem.
pub(crate) fn resolve(
    tree: &Tree,
    scope: &dyn Scope,
    subject: &str,
    sources: &Sources,
    findings: &mut Findings,
) -> Option<Tree> {
    if !tree.has_braces {
        return Some(tree.clone());
    }
    let mut go = |tree: &Tree| resolve(tree, scope, subject, sources, findings);
    // Every element is tried before the first failure counts, so that all are reported.
    let kind = match &tree.kind {
        Kind::Text { text, first } => {
            return resolve_text(tree, text, *first, scope, subject, sources, findings);
        }
        Kind::List(items) => {
            Kind::List(items.iter().map(&mut go).collect::<Vec<_>>().into_iter().collect::<Option<_>>()?)
        }
        Kind::Tuple { name, items } => {
            let items = items.iter().map(&mut go).collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
            Kind::Tuple { name: *name, items }
        }
        Kind::Struct { name, fields } => {
            let fields: Vec<Option<Field>> = fields
                .iter()
                .map(|f| Some(Field { name: f.name.clone(), place: f.place, value: go(&f.value)? }))
                .collect();
            Kind::Struct { name: *name, fields: fields.into_iter().collect::<Option<_>>()? }
        }
        Kind::Map(pairs) => {
            let pairs: Vec<Option<(Tree, Tree)>> = pairs
                .iter()
                .map(|(key, value)| {
                    let (key, value) = (go(key), go(value));
                    Some((key?, value?))
                })
                .collect();
            Kind::Map(pairs.into_iter().collect::<Option<_>>()?)
        }
        Kind::Unit | Kind::Number | Kind::Word | Kind::Raw => return Some(tree.clone()),
    };
    Some(Tree { place: tree.place, origin: tree.origin, via: tree.via.clone(), has_braces: false, kind })
}

fn resolve_text(
    tree: &Tree,
    text: &str,
    first: u32,
    scope: &dyn Scope,
    subject: &str,
    sources: &Sources,
    findings: &mut Findings,
) -> Option<Tree> {
    let parts = match split(text) {
        Ok(parts) => parts,
        Err(found) => {
            let expected = "{name} for a reference, {{ and }} for braces";
            findings.report("bad-reference", tree.place, subject, found, expected);
            return None;
        }
    };
    if let [Part::Reference(name)] = parts.as_slice() {
        let value = find(name, tree.place, scope, subject, findings)?;
        let mut value = value.clone();
        value.place = tree.place;
        value.via = value.via.or_else(|| Some(Arc::from(name.as_str())));
        return Some(value);
    }
    let mut composed = String::new();
    // The folder of a relative path, and the origin of the value, are those of the first part.
    let mut start: Option<(u32, Place)> = None;
    let mut is_complete = true;
    for part in &parts {
        match part {
            Part::Literal(literal) => {
                composed.push_str(literal);
                start.get_or_insert((first, tree.origin));
            }
            Part::Reference(name) => {
                let Some(value) = find(name, tree.place, scope, subject, findings) else {
                    is_complete = false;
                    continue;
                };
                let value_first = match &value.kind {
                    Kind::Text { text, first } => {
                        composed.push_str(text);
                        *first
                    }
                    Kind::Number | Kind::Word => {
                        composed.push_str(value.token(sources));
                        value.origin.file
                    }
                    _ => {
                        let found = format!("{{{name}}}, which is {}", value.shape());
                        findings.report("wrong-type", tree.place, subject, found, "text or a number inside a text");
                        is_complete = false;
                        continue;
                    }
                };
                start.get_or_insert((value_first, value.origin));
            }
        }
    }
    let (first, origin) = start.unwrap_or((first, tree.origin));
    is_complete.then(|| Tree {
        place: tree.place,
        origin,
        via: tree.via.clone(),
        has_braces: false,
        kind: Kind::Text { text: composed, first },
    })
}

fn find<'s>(
    name: &str,
    place: Place,
    scope: &'s dyn Scope,
    subject: &str,
    findings: &mut Findings,
) -> Option<&'s Tree> {
    match scope.lookup(name) {
        Lookup::Value(value) => Some(value),
        Lookup::Broken => None,
        Lookup::Unknown => {
            let names = scope.names();
            let expected = if names.is_empty() {
                "a graph parameter; none is declared".to_owned()
            } else {
                format!("one of {}", super::finding::listed(names.iter().copied()))
            };
            findings
                .report("unknown-reference", place, subject, format!("{{{name}}}"), expected)
                .suggest(nearest(name, names));
            None
        }
    }
}
