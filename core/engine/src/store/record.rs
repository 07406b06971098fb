//! Records: how a node was run, what it made, what it took. The rename of a record commits the node.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::artefact::Artefact;
use super::error::StoreError;
use super::handle::Store;
use super::lock::Shared;
use super::sealed::{seal, unseal};
use crate::keys::{Ingredients, Key};

/// How a node was run and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the graph.
    pub graph: String,
    /// Name of the node.
    pub node: String,
    /// Kind of its stage.
    pub kind: String,
    /// Crate or program that brought the stage, with version.
    pub provider: String,
    /// Version of the stage.
    pub version: u32,
    /// Recipe key; empty when a file upstream could not be read while planning.
    pub recipe: Option<Key>,
    /// Action key.
    pub action: Key,
    /// What the keys were made from.
    pub ingredients: Ingredients,
    /// Artefacts by output port.
    pub outputs: BTreeMap<String, Artefact>,
    /// Elapsed seconds.
    #[serde(with = "exact_float")]
    pub wall_s: f64,
    /// Processor seconds.
    #[serde(with = "exact_float")]
    pub cpu_s: f64,
    /// Peak of memory, measured.
    pub peak_bytes: u64,
    /// Peak of memory, as the stage estimated it.
    pub estimated_bytes: u64,
    /// Whether no other node ran meanwhile, so that `peak_bytes` is this node's own.
    pub was_alone: bool,
    /// Warnings of the stage, repeated whenever the node is reused.
    pub warnings: Vec<String>,
    /// Named numbers of the stage.
    #[serde(with = "exact_metrics")]
    pub metrics: Vec<(String, f64)>,
    /// Version of the engine.
    pub engine_version: String,
}

impl Store {
    /// Commits a node: from now on its action key, and its recipe key if it has one, lead to this record. It is also
    /// remembered as the last state of its node, as [`Store::remember`] does.
    ///
    /// # Errors
    /// When an output is not in the store, or the record cannot be written.
    pub fn commit(&self, record: &Record) -> Result<(), StoreError> {
        self.write_record(record, true)
    }

    /// Commits a node whose artefacts were not kept. A lookup still says what it would make, so nothing need run as long as
    /// nobody wants the content.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn commit_without_artefacts(&self, record: &Record) -> Result<(), StoreError> {
        self.write_record(record, false)
    }

    fn write_record(&self, record: &Record, must_exist: bool) -> Result<(), StoreError> {
        let tenant = self.tenant()?;
        let path = self.layout.action(record.action);
        let temp = tenant.temp("json")?;
        temp.write(&seal(record, &path)?)?;
        // The same file under three names: links cost a fraction of what files cost.
        let last = tenant.temp("json")?;
        last.link_to(temp.path())?;
        let lock = self.layout.shared()?;
        // Note first: what is claimed cannot vanish between the look and the rename.
        tenant.note(&lock, record.outputs.values().map(|a| &a.digest))?;
        if must_exist && let Some(absent) = record.outputs.values().find(|a| !self.contains(a)) {
            return Err(StoreError::Missing { path: self.layout.artefact(absent) });
        }
        temp.place(&path)?;
        if let Some(recipe) = record.recipe {
            self.point(&lock, recipe, record.action)?;
        }
        self.replace_last(&record.graph, &record.node, record, last)
    }

    /// Lets another recipe lead to an action: the node was found by its action key, after a node upstream ran again and
    /// made the same bytes.
    ///
    /// # Errors
    /// When the action has no record, or the entry cannot be written.
    pub fn link_recipe(&self, recipe: &Key, action: &Key) -> Result<(), StoreError> {
        let lock = self.layout.shared()?;
        match self.read(&self.layout.recipe(*recipe)) {
            Some((record, _)) if record.action == *action => Ok(()),
            _ => self.point(&lock, *recipe, *action),
        }
    }

    /// A recipe's entry is its action's record under another name.
    fn point(&self, _lock: &Shared, recipe: Key, action: Key) -> Result<(), StoreError> {
        let (from, to) = (self.layout.action(action), self.layout.recipe(recipe));
        match std::fs::hard_link(&from, &to) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound && !from.exists() => Err(StoreError::Missing { path: from }),
            // There is one already, or this file system knows no links.
            Err(_) => {
                let temp = self.tenant()?.temp("json")?;
                temp.link_to(&from)?;
                temp.place(&to)
            }
        }
    }

    /// Whether any recipe is on record: where not, nobody need ask recipe by recipe.
    #[must_use]
    pub fn has_recipes(&self) -> bool {
        std::fs::read_dir(self.layout.recipes()).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// The record that a recipe led to. Its artefacts may have been removed meanwhile: see [`Store::contains`].
    #[must_use]
    pub fn find_recipe(&self, recipe: &Key) -> Option<Record> {
        let lock = self.lookup_lock()?;
        let (record, file) = self.read(&self.layout.recipe(*recipe))?;
        self.use_record(lock.as_ref(), record, &file)
    }

    /// The record of an action. Its artefacts may have been removed meanwhile: see [`Store::contains`].
    #[must_use]
    pub fn find_action(&self, action: &Key) -> Option<Record> {
        let lock = self.lookup_lock()?;
        let path = self.layout.action(*action);
        let (record, file) = self.read(&path)?;
        if record.action != *action {
            tracing::warn!("{}: holds the record of another action, taken as absent", path.display());
            return None;
        }
        self.use_record(lock.as_ref(), record, &file)
    }

    /// Only a process with a tenancy leaves traces and needs the lock. `None` when it needs the lock and cannot have it: then
    /// nothing is found, because nothing could be claimed.
    fn lookup_lock(&self) -> Option<Option<Shared>> {
        if self.current().is_none() {
            return Some(None);
        }
        self.layout.shared().inspect_err(|e| tracing::warn!("{e}")).ok().map(Some)
    }

    fn read(&self, path: &Path) -> Option<(Record, File)> {
        unseal(path).value(path)
    }

    /// A process with a tenancy claims what it found, and dates the use.
    fn use_record(&self, lock: Option<&Shared>, record: Record, file: &File) -> Option<Record> {
        if let (Some(lock), Some(tenant)) = (lock, self.current()) {
            if let Err(e) = tenant.note(lock, record.outputs.values().map(|a| &a.digest)) {
                tracing::warn!("{e}; taken as absent, because nothing would keep its artefacts");
                return None;
            }
            // A failure costs only a worse choice in garbage collection.
            let _ = file.set_modified(SystemTime::now());
        }
        Some(record)
    }
}

/// Floats in JSON, with those that JSON cannot write as text.
mod exact_float {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Number {
        Plain(f64),
        Text(String),
    }

    impl From<f64> for Number {
        fn from(value: f64) -> Self {
            if value.is_finite() { Self::Plain(value) } else { Self::Text(value.to_string()) }
        }
    }

    impl Number {
        pub(super) fn value<E: serde::de::Error>(self) -> Result<f64, E> {
            match self {
                Self::Plain(value) => Ok(value),
                Self::Text(text) => text.parse().map_err(|_| E::custom(format!("not a number: {text:?}"))),
            }
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Number::from(*value).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Number::deserialize(deserializer)?.value()
    }
}

mod exact_metrics {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::exact_float::Number;

    pub(super) fn serialize<S: Serializer>(metrics: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
        metrics.iter().map(|(name, value)| (name, Number::from(*value))).collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, f64)>, D::Error> {
        let list = Vec::<(String, Number)>::deserialize(deserializer)?;
        list.into_iter().map(|(name, number)| Ok((name, number.value()?))).collect()
    }
}
