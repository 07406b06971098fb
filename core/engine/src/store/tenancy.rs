//! What a living process leans on.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::error::StoreError;
use super::layout::{Layout, create_folder, folder_entries};
use super::lock::{Exclusive, Shared};
use super::place::TempFile;
use crate::digest::Digest;

/// A process's claim on the store. While it lives, garbage collection spares every artefact that this store found or put,
/// and whatever anyone put since it began.
///
/// It also owns a folder for files in the making, which vanishes with it; when the process is killed, the next one removes
/// it.
#[derive(Debug, Clone)]
pub struct Tenancy {
    inner: Arc<TenancyInner>,
}

impl Tenancy {
    pub(crate) fn new(inner: Arc<TenancyInner>) -> Self {
        Self { inner }
    }

    /// A folder for scratch space, for [`Services::scratch_root`](crate::Services::scratch_root). It lies on the disk of the
    /// store and ends with the tenancy.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch_folder(&self) -> Result<PathBuf, StoreError> {
        let folder = self.inner.tmp.join("scratch");
        create_folder(&folder)?;
        Ok(folder)
    }
}

#[derive(Debug)]
pub(crate) struct TenancyInner {
    name: String,
    layout: Layout,
    tmp: PathBuf,
    live: Mutex<Live>,
    next_temp: AtomicU64,
}

/// The locked file in `live/`, and what was written to it.
#[derive(Debug)]
struct Live {
    path: PathBuf,
    // The lock lasts as long as this stays open.
    file: File,
    noted: BTreeSet<Digest>,
}

static NEXT_TENANCY: AtomicU64 = AtomicU64::new(0);

impl TenancyInner {
    /// Begins under the shared lock, so that nobody takes the file for a dead one before it is locked.
    pub(crate) fn begin(layout: &Layout) -> Result<Self, StoreError> {
        let _lock = layout.shared()?;
        // Process numbers repeat, in containers quickly; together with the time the name is unique enough to be tried.
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let n = NEXT_TENANCY.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{nanos:x}-{n}", std::process::id());
        let path = layout.live().join(&name);
        let file = create_live(&path)?;
        let tmp = layout.tmp().join(&name);
        create_folder(&tmp)?;
        let live = Mutex::new(Live { path, file, noted: BTreeSet::new() });
        Ok(Self { name, layout: layout.clone(), tmp, live, next_temp: AtomicU64::new(0) })
    }

    /// A path for a file in the making; nothing is created but the folder, should somebody have deleted it.
    pub(crate) fn temp(self: &Arc<Self>, extension: &str) -> Result<TempFile, StoreError> {
        let n = self.next_number();
        if !self.tmp.is_dir() {
            create_folder(&self.tmp)?;
        }
        let name = if extension.is_empty() { n.to_string() } else { format!("{n}.{extension}") };
        Ok(TempFile::of(Arc::clone(self), self.tmp.join(name)))
    }

    /// Part of a file name that nobody else who shares the store uses.
    pub(crate) fn unique_name(&self) -> String {
        format!("{}-{}", self.name, self.next_number())
    }

    fn next_number(&self) -> u64 {
        self.next_temp.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether all of these were noted already.
    pub(crate) fn has_noted<'a>(&self, mut digests: impl Iterator<Item = &'a Digest>) -> bool {
        let live = self.live();
        digests.all(|d| live.noted.contains(d))
    }

