//! What is in the store: the common ground of listing, verification and garbage collection.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::artefact::Artefact;
use super::error::StoreError;
use super::handle::Store;
use super::layout::{Layout, folder_entries};
use super::record::Record;
use super::sealed::{Unsealed, unseal};
use crate::digest::Digest;
use crate::keys::Key;

/// One artefact, as `cache ls` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreEntry {
    /// Content digest.
    pub digest: Digest,
    /// The file.
    pub path: PathBuf,
    /// Name of the product's type; empty when no record refers to it.
    pub type_name: Option<String>,
    /// Size of the file.
    pub bytes: u64,
    /// When a run last made or found it.
    pub last_used: SystemTime,
    /// Nodes whose records refer to it, as `graph/node.port`, sorted.
    pub nodes: Vec<String>,
    /// Whether it is pinned.
    pub is_pinned: bool,
    /// Whether a living process may lean on it.
    pub is_in_use: bool,
}

/// Size and time of any file of the store.
#[derive(Debug, Clone)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) modified_ns: u128,
    /// Whether it is a link.
    pub(crate) has_other_names: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct FoundArtefact {
    pub(crate) file: FoundFile,
    pub(crate) digest: Digest,
    pub(crate) type_name: Option<String>,
    /// The latest of its own time and those of the records that refer to it.
    pub(crate) last_used_ns: u128,
    pub(crate) nodes: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct FoundRecord {
    pub(crate) file: FoundFile,
    /// The latest of its own time and those of the recipes that lead to it: they may be older files.
    pub(crate) last_used_ns: u128,
    pub(crate) action: Key,
    pub(crate) node: String,
    /// Where its artefacts lie, whether they exist or not.
    pub(crate) outputs: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
pub(crate) struct FoundPointer {
    pub(crate) file: FoundFile,
    /// Bytes that go when it goes.
    pub(crate) bytes: u64,
    /// Empty when the entry is damaged.
    pub(crate) action: Option<Key>,
}

/// Everything in the store at about one moment.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) artefacts: BTreeMap<PathBuf, FoundArtefact>,
    pub(crate) pointers: Vec<FoundPointer>,
    pub(crate) records: Vec<FoundRecord>,
    pub(crate) damaged_records: Vec<FoundFile>,
}

impl Survey {
    /// Looks at everything. A node commits artefacts, record, recipe in this order; looking at the recipes before the
    /// records, and at artefacts before records, never takes a node that commits meanwhile for a leftover.
    pub(crate) fn of(layout: &Layout) -> Result<Self, StoreError> {
        let mut survey = Self::default();
        let mut files = Vec::new();
        for (folder, _) in folder_entries(&layout.artefacts())? {
            if folder.is_dir() {
                files.extend(files_in(&folder)?);
            }
        }
        for file in files {
            // Files with other names were not put here by a store; they are left alone.
            let Some(digest) = digest_in_name(&file.path) else { continue };
            let (last_used_ns, nodes) = (file.modified_ns, BTreeSet::new());
            survey
                .artefacts
                .insert(file.path.clone(), FoundArtefact { file, digest, type_name: None, last_used_ns, nodes });
        }
        for file in files_in(&layout.recipes())? {
            let action = match unseal::<Record>(&file.path) {
                Unsealed::Value(record, _) => Some(record.action),
                Unsealed::Absent | Unsealed::Damaged => None,
                Unsealed::Unreadable(e) => return Err(StoreError::io("reading a record", &file.path, e, 0)),
            };
            // Another name of its record takes no room of its own.
            let bytes = if file.has_other_names { 0 } else { file.bytes };
            survey.pointers.push(FoundPointer { file, bytes, action });
        }
        let mut used_by_recipe: BTreeMap<Key, u128> = BTreeMap::new();
        for pointer in &survey.pointers {
            if let Some(action) = pointer.action {
                let used = used_by_recipe.entry(action).or_default();
                *used = pointer.file.modified_ns.max(*used);
            }
        }
        for file in files_in(&layout.actions())? {
            match unseal::<Record>(&file.path) {
                Unsealed::Value(record, _) => {
                    let by_recipe = used_by_recipe.get(&record.action).copied().unwrap_or(0);
                    survey.add_record(layout, file, &record, by_recipe);
                }
                Unsealed::Absent => {}
                Unsealed::Damaged => survey.damaged_records.push(file),
                // Its artefacts would be taken for orphans.
                Unsealed::Unreadable(e) => return Err(StoreError::io("reading a record", &file.path, e, 0)),
            }
        }
        Ok(survey)
    }

    fn add_record(&mut self, layout: &Layout, file: FoundFile, record: &Record, used_by_recipe_ns: u128) {
        let last_used_ns = file.modified_ns.max(used_by_recipe_ns);
        let place = |artefact: &Artefact| layout.artefact(artefact);
        for (port, artefact) in &record.outputs {
            if let Some(found) = self.artefacts.get_mut(&place(artefact)) {
                found.last_used_ns = found.last_used_ns.max(last_used_ns);
                found.type_name.get_or_insert_with(|| artefact.type_name.clone());
                found.nodes.insert(format!("{}/{}.{port}", record.graph, record.node));
            }
        }
        self.records.push(FoundRecord {
            file,
            last_used_ns,
            action: record.action,
            node: format!("{}/{}", record.graph, record.node),
            outputs: record.outputs.values().map(place).collect(),
        });
    }

    /// Bytes of all files.
    pub(crate) fn total(&self) -> u64 {
        let artefacts = self.artefacts.values().map(|a| a.file.bytes);
        let pointers = self.pointers.iter().map(|p| p.bytes);
        let records = self.records.iter().map(|r| r.file.bytes);
        artefacts.chain(pointers).chain(records).chain(self.damaged_records.iter().map(|f| f.bytes)).sum()
    }
}

impl Store {
    /// All artefacts, the last used first.
    ///
    /// # Errors
    /// When a list of pins is damaged or a folder cannot be read.
    pub fn ls(&self) -> Result<Vec<StoreEntry>, StoreError> {
        let pinned: BTreeSet<Digest> = self.pins()?.into_values().flatten().collect();
        let claims = self.layout.claims();
        let mut found: Vec<_> = Survey::of(&self.layout)?.artefacts.into_values().collect();
        found.sort_by(|a, b| (b.last_used_ns, a.digest).cmp(&(a.last_used_ns, b.digest)));
        let entry = |a: FoundArtefact| StoreEntry {
            is_in_use: claims.covers(&a.digest, a.file.modified_ns),
            digest: a.digest,
            path: a.file.path,
            type_name: a.type_name,
            bytes: a.file.bytes,
            last_used: time_of(a.last_used_ns),
            nodes: a.nodes.into_iter().collect(),
            is_pinned: pinned.contains(&a.digest),
        };
        Ok(found.into_iter().map(entry).collect())
    }
}

/// The time behind nanoseconds since 1970.
pub(crate) fn time_of(nanos: u128) -> SystemTime {
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(0);
    let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, rest)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Size and time of one plain file; `None` when there is none.
pub(crate) fn look(path: PathBuf) -> Result<Option<FoundFile>, StoreError> {
    let failed = |e| StoreError::io("looking at a file", &path, e, 0);
    let metadata = match std::fs::symlink_metadata(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let modified = metadata.modified().map_err(failed)?;
    let modified_ns = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let (bytes, has_other_names) = (metadata.len(), has_other_names(&metadata));
    Ok(metadata.is_file().then_some(FoundFile { path, bytes, modified_ns, has_other_names }))
}

#[cfg(unix)]
fn has_other_names(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

/// Elsewhere the number of names is not known; the sizes of links then count twice.
#[cfg(not(unix))]
fn has_other_names(_: &std::fs::Metadata) -> bool {
    false
}

/// The plain files in a folder, sorted by path.
fn files_in(folder: &Path) -> Result<Vec<FoundFile>, StoreError> {
    folder_entries(folder)?.into_iter().filter_map(|(path, _)| look(path).transpose()).collect()
}

/// The digest that an artefact's name promises.
fn digest_in_name(path: &Path) -> Option<Digest> {
    Digest::from_hex(path.file_name()?.to_str()?.get(..64)?)
}
