//! Placing artefacts under the names that a graph's `outputs` give them.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::artefact::{Artefact, LoadError, Verified};
use super::error::StoreError;
use super::handle::Store;
use super::layout::{create_folder, folder_entries};
use super::place::TempFile;
use crate::digest::{Digest, FileDigests};

/// What a delivery took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The file was put in place.
    Copied,
    /// A file with this very content was there already, and was left alone.
    AlreadyThere,
}

impl Store {
    /// Places a copy of an artefact at `dest`, complete or not at all. On file systems that can share blocks the copy takes
    /// no space. The content is verified on the way.
    ///
    /// # Errors
    /// When the artefact is missing or damaged (it was then removed: make it anew), or the copy cannot be written.
    pub fn deliver(&self, artefact: &Artefact, dest: &Path) -> Result<Delivered, StoreError> {
        if self.is_delivered(artefact, dest) {
            return Ok(Delivered::AlreadyThere);
        }
        self.claim(artefact)?;
        let source = self.layout.artefact(artefact);
        let mut from = File::open(&source).map_err(|e| match e.kind() {
            ErrorKind::NotFound => StoreError::Missing { path: source.clone() },
            _ => StoreError::io("reading an artefact", &source, e, 0),
        })?;
        let (part, mut to) = self.begin_part(dest)?;
        let failed = |e| StoreError::io("writing an output", dest, e, artefact.bytes);
        // The standard library asks the kernel to copy, which shares blocks where it can.
        std::io::copy(&mut from, &mut to).map_err(failed)?;
        let found = Digest::of_file(part.path()).map_err(failed)?;
        if found != artefact.digest {
            return Err(self.why_copy_differs(artefact, source, found, dest));
        }
        part.place(dest)?;
        Ok(Delivered::Copied)
    }

    /// Writes bytes that are no artefact (a report) to `dest`, complete or not at all.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn deliver_bytes(&self, bytes: &[u8], dest: &Path) -> Result<(), StoreError> {
        let (part, mut to) = self.begin_part(dest)?;
        std::io::Write::write_all(&mut to, bytes)
            .map_err(|e| StoreError::io("writing an output", dest, e, bytes.len() as u64))?;
        part.place(dest)
    }

    /// Whether `dest` is a file with exactly the artefact's content. The artefact itself need not be in the store.
    #[must_use]
    pub fn is_delivered(&self, artefact: &Artefact, dest: &Path) -> bool {
        let has_size = std::fs::metadata(dest).is_ok_and(|m| m.is_file() && m.len() == artefact.bytes);
        has_size && self.stat().file_digest(dest).is_ok_and(|d| d == artefact.digest)
    }

    /// A locked, empty file beside `dest`. The lock tells it from those that dead processes left.
    fn begin_part(&self, dest: &Path) -> Result<(TempFile, File), StoreError> {
        if std::fs::symlink_metadata(dest).is_ok_and(|m| !m.is_file() && !m.is_symlink()) {
            return Err(StoreError::NotAFile { path: dest.to_path_buf() });
        }
        let (Some(folder), Some(name)) = (dest.parent(), dest.file_name()) else {
            return Err(StoreError::NotAFile { path: dest.to_path_buf() });
        };
        // A bare file name has an empty parent: the working directory.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        create_folder(folder)?;
        let prefix = format!(".{}.skyloom-part-", name.to_string_lossy());
        remove_dead_parts(folder, &prefix);
        let failed = |path: &Path, e| StoreError::io("writing an output", path, e, 0);
        let tenant = self.tenant()?;
        loop {
            let path = folder.join(format!("{prefix}{}", tenant.unique_name()));
            let file = File::options().create_new(true).write(true).open(&path).map_err(|e| failed(&path, e))?;
            let part = TempFile::at(path);
            match file.try_lock() {
                Ok(()) => {}
                // Somebody took the new file for a dead one and is about to remove it.
                Err(TryLockError::WouldBlock) => continue,
                // Without locks nobody takes a part for dead, so it is safe as it is.
                Err(TryLockError::Error(_)) => return Ok((part, file)),
            }
            if part.path().exists() {
                return Ok((part, file));
            }
        }
    }

    /// The copy is not what the artefact's name says: either the artefact is damaged, or the copy went wrong.
    fn why_copy_differs(&self, artefact: &Artefact, source: PathBuf, found: Digest, dest: &Path) -> StoreError {
        match self.verified(artefact) {
            Ok(Verified::Bad(metadata, what, found)) => {
                tracing::warn!("{}: damaged, {what}; removed", source.display());
                self.remove_damaged(&source, &metadata);
                StoreError::Damaged { path: source, found }
            }
            Err(LoadError::Missing { path }) => StoreError::Missing { path },
            _ => StoreError::Io {
                doing: "comparing an output with its artefact",
                path: dest.to_path_buf(),
                source: std::io::Error::other(format!("the copy has the digest {}", found.short())),
            },
        }
    }
}

fn remove_dead_parts(folder: &Path, prefix: &str) {
    // A folder that cannot be listed keeps its leftovers.
    for (path, name) in folder_entries(folder).unwrap_or_default() {
        if name.starts_with(prefix)
            && let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(&path);
        }
    }
}
