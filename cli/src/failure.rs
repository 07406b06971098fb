//! How a command ends when it does not end well: a message, and an exit code.

use skyloom_engine::{Diagnostic, ErrorClass};

/// Exit codes; `skyloom --help` lists them.
pub mod exit {
    /// A stage failed on its data, a test failed, or something was found.
    pub const FOUND: u8 = 1;
    /// The command line was wrong.
    pub const USAGE: u8 = 2;
    /// The graph has problems.
    pub const GRAPH: u8 = 3;
    /// A file, the output folder or the cache could not be read or written.
    pub const IO: u8 = 4;
    /// Out of memory budget or disk space.
    pub const RESOURCES: u8 = 5;
    /// A stage panicked.
    pub const PANIC: u8 = 70;
    /// Stopped by Ctrl-C.
    pub const CANCELLED: u8 = 130;
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum CommandFailure {
    /// The graph has problems.
    Graph(Vec<Diagnostic>),
    /// Anything else: exit code, message, what to do.
    Other {
        /// Exit code.
        code: u8,
        /// What happened.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// Everything was said already.
    Quiet(u8),
}

impl CommandFailure {
    /// The command line was wrong.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::Other { code: exit::USAGE, message: message.to_string(), help: None }
    }
    /// Something could not be read or written.
    pub fn io(message: impl std::fmt::Display) -> Self {
        Self::Other { code: exit::IO, message: message.to_string(), help: None }
    }
    /// Adds what to do.
    #[must_use]
    pub fn with_help(self, text: impl Into<String>) -> Self {
        match self {
            Self::Other { code, message, .. } => Self::Other { code, message, help: Some(text.into()) },
            other => other,
        }
    }
}

/// The exit code of a failure class.
#[must_use]
pub fn exit_code(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::NoWork => 0,
        ErrorClass::Data => exit::FOUND,
        ErrorClass::Config => exit::GRAPH,
        ErrorClass::Resources => exit::RESOURCES,
        ErrorClass::Io => exit::IO,
        ErrorClass::Cancelled => exit::CANCELLED,
        ErrorClass::Panic => exit::PANIC,
    }
}
