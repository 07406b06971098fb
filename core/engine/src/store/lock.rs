//! The store's lock: lookups and commits share it for microseconds, removals hold it alone.
//!
//! Each holder opens the file anew, because a lock belongs to the open file: threads that shared one would release each
//! other's.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;

use super::error::StoreError;
use super::layout::Layout;

/// Held by whoever looks up, notes or commits. While it is held nothing is removed.
#[derive(Debug)]
pub(crate) struct Shared {
    // Closing the file releases the lock.
    _file: File,
}

/// Held by whoever removes. While it is held nobody looks up, notes or commits.
#[derive(Debug)]
pub(crate) struct Exclusive {
    _file: File,
}

impl Layout {
    pub(crate) fn shared(&self) -> Result<Shared, StoreError> {
        let file = self.open_lock()?;
        file.lock_shared().map_err(|e| self.lock_error(e))?;
        Ok(Shared { _file: file })
    }

    pub(crate) fn exclusive(&self) -> Result<Exclusive, StoreError> {
        let file = self.open_lock()?;
        file.lock().map_err(|e| self.lock_error(e))?;
        Ok(Exclusive { _file: file })
    }

    /// `None` when somebody holds the lock.
    pub(crate) fn try_exclusive(&self) -> Result<Option<Exclusive>, StoreError> {
        let file = self.open_lock()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Exclusive { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(self.lock_error(e)),
        }
    }

    fn open_lock(&self) -> Result<File, StoreError> {
        let path = self.lock();
        let open = || File::options().create(true).append(true).open(&path);
        let opened = match open() {
            // Somebody deleted the whole cache: start afresh.
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.create()?;
                open()
            }
            other => other,
        };
        opened.map_err(|e| StoreError::io("opening the lock", &path, e, 0))
    }

    fn lock_error(&self, source: std::io::Error) -> StoreError {
        match source.kind() {
            ErrorKind::Unsupported => StoreError::NoLocks { path: self.lock(), source },
            _ => StoreError::io("locking", &self.lock(), source, 0),
        }
    }
}
