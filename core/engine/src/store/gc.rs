//! Garbage collection: oldest first, within a size budget, never what a living process leans on.
//!
//! Artefacts go before records, because a record is small and still says what its node would make: a graph whose
//! intermediates are gone is reused as long as nobody asks for their content. What goes is chosen without a lock; the
//! removal looks again, in short spells with the exclusive lock, so that a run beside it is held up for milliseconds.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::error::StoreError;
use super::handle::Store;
use super::layout::folder_entries;
use super::survey::{FoundFile, Survey, look, time_of};
use super::tenancy::Claims;
use crate::digest::Digest;

/// Removals per spell with the exclusive lock.
const BATCH: usize = 64;

/// What garbage collection may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcOptions {
    /// Bytes that artefacts and records may occupy afterwards; without it only what is of no use goes.
    pub max_size: Option<u64>,
    /// Only say what would go.
    pub dry_run: bool,
    /// Age from which a record without any artefact, or the digest of a file, is of no use. 90 days by default: long
    /// enough to come back to a project, and a thousand records take about a megabyte.
    pub record_age: Duration,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self { max_size: None, dry_run: false, record_age: Duration::from_secs(90 * 24 * 3600) }
    }
}

/// What a removed file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemovedKind {
    /// An artefact that no record refers to: its process was killed before the node was committed.
    Orphan,
    /// An artefact.
    Artefact,
    /// A record without artefacts.
    Record,
    /// A damaged record.
    DamagedRecord,
    /// A recipe's entry that leads to no record.
    Recipe,
    /// The digest of a file that was not asked for in a long time.
    FileDigest,
}

/// One file that was, or in a dry run would be, removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// What it was.
    pub kind: RemovedKind,
    /// The file.
    pub path: PathBuf,
    /// Bytes that this frees.
    pub bytes: u64,
    /// When it was last used.
    pub last_used: SystemTime,
    /// Nodes whose records refer to it, as `graph/node.port`, or the node of a record.
    pub nodes: Vec<String>,
}

/// What garbage collection did, or in a dry run would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// What went, in order.
    pub removed: Vec<Removed>,
    /// Bytes that this freed.
    pub freed: u64,
    /// Bytes of artefacts and records that stay; the last state of each node is not counted.
    pub kept: u64,
    /// Artefacts that were due but are in use by a living process.
    pub spared_live: Vec<Digest>,
    /// Artefacts that were due but are pinned.
    pub spared_pinned: Vec<Digest>,
    /// Bytes by which what stays exceeds `max_size`.
    pub over: u64,
}

/// A file that is due.
#[derive(Debug)]
struct Due {
    kind: RemovedKind,
    file: FoundFile,
    /// Bytes that this frees.
    bytes: u64,
    digest: Option<Digest>,
    last_used_ns: u128,
    nodes: Vec<String>,
    /// Where the record lies that a recipe leads to: the recipe stays if that exists after all.
    leads_to: Option<PathBuf>,
}

impl Store {
    /// Removes what is of no use, then the least recently used artefacts until the store is within its budget, then records
    /// that have no artefacts.
    ///
    /// # Errors
    /// When a list of pins is damaged, the store cannot be locked, or a file cannot be removed.
    pub fn gc(&self, options: &GcOptions) -> Result<GcReport, StoreError> {
        if !options.dry_run {
            let lock = self.layout.exclusive()?;
            self.layout.clean_dead_tenancies(&lock);
        }
        let pinned = self.pinned()?;
        let claims = self.layout.claims();
        let mut survey = Survey::of(&self.layout)?;
        let total = survey.total();
        let mut report = GcReport::default();
        let due = self.choose(&mut survey, options, total, &pinned, &claims, &mut report)?;
        if options.dry_run {
            report.removed = due.into_iter().map(Due::into_removed).collect();
        } else {
            self.remove(due, &mut report)?;
        }
        report.freed = report.removed.iter().map(|r| r.bytes).sum();
        let counted = report.removed.iter().filter(|r| r.kind != RemovedKind::FileDigest).map(|r| r.bytes).sum();
        report.kept = total.saturating_sub(counted);
        report.over = options.max_size.map_or(0, |max| report.kept.saturating_sub(max));
        Ok(report)
    }

    fn pinned(&self) -> Result<BTreeSet<Digest>, StoreError> {
        Ok(self.pins()?.into_values().flatten().collect())
    }

