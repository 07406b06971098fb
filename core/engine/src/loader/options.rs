//! What a load depends on besides the file.

use std::fmt;
use std::path::PathBuf;

use crate::diagnostic::Diagnostic;

/// What a load depends on besides the file.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--set KEY=VALUE`, in order; a later one wins. KEY is a graph parameter or `node.parameter`; VALUE is RON, and what
    /// does not parse as RON is a string, so that words and paths need no quotes.
    pub sets: Vec<(String, String)>,
    /// Overlay files, applied in order.
    pub overlays: Vec<PathBuf>,
    /// Files and folders that bring kinds of stages, besides those that the graph names. The loader only notes them: whoever
    /// understands them asks [`plugins`](crate::plugins) and adds their kinds to the registry first.
    pub plugins: Vec<PathBuf>,
    /// Name of the test of the graph file whose changes apply.
    pub test: Option<String>,
    /// Memory that a node may need at most, in bytes.
    pub memory_budget: Option<u64>,
    /// Folder from which paths of the command line start; empty means the folder of the process.
    pub working_dir: PathBuf,
}

/// A graph that cannot be run: every problem that was found, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadFailure {
    /// The problems; never empty.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.diagnostics.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(
                f,
                "{}:{}:{}  {}\n  found {}; expected {}",
                d.file.display(),
                d.line,
                d.column,
                d.subject,
                d.found,
                d.expected
            )?;
            if let Some(help) = &d.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for LoadFailure {}
