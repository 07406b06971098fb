//! What can be wrong with a FITS file, said so that the user knows what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use skyloom_engine::{CodecError, ErrorClass, StageError};

/// The kind of a [`FitsError`]; its code is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitsErrorKind {
    /// There is no such file.
    Missing,
    /// The path is a folder or a device.
    NotAFile,
    /// The operating system refuses to read it.
    Unreadable,
    /// The file has no bytes.
    Empty,
    /// The content is something else.
    NotFits,
    /// The file ends before its headers say.
    Truncated,
    /// The headers break the standard in a way that cannot be read around.
    Malformed,
    /// No HDU holds what was asked for.
    NoImage,
    /// The image has not exactly two axes.
    NotTwoDimensional,
    /// There is no HDU with this index or name.
    UnknownHdu,
    /// A valid file uses something that is not supported.
    Unsupported,
    /// The WCS cards contradict each other.
    BadWcs,
    /// Two images that belong together differ in shape.
    ShapeMismatch,
    /// The image does not fit in memory.
    TooLarge,
    /// FITS cannot express what should be written.
    Unwritable,
    /// Writing failed.
    WriteFailed,
    /// The user stopped the run.
    Cancelled,
}

impl FitsErrorKind {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing-file",
            Self::NotAFile => "not-a-file",
            Self::Unreadable => "unreadable-file",
            Self::Empty => "empty-file",
            Self::NotFits => "not-fits",
            Self::Truncated => "truncated-fits",
            Self::Malformed => "malformed-fits",
            Self::NoImage => "no-image",
            Self::NotTwoDimensional => "not-2d-image",
            Self::UnknownHdu => "unknown-hdu",
            Self::Unsupported => "unsupported-fits",
            Self::BadWcs => "bad-wcs",
            Self::ShapeMismatch => "shape-mismatch",
            Self::TooLarge => "too-large",
            Self::Unwritable => "unwritable-fits",
            Self::WriteFailed => "write-failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A FITS file could not be read or written: where, what was found, what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitsError {
    /// What kind of error.
    pub kind: FitsErrorKind,
    /// The file, when there is one.
    pub path: Option<PathBuf>,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// What to do.
    pub help: Option<String>,
}

impl FitsError {
    /// An error about a file.
    pub fn new(kind: FitsErrorKind, path: &Path, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self {
            kind,
            path: Some(path.to_path_buf()),
            found: found.to_string(),
            expected: expected.to_string(),
            help: None,
        }
    }

    /// Something that FITS cannot express.
    pub fn unwritable(found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self {
            kind: FitsErrorKind::Unwritable,
            path: None,
            found: found.to_string(),
            expected: expected.to_string(),
            help: None,
        }
    }

    /// The user stopped the run.
    #[must_use]
    pub fn cancelled(path: &Path) -> Self {
        Self::new(FitsErrorKind::Cancelled, path, "a request to stop", "to go on")
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// An error of the operating system while a file is read.
    #[must_use]
    pub fn from_read(path: &Path, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::new(FitsErrorKind::Missing, path, "no such file", "a FITS file"),
            std::io::ErrorKind::IsADirectory => Self::new(FitsErrorKind::NotAFile, path, "a folder", "a FITS file"),
            _ => Self::new(FitsErrorKind::Unreadable, path, error, "a file that can be read"),
        }
    }

    /// An error of the operating system while a file is written.
    #[must_use]
    pub fn from_write(path: &Path, error: &std::io::Error) -> Self {
        Self::new(FitsErrorKind::WriteFailed, path, error, "a file that can be written")
    }
}

impl fmt::Display for FitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        write!(f, "found {}; expected {}", self.found, self.expected)
    }
}

impl std::error::Error for FitsError {}

impl From<FitsError> for StageError {
    fn from(error: FitsError) -> Self {
        let class = match error.kind {
            FitsErrorKind::Missing
            | FitsErrorKind::NotAFile
            | FitsErrorKind::Unreadable
            | FitsErrorKind::WriteFailed => ErrorClass::Io,
            FitsErrorKind::TooLarge => ErrorClass::Resources,
            FitsErrorKind::Cancelled => return Self::cancelled(),
            _ => ErrorClass::Data,
        };
        let stage_error = Self::new(class, &error);
        match error.help {
            Some(help) => stage_error.with_help(help),
            None => stage_error,
        }
    }
}

impl From<FitsError> for CodecError {
    fn from(error: FitsError) -> Self {
        Self::format(error)
    }
}