    /// Notes what the process leans on from now on, before it looks whether it is there.
    pub(crate) fn note<'a>(&self, _lock: &Shared, digests: impl Iterator<Item = &'a Digest>) -> Result<(), StoreError> {
        let mut live = self.live();
        let new: BTreeSet<Digest> = digests.filter(|d| !live.noted.contains(d)).copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut lines = as_lines(&new);
        if !live.path.exists() {
            // Somebody deleted the cache under us: claim everything again.
            create_folder(&self.layout.live())?;
            live.file = create_live(&live.path)?;
            lines.push_str(&as_lines(&live.noted));
        }
        live.file
            .write_all(lines.as_bytes())
            .map_err(|e| StoreError::io("noting what this process uses", &live.path, e, lines.len() as u64))?;
        live.noted.extend(new);
        Ok(())
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TenancyInner {
    fn drop(&mut self) {
        // Failures leave a dead tenancy behind, which the next process clears away.
        let _ = std::fs::remove_dir_all(&self.tmp);
        let _ = std::fs::remove_file(&self.live().path);
    }
}

/// Each digest after a line break, not before one: what a full disk cut short then spoils no line that follows.
fn as_lines(digests: &BTreeSet<Digest>) -> String {
    digests.iter().map(|d| format!("\n{d}")).collect()
}

/// Creates and locks a file in `live/`. Its first line is the time at which it began, by the clock of the file system,
/// which also dates the artefacts.
fn create_live(path: &Path) -> Result<File, StoreError> {
    let failed = |e| StoreError::io("claiming the store", path, e, 64);
    let mut file = File::options().create_new(true).append(true).open(path).map_err(failed)?;
    // At most a reader of claims holds it, for an instant.
    file.lock().map_err(|source| match source.kind() {
        ErrorKind::Unsupported => StoreError::NoLocks { path: path.to_path_buf(), source },
        _ => failed(source),
    })?;
    let began = file.metadata().and_then(|m| m.modified()).map_err(failed)?;
    let nanos = began.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    file.write_all(format!("began {nanos}").as_bytes()).map_err(failed)?;
    Ok(file)
}

/// What all living processes lean on.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// Digests that somebody noted.
    pub(crate) noted: BTreeSet<Digest>,
    /// When the oldest living tenancy began, in nanoseconds since 1970; `None` when nobody lives.
    pub(crate) oldest: Option<u128>,
}

impl Claims {
    /// Whether a living process may lean on an artefact.
    pub(crate) fn covers(&self, digest: &Digest, modified_ns: u128) -> bool {
        self.noted.contains(digest) || self.oldest.is_some_and(|began| modified_ns >= began)
    }
}

impl Layout {
    /// Reads the claims of all living processes.
    pub(crate) fn claims(&self) -> Claims {
        let mut claims = Claims::default();
        let Ok(tenancies) = folder_entries(&self.live()) else {
            // Who knows who lives there: everything is claimed.
            return Claims { noted: BTreeSet::new(), oldest: Some(0) };
        };
        for (path, _) in tenancies {
            let Some(text) = read_if_living(&path) else { continue };
            // A claim that cannot be read covers everything: better to remove nothing.
            let mut lines = text.lines();
            let began = lines.next().and_then(|l| l.strip_prefix("began ")).and_then(|n| n.parse().ok()).unwrap_or(0);
            claims.oldest = Some(claims.oldest.map_or(began, |o| o.min(began)));
            claims.noted.extend(lines.filter_map(Digest::from_hex));
        }
        claims
    }

    /// Removes the files of dead tenancies. Needs the exclusive lock, because a beginning tenancy has an unlocked file for
    /// a moment.
    pub(crate) fn clean_dead_tenancies(&self, _lock: &Exclusive) {
        let entries = |folder: PathBuf| {
            folder_entries(&folder).inspect_err(|e| tracing::warn!("{e}; nothing cleared away")).unwrap_or_default()
        };
        for (path, name) in entries(self.live()) {
            if read_if_living(&path).is_none() {
                tracing::debug!("clearing away what the dead process {name} left");
                let _ = std::fs::remove_dir_all(self.tmp().join(&name));
                let _ = std::fs::remove_file(&path);
            }
        }
        // A folder whose claim is gone belongs to a process that died while ending.
        for (path, name) in entries(self.tmp()) {
            if std::fs::symlink_metadata(self.live().join(&name)).is_err_and(|e| e.kind() == ErrorKind::NotFound) {
                let _ = std::fs::remove_dir_all(&path);
            }
        }
    }
}

/// The text of a claim, or `None` when its owner is dead, which shows in that the lock can be had.
fn read_if_living(path: &Path) -> Option<String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return None,
        Err(_) => return Some(String::new()),
    };
    match file.try_lock_shared() {
        Ok(()) => None,
        Err(_) => {
            let mut text = String::new();
            // A text that cannot be read is taken as a claim on everything.
            Some(file.read_to_string(&mut text).map_or_else(|_| String::new(), |_| text))
        }
    }
}
