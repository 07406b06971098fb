//! What the store says when it cannot do its work: where, what, and what to do.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::stage::{ErrorClass, StageError};

/// The store could not do something. [`StoreError::code`] is stable, [`StoreError::help`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk, a quota or a limit on the size of files is full.
    #[error("{}: no room left while {doing}; {needed} bytes are needed ({source})", path.display())]
    NoRoom {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Bytes that the file needs.
        needed: u64,
        /// What the system said.
        source: Error,
    },
    /// The folder may not be written.
    #[error("{}: not writable while {doing} ({source})", path.display())]
    NotWritable {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: Error,
    },
    /// A part of the path is a plain file where a folder is needed.
    #[error("{}: cannot be a folder or lie in one, because {} is a plain file", path.display(), file.display())]
    NotAFolder {
        /// The path that was wanted.
        path: PathBuf,
        /// The plain file in its way.
        file: PathBuf,
    },
    /// The name of a file to write is taken by something that is not a plain file.
    #[error("{}: is not a plain file and is not replaced", path.display())]
    NotAFile {
        /// The name.
        path: PathBuf,
    },
    /// A product could not be written in its format.
    #[error("a product of type {type_name} cannot be written: {message}")]
    Encode {
        /// Type of the product.
        type_name: String,
        /// What the format's writer said.
        message: String,
    },
    /// A product asks for a file extension that cannot be part of a file name.
    #[error("{extension:?} is no file extension: 1 to 16 letters, digits, '.', '_', '-', or empty")]
    Extension {
        /// What was asked for.
        extension: String,
    },
    /// An artefact is not in the store.
    #[error("{}: not in the store", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// An artefact's content is not what its name says. It was removed, so that it counts as absent.
    #[error("{}: damaged, its content has the digest {}; removed", path.display(), found.short())]
    Damaged {
        /// Where it was.
        path: PathBuf,
        /// Digest of what was found.
        found: Digest,
    },
    /// A list of pinned artefacts cannot be read, so nobody knows what must stay.
    #[error("{}: the list of pinned artefacts is damaged", path.display())]
    DamagedPins {
        /// The file.
        path: PathBuf,
    },
    /// The file system knows no advisory locks.
    #[error("{}: this file system has no file locks ({source})", path.display())]
    NoLocks {
        /// The file to lock.
        path: PathBuf,
        /// What the system said.
        source: Error,
    },
    /// Anything else that the system refused.
    #[error("{}: failed while {doing} ({source})", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: Error,
    },
}

impl StoreError {
    /// Names the problem behind an error of the system. `needed` is the size of the file in the making.
    pub(crate) fn io(doing: &'static str, path: &Path, source: Error, needed: u64) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            _ if is_no_room(&source) => Self::NoRoom { doing, path, needed, source },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::NotWritable { doing, path, source },
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => match plain_file_in(&path) {
                Some(file) => Self::NotAFolder { path, file },
                None => Self::Io { doing, path, source },
            },
            ErrorKind::IsADirectory => Self::NotAFile { path },
            _ => Self::Io { doing, path, source },
        }
    }

    /// Stable code, in kebab case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRoom { .. } => "no-room",
            Self::NotWritable { .. } => "not-writable",
            Self::NotAFolder { .. } => "not-a-folder",
            Self::NotAFile { .. } => "not-a-file",
            Self::Encode { .. } => "cannot-encode",
            Self::Extension { .. } => "bad-extension",
            Self::Missing { .. } => "missing-artefact",
            Self::Damaged { .. } => "damaged-artefact",
            Self::DamagedPins { .. } => "damaged-pins",
            Self::NoLocks { .. } => "no-file-locks",
            Self::Io { .. } => "store-io",
        }
    }

    /// What to do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoRoom { .. } => {
                "free some space, remove old artefacts with `skyloom cache gc --max-size SIZE`, or choose a folder on \
                 another disk with `--cache DIR` or `--out DIR`"
                    .into()
            }
            Self::NotWritable { .. } | Self::NotAFolder { .. } => {
                "choose another folder with `--cache DIR` (store) or `--out DIR` (outputs)".into()
            }
            Self::NotAFile { path } => {
                format!("move {} away, or choose another folder with `--out DIR`", path.display())
            }
            Self::Missing { .. } | Self::Damaged { .. } => "run again: what is missing is made anew".into(),
            Self::DamagedPins { path } => format!("delete {} and pin its artefacts again", path.display()),
            Self::NoLocks { .. } => "choose a folder on a local disk with `--cache DIR`".into(),
            Self::Encode { .. } | Self::Extension { .. } => "this is a fault of the stage that made the product".into(),
            Self::Io { .. } => return None,
        })
    }

    /// What should happen next.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoRoom { .. } => ErrorClass::Resources,
            Self::Encode { .. } | Self::Extension { .. } => ErrorClass::Data,
            Self::NotAFolder { .. }
            | Self::NotAFile { .. }
            | Self::NotWritable { .. }
            | Self::NoLocks { .. }
            | Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::DamagedPins { .. }
            | Self::Io { .. } => ErrorClass::Io,
        }
    }
}

impl From<StoreError> for StageError {
    fn from(error: StoreError) -> Self {
        let stage = Self::new(error.class(), &error);
        match error.help() {
            Some(help) => stage.with_help(help),
            None => stage,
        }
    }
}

/// Whether a disk, a quota or a limit on the size of files is full.
pub(crate) fn is_no_room(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// The nearest part of the path, from the path itself upwards, that exists as a plain file.
fn plain_file_in(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|p| p.is_file()).map(Path::to_path_buf)
}
