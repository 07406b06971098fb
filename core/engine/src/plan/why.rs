//! Reasons: why a node runs or is reused.

use serde::Serialize;

use crate::keys::Reason;

/// One reason why a node runs or is reused.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Why {
    /// No earlier run of this node is on record.
    FirstRun,
    /// The user asked for it.
    Forced,
    /// An ingredient of its key differs from the last time.
    Changed {
        /// What changed, with the old and the new value.
        change: Reason,
    },
    /// An input will be made anew; the node runs unless it comes out the same.
    InputRuns {
        /// Input port.
        port: String,
        /// Node that makes it.
        node: String,
    },
    /// Nothing changed, but its record was removed from the store.
    RecordGone,
    /// It is on record, but a reader needs an artefact that is gone or damaged.
    ArtefactGone {
        /// Who needs it: a node, or a file in the output folder.
        needed_by: String,
    },
    /// Its key cannot be computed, so it is never reused.
    NotCached {
        /// Why not.
        because: String,
    },
    /// The same recipe was followed before.
    SameRecipe,
    /// Something above changed, but its inputs came out the same.
    SameContent,
    /// Nothing that runs needs it.
    NotNeeded,
}

impl Why {
    /// One line for people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::FirstRun => "never run before".to_owned(),
            Self::Forced => "forced".to_owned(),
            Self::Changed { change } => change.to_string(),
            Self::InputRuns { port, node } => format!("input {port}: {node} runs"),
            Self::RecordGone => "its record was removed from the cache".to_owned(),
            Self::ArtefactGone { needed_by } => format!("its artefact is gone or damaged, and {needed_by} needs it"),
            Self::NotCached { because } => format!("cannot be cached: {because}"),
            Self::SameRecipe => "same recipe".to_owned(),
            Self::SameContent => "same content of all inputs".to_owned(),
            Self::NotNeeded => "nothing that runs needs it".to_owned(),
        }
    }

    /// Several reasons as one line; inputs are put together, since a node may have ten.
    #[must_use]
    pub fn join(reasons: &[Self]) -> String {
        let (mut parts, mut anew, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for reason in reasons {
            match reason {
                Self::Changed { change: Reason::Input { source, old_source, new, .. } } if source == old_source => {
                    if new.is_some() {
                        changed.push(source.as_str())
                    } else {
                        anew.push(source.as_str())
                    }
                }
                other => parts.push(other.text()),
            }
        }
        for (what, sources) in [("changed", changed), ("to be made anew", anew)] {
            if !sources.is_empty() {
                let word = if sources.len() == 1 { "input" } else { "inputs" };
                parts.push(format!("{word} {what}: {}", sources.join(", ")));
            }
        }
        parts.join("; ")
    }
}
