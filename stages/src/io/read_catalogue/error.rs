//! What can be wrong with a catalogue file.

use std::fmt;

use skyloom_data::fits::{FitsError, FitsErrorKind};
use skyloom_engine::{CodecError, ErrorClass, StageError};

/// A catalogue could not be read: what was found, what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueError {
    /// What should happen next.
    pub class: ErrorClass,
    /// Stable code.
    pub code: &'static str,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// What to do.
    pub help: Option<String>,
}

impl CatalogueError {
    /// A file whose content is not what it should be.
    pub(super) fn malformed(found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self::new(ErrorClass::Data, "malformed-table", found, expected)
    }

    pub(super) fn new(
        class: ErrorClass,
        code: &'static str,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Self {
        Self { class, code, found: found.to_string(), expected: expected.to_string(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// An error of the operating system, or of gzip, while a file is read.
    pub(super) fn from_read(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::new(ErrorClass::Io, "missing-file", "no such file", "a catalogue"),
            ErrorKind::IsADirectory => Self::new(ErrorClass::Io, "not-a-file", "a folder", "a catalogue"),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                Self::malformed(format!("damaged data ({error})"), "an intact file").help("fetch the file again")
            }
            ErrorKind::UnexpectedEof => {
                Self::malformed("a file that ends early", "a complete file").help("fetch the file again")
            }
            _ => Self::new(ErrorClass::Io, "unreadable-file", error, "a file that can be read"),
        }
    }
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {}; expected {}", self.found, self.expected)
    }
}

impl std::error::Error for CatalogueError {}

impl From<FitsError> for CatalogueError {
    fn from(error: FitsError) -> Self {
        let code = error.kind.code();
        let class = match error.kind {
            FitsErrorKind::Missing | FitsErrorKind::NotAFile | FitsErrorKind::Unreadable => ErrorClass::Io,
            FitsErrorKind::TooLarge => ErrorClass::Resources,
            _ => ErrorClass::Data,
        };
        Self { class, code, found: error.found, expected: error.expected, help: error.help }
    }
}

impl From<CodecError> for CatalogueError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Io(e) => Self::from_read(&e),
            CodecError::Format(m) => Self::malformed(m, "a readable table"),
        }
    }
}

impl From<CatalogueError> for StageError {
    fn from(error: CatalogueError) -> Self {
        let stage_error = Self::new(error.class, &error);
        match error.help {
            Some(help) => stage_error.with_help(help),
            None => stage_error,
        }
    }
}
