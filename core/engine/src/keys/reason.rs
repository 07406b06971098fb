//! Why a node runs: what differs between its ingredients then and now.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::canonical::Canonical;
use super::diff::Change;
use super::ingredients::{Ingredients, InputIngredient};
use crate::digest::Digest;

/// One ingredient that differs. `Display` gives the line that people read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The node is of another kind.
    Kind {
        /// What it was.
        old: String,
        /// What it is.
        new: String,
    },
    /// The stage has another version: its results changed.
    Version {
        /// What it was.
        old: u32,
        /// What it is.
        new: u32,
    },
    /// A file or program that the stage reads has another content.
    File {
        /// Name of the part, as the stage gave it.
        name: String,
        /// Content digest then; empty when the part is new.
        old: Option<Digest>,
        /// Content digest now; empty when the part is gone.
        new: Option<Digest>,
    },
    /// A parameter differs.
    Param(Change),
    /// A product at an input port has another content, or will be made anew.
    Input {
        /// Input port.
        port: String,
        /// Where it came from, as `node.port`.
        old_source: String,
        /// Where it comes from, as `node.port`.
        source: String,
        /// Content digest then, where known.
        old: Option<Digest>,
        /// Content digest now; empty when it does not exist yet.
        new: Option<Digest>,
    },
    /// Another number of products, or another type of product, arrives at a port.
    Wires {
        /// Input port.
        port: String,
        /// Sources then.
        old: Vec<String>,
        /// Sources now.
        new: Vec<String>,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { old, new } => write!(f, "kind was {old}, is {new}"),
            Self::Version { old, new } => write!(f, "version of the stage was {old}, is {new}"),
            Self::File { name, old: Some(_), new: Some(_) } => write!(f, "file {name}: its content changed"),
            Self::File { name, old: None, .. } => write!(f, "file {name} is new"),
            Self::File { name, new: None, .. } => write!(f, "file {name} is no longer read"),
            Self::Param(Change { path, old, new }) => write!(f, "{path} was {old}, is {new}"),
            Self::Input { port, old_source, source, new, .. } => {
                let what = if new.is_some() { "changed: produced by" } else { "will be made anew by" };
                write!(f, "input {port} {what} {source}")?;
                if old_source == source { Ok(()) } else { write!(f, " (was {old_source})") }
            }
            Self::Wires { port, old, new } => {
                let list = |sources: &[String]| match sources {
                    [] => "nothing".to_owned(),
                    some => some.join(", "),
                };
                write!(f, "input {port} was wired to {}, is wired to {}", list(old), list(new))
            }
        }
    }
}

/// What differs between a node's ingredients then and now, in the order in which people look: kind, version, files,
/// parameters, inputs.
///
/// An input whose content is known then and now is compared by content, so a node upstream that ran again and made the
/// same bytes is no reason. Otherwise its recipe is compared. When all contents are known, the list is empty exactly when
/// the action keys are equal.
#[must_use]
pub fn diff_ingredients(old: &Ingredients, new: &Ingredients) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if old.kind != new.kind {
        reasons.push(Reason::Kind { old: old.kind.clone(), new: new.kind.clone() });
    }
    if old.version != new.version {
        reasons.push(Reason::Version { old: old.version, new: new.version });
    }
    diff_fingerprint(&old.fingerprint, &new.fingerprint, &mut reasons);
    reasons.extend(Canonical::diff(&old.params, &new.params, "params").into_iter().map(Reason::Param));
    diff_inputs(&old.inputs, &new.inputs, &mut reasons);
    reasons
}

fn diff_fingerprint(old: &[(String, Digest)], new: &[(String, Digest)], reasons: &mut Vec<Reason>) {
    let (old, new) = (by_name(old), by_name(new));
    for (name, digests) in merged(&old, &new) {
        let (was, is) = digests;
        for i in 0..was.len().max(is.len()) {
            let (was, is) = (was.get(i).copied(), is.get(i).copied());
            if was != is {
                reasons.push(Reason::File { name: name.to_owned(), old: was.copied(), new: is.copied() });
            }
        }
    }
}

fn by_name(parts: &[(String, Digest)]) -> BTreeMap<&str, Vec<&Digest>> {
    let mut map: BTreeMap<&str, Vec<&Digest>> = BTreeMap::new();
    for (name, digest) in parts {
        map.entry(name).or_default().push(digest);
    }
    map
}

fn diff_inputs(old: &[InputIngredient], new: &[InputIngredient], reasons: &mut Vec<Reason>) {
    let (old, new) = (by_port(old), by_port(new));
    for (port, (was, is)) in merged(&old, &new) {
        let same_types = was.len() == is.len() && was.iter().zip(is).all(|(a, b)| a.product == b.product);
        if !same_types {
            reasons.push(Reason::Wires { port: port.to_owned(), old: sources(was), new: sources(is) });
            continue;
        }
        for (a, b) in was.iter().zip(is).filter(|(a, b)| !is_same_product(a, b)) {
            reasons.push(Reason::Input {
                port: port.to_owned(),
                old_source: a.source.clone(),
                source: b.source.clone(),
                old: a.upstream.content,
                new: b.upstream.content,
            });
        }
    }
}

fn is_same_product(old: &InputIngredient, new: &InputIngredient) -> bool {
    match (old.upstream.content, new.upstream.content) {
        (Some(old), Some(new)) => old == new,
        _ => {
            let (old, new) = (&old.upstream, &new.upstream);
            old.recipe.is_some() && old.recipe == new.recipe && old.output == new.output
        }
    }
}

fn by_port(inputs: &[InputIngredient]) -> BTreeMap<&str, Vec<&InputIngredient>> {
    let mut map: BTreeMap<&str, Vec<&InputIngredient>> = BTreeMap::new();
    for input in inputs {
        map.entry(&input.port).or_default().push(input);
    }
    map
}

fn sources(inputs: &[&InputIngredient]) -> Vec<String> {
    inputs.iter().map(|i| format!("{} ({})", i.source, i.product)).collect()
}

type Sides<'a, T> = (&'a [T], &'a [T]);

/// Both sides by name, sorted; an absent side is empty.
fn merged<'a, T>(old: &'a BTreeMap<&str, Vec<T>>, new: &'a BTreeMap<&str, Vec<T>>) -> BTreeMap<&'a str, Sides<'a, T>> {
    old.keys()
        .chain(new.keys())
        .map(|name| {
            let side = |map: &'a BTreeMap<&str, Vec<T>>| map.get(name).map_or(&[][..], Vec::as_slice);
            (*name, (side(old), side(new)))
        })
        .collect()
}
