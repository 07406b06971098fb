//! The registry: every kind once, whoever brings it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::builtin::{Builtin, typetag_names};
use super::source::{BuildError, StageInfo, StageSource};
use crate::nearest::nearest;
use crate::port::Signature;
use crate::stage::Stage;

/// All kinds of stages that a graph may name.
#[derive(Default)]
pub struct Registry {
    entries: BTreeMap<String, Entry>,
    sources: Vec<Arc<dyn StageSource>>,
}

struct Entry {
    info: Arc<StageInfo>,
    source: usize,
    example: OnceLock<Result<Signature, BuildError>>,
}

/// The stages of a binary contradict each other. Found at start, before any graph is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Two stages share a kind.
    #[error(
        "stage kind {kind:?} is brought by {first} and by {second}; a kind must be unique: leave out one of the two, or \
         rename it (kinds of other crates start with a word of their own, such as `acme.halo`)"
    )]
    Clash {
        /// The kind.
        kind: String,
        /// Who brought it first: provider and source.
        first: String,
        /// Who brought it again.
        second: String,
    },
    /// A record without a typetag name.
    #[error(
        "stage kind {kind:?} of {provider} is registered, but no stage has that typetag name; \
         `#[typetag::serde(name = ..)]` and `register_stage!(.., kind: ..)` must agree"
    )]
    NoTypetag {
        /// The kind.
        kind: String,
        /// Who brings the record.
        provider: String,
    },
    /// A typetag name without a record.
    #[error(
        "a stage has the typetag name {kind:?}, but nothing registers that kind; \
         add `register_stage!(.., kind: {kind:?}, ..)` beside it"
    )]
    NoRecord {
        /// The typetag name.
        kind: String,
    },
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.keys()).finish()
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The stages compiled into this binary.
    ///
    /// # Errors
    /// When two share a kind, or a typetag name and its record do not match.
    pub fn with_builtin() -> Result<Self, RegistryError> {
        let mut registry = Self::new();
        registry.add(Arc::new(Builtin))?;
        let names = typetag_names();
        if let Some(kind) = names.iter().find(|name| !registry.entries.contains_key(*name)) {
            return Err(RegistryError::NoRecord { kind: kind.clone() });
        }
        for (kind, entry) in &registry.entries {
            if names.binary_search(kind).is_err() {
                return Err(RegistryError::NoTypetag { kind: kind.clone(), provider: entry.info.provider.clone() });
            }
        }
        Ok(registry)
    }

    /// Adds the kinds of a source.
    ///
    /// # Errors
    /// When one of them is known already; nothing is added then.
    pub fn add(&mut self, source: Arc<dyn StageSource>) -> Result<(), RegistryError> {
        let index = self.sources.len();
        let mut infos = source.stages();
        // Inventory records come in the linker's order.
        infos.sort_by(|a, b| a.kind.cmp(&b.kind).then_with(|| a.provider.cmp(&b.provider)));
        let described = |info: &StageInfo, from: &str| format!("{} ({from})", info.provider);
        for pair in infos.windows(2) {
            if pair[0].kind == pair[1].kind {
                return Err(RegistryError::Clash {
                    kind: pair[0].kind.clone(),
                    first: described(&pair[0], source.name()),
                    second: described(&pair[1], source.name()),
                });
            }
        }
        if let Some((info, known)) = infos.iter().find_map(|i| self.entries.get(&i.kind).map(|known| (i, known))) {
            return Err(RegistryError::Clash {
                kind: info.kind.clone(),
                first: described(&known.info, self.sources[known.source].name()),
                second: described(info, source.name()),
            });
        }
        for info in infos {
            let entry = Entry { info: Arc::new(info), source: index, example: OnceLock::new() };
            self.entries.insert(entry.info.kind.clone(), entry);
        }
        self.sources.push(source);
        Ok(())
    }

    /// All kinds, sorted by name.
    pub fn stages(&self) -> impl Iterator<Item = &StageInfo> {
        self.entries.values().map(|entry| &*entry.info)
    }

    /// What is known of a kind.
    #[must_use]
    pub fn find(&self, kind: &str) -> Option<&StageInfo> {
        self.entries.get(kind).map(|entry| &*entry.info)
    }

    /// Who brings the stages, each once, sorted: `skyloom-stages 0.1.0`.
    #[must_use]
    pub fn providers(&self) -> Vec<&str> {
        let all: BTreeSet<&str> = self.stages().map(|info| info.provider.as_str()).collect();
        all.into_iter().collect()
    }

    /// What to do about a kind that no source brings.
    ///
    /// A slip of the pen is answered with the right name; a kind of another family, with the ways that a stage comes into a
    /// program.
    #[must_use]
    pub fn help_for_unknown(&self, kind: &str) -> String {
        let near = nearest(kind, self.entries.keys().map(String::as_str));
        let family = |kind: &str| kind.split_once('.').map(|(family, _)| family.to_owned());
        if let Some(near) = near.filter(|near| family(kind).is_none() || family(kind) == family(near)) {
            return format!("did you mean {near:?}?");
        }
        let held = if self.entries.is_empty() { "no stages".to_owned() } else { self.providers().join(", ") };
        let ways = format!(
            "this program holds {held}; a stage of a Rust crate comes in through a program that names the crate in \
             `skyloom::main_with(..)` (docs/own-stage.md), one of a foreign program through `plugins` in the graph"
        );
        near.map_or_else(|| ways.clone(), |near| format!("did you mean {near:?}? otherwise: {ways}"))
    }

    /// Builds a stage from its parameters, written as one RON struct.
    ///
    /// # Errors
    /// When the kind is unknown or the parameters do not fit.
    pub fn build(&self, kind: &str, params_ron: &str) -> Result<Box<dyn Stage>, BuildError> {
        match self.entries.get(kind) {
            Some(entry) => self.sources[entry.source].build(kind, params_ron),
            None => Err(BuildError { message: format!("unknown kind {kind:?}"), offset: None }),
        }
    }

    /// The ports of the example node of a kind: what `stages show` prints, since ports may depend on parameters.
    ///
    /// # Errors
    /// When the kind is unknown or its example does not build, which is a bug of the stage's crate.
    pub fn example_signature(&self, kind: &str) -> Result<&Signature, BuildError> {
        let Some(entry) = self.entries.get(kind) else {
            return Err(BuildError { message: format!("unknown kind {kind:?}"), offset: None });
        };
        let build = || Ok(self.sources[entry.source].build(kind, &entry.info.example)?.signature());
        entry.example.get_or_init(build).as_ref().map_err(Clone::clone)
    }
}
