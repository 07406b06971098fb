//! A problem with its place in a file. The CLI turns it into text; libraries never do.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

/// One problem of a graph file, complete: where, what was found, what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code, in kebab case (`unknown-kind`).
    pub code: String,
    /// The file, as it was named by the user.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Byte range in `source`.
    #[serde(skip)]
    pub span: std::ops::Range<usize>,
    /// The whole text of the file, for excerpts.
    #[serde(skip)]
    pub source: Arc<str>,
    /// What it is about: `nodes.flat.params.median_px`.
    pub subject: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// What to do; often the nearest known name.
    pub help: Option<String>,
}
