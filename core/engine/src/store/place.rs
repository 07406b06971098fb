//! Files in the making, and the rename that gives them their final name.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::layout::create_folder;
use super::tenancy::TenancyInner;

/// A file in the making. It is removed when dropped, unless it was put in place.
#[derive(Debug)]
pub(crate) struct TempFile {
    path: PathBuf,
    is_placed: bool,
    /// The tenancy in whose folder the file lies: the folder vanishes with it.
    _tenant: Option<Arc<TenancyInner>>,
}

impl TempFile {
    /// Takes charge of a path; nothing is created.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, is_placed: false, _tenant: None }
    }

    /// Takes charge of a path in a tenancy's folder.
    pub(crate) fn of(tenant: Arc<TenancyInner>, path: PathBuf) -> Self {
        Self { path, is_placed: false, _tenant: Some(tenant) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the whole content.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), StoreError> {
        std::fs::write(&self.path, bytes).map_err(|e| StoreError::io("writing", &self.path, e, bytes.len() as u64))
    }

    /// Makes it a second name of a file, or a copy where the file system knows no links.
    pub(crate) fn link_to(&self, file: &Path) -> Result<(), StoreError> {
        match std::fs::hard_link(file, &self.path) {
            Ok(()) => Ok(()),
            Err(_) => {
                std::fs::copy(file, &self.path).map_err(|e| StoreError::io("copying a record", &self.path, e, 0))?;
                Ok(())
            }
        }
    }

    /// Gives the file its final name, replacing what has it. This is the moment in which it appears, complete.
    pub(crate) fn place(mut self, dest: &Path) -> Result<(), StoreError> {
        let mut outcome = std::fs::rename(&self.path, dest);
        if outcome.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound)
            && let Some(folder) = dest.parent()
        {
            // The first file of its folder.
            create_folder(folder)?;
            outcome = std::fs::rename(&self.path, dest);
        }
        outcome.map_err(|e| StoreError::io("putting a file in place", dest, e, 0))?;
        self.is_placed = true;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.is_placed {
            // Nothing can be done about a failure, and the folder is cleaned with its tenancy.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