    /// What should go, in order.
    fn choose(
        &self,
        survey: &mut Survey,
        options: &GcOptions,
        total: u64,
        pinned: &BTreeSet<Digest>,
        claims: &Claims,
        report: &mut GcReport,
    ) -> Result<Vec<Due>, StoreError> {
        let mut due = Vec::new();
        let mut size = total;
        let budget = options.max_size.unwrap_or(u64::MAX);

        let mut artefacts: Vec<_> = survey.artefacts.values().cloned().collect();
        // Orphans first, whatever their age; then by last use, and by digest where that is equal.
        artefacts.sort_by_key(|a| (!a.nodes.is_empty(), a.last_used_ns, a.digest));
        for artefact in artefacts {
            let is_orphan = artefact.nodes.is_empty();
            if !is_orphan && size <= budget {
                break;
            }
            if pinned.contains(&artefact.digest) {
                report.spared_pinned.push(artefact.digest);
            } else if claims.covers(&artefact.digest, artefact.file.modified_ns) {
                report.spared_live.push(artefact.digest);
            } else {
                size -= artefact.file.bytes;
                survey.artefacts.remove(&artefact.file.path);
                due.push(Due {
                    kind: if is_orphan { RemovedKind::Orphan } else { RemovedKind::Artefact },
                    digest: Some(artefact.digest),
                    bytes: artefact.file.bytes,
                    last_used_ns: artefact.last_used_ns,
                    nodes: artefact.nodes.into_iter().collect(),
                    file: artefact.file,
                    leads_to: None,
                });
            }
        }

        for file in survey.damaged_records.drain(..) {
            size -= file.bytes;
            due.push(Due::plain(RemovedKind::DamagedRecord, file, Vec::new()));
        }
        let oldest_useful = nanos_before_now(options.record_age);
        let Survey { artefacts, records, pointers, .. } = survey;
        records.sort_by_key(|r| (r.last_used_ns, r.action));
        records.retain(|record| {
            let is_bare = !record.outputs.iter().any(|path| artefacts.contains_key(path));
            // What was used since the oldest living process began may be part of its plan.
            let is_in_use = claims.oldest.is_some_and(|began| record.last_used_ns >= began);
            if !is_bare || is_in_use || (record.last_used_ns >= oldest_useful && size <= budget) {
                return true;
            }
            size -= record.file.bytes;
            let mut entry = Due::plain(RemovedKind::Record, record.file.clone(), vec![record.node.clone()]);
            entry.last_used_ns = record.last_used_ns;
            due.push(entry);
            false
        });
        let kept: BTreeSet<_> = records.iter().map(|r| r.action).collect();
        for pointer in pointers.iter().filter(|p| p.action.is_none_or(|a| !kept.contains(&a))) {
            let mut entry = Due::plain(RemovedKind::Recipe, pointer.file.clone(), Vec::new());
            entry.bytes = pointer.bytes;
            entry.leads_to = pointer.action.map(|a| self.layout.action(a));
            due.push(entry);
        }
        for (path, _) in folder_entries(&self.layout.stat())? {
            if let Some(file) = look(path)?.filter(|f| f.modified_ns < oldest_useful) {
                due.push(Due::plain(RemovedKind::FileDigest, file, Vec::new()));
            }
        }
        Ok(due)
    }

    /// Removes what is due, unless it was used, claimed or pinned meanwhile.
    fn remove(&self, due: Vec<Due>, report: &mut GcReport) -> Result<(), StoreError> {
        let mut due = due.into_iter().peekable();
        while due.peek().is_some() {
            let _lock = self.layout.exclusive()?;
            let claims = self.layout.claims();
            let pinned = self.pinned()?;
            for entry in due.by_ref().take(BATCH) {
                match entry.digest {
                    Some(digest) if pinned.contains(&digest) => {
                        report.spared_pinned.push(digest);
                        continue;
                    }
                    Some(digest) if claims.covers(&digest, entry.file.modified_ns) => {
                        report.spared_live.push(digest);
                        continue;
                    }
                    _ => {}
                }
                let Some(now) = look(entry.file.path.clone())? else { continue };
                let is_touched = now.modified_ns != entry.file.modified_ns || now.bytes != entry.file.bytes;
                if is_touched || entry.leads_to.as_ref().is_some_and(|record| record.exists()) {
                    continue;
                }
                std::fs::remove_file(&now.path)
                    .map_err(|e| StoreError::io("removing what is not needed", &now.path, e, 0))?;
                report.removed.push(entry.into_removed());
            }
        }
        Ok(())
    }
}

impl Due {
    fn plain(kind: RemovedKind, file: FoundFile, nodes: Vec<String>) -> Self {
        Self { kind, last_used_ns: file.modified_ns, bytes: file.bytes, file, digest: None, nodes, leads_to: None }
    }

    fn into_removed(self) -> Removed {
        Removed {
            kind: self.kind,
            path: self.file.path,
            bytes: self.bytes,
            last_used: time_of(self.last_used_ns),
            nodes: self.nodes,
        }
    }
}

fn nanos_before_now(age: Duration) -> u128 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(age).as_nanos()
}
