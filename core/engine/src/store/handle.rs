//! The store as its users hold it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use super::error::StoreError;
use super::layout::Layout;
use super::stat_cache::StatCache;
use super::tenancy::{Tenancy, TenancyInner};
use crate::digest::FileDigests;

/// A store in a folder. Any number of threads may use one, any number of processes may open the same folder.
///
/// Looking things up without a [`Tenancy`] leaves no trace. A process that runs a graph takes a tenancy first: from then on
/// whatever it finds or puts is spared by garbage collection until the tenancy ends.
#[derive(Debug)]
pub struct Store {
    pub(crate) layout: Layout,
    stat: Arc<StatCache>,
    current: Mutex<Weak<TenancyInner>>,
}

impl Store {
    /// Opens the store in a folder, making it if need be, and clears away what dead processes left.
    ///
    /// # Errors
    /// When the folder cannot be made or written, or knows no locks.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        layout.create()?;
        // When somebody is busy right now, the next process cleans up.
        if let Some(lock) = layout.try_exclusive()? {
            layout.clean_dead_tenancies(&lock);
        }
        let stat = Arc::new(StatCache::new(layout.stat()));
        Ok(Self { layout, stat, current: Mutex::new(Weak::new()) })
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Folder for reports of runs. They are small; garbage collection leaves them alone.
    #[must_use]
    pub fn runs_folder(&self) -> PathBuf {
        self.layout.runs()
    }

    /// The cache of file digests, for [`DigestBuilder::with_files`](crate::DigestBuilder::with_files).
    #[must_use]
    pub fn file_digests(&self) -> Arc<dyn FileDigests> {
        Arc::clone(&self.stat) as Arc<dyn FileDigests>
    }

    pub(crate) fn stat(&self) -> &StatCache {
        &self.stat
    }

    /// Begins to lean on the store, or joins the tenancy that this store already has.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn tenancy(&self) -> Result<Tenancy, StoreError> {
        Ok(Tenancy::new(self.tenant()?))
    }

    /// The current tenancy or, for a single call, a new one.
    pub(crate) fn tenant(&self) -> Result<Arc<TenancyInner>, StoreError> {
        let mut current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(tenant) = current.upgrade() {
            return Ok(tenant);
        }
        let tenant = Arc::new(TenancyInner::begin(&self.layout)?);
        *current = Arc::downgrade(&tenant);
        Ok(tenant)
    }

    /// The current tenancy, if there is one.
    pub(crate) fn current(&self) -> Option<Arc<TenancyInner>> {
        self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner).upgrade()
    }
}
