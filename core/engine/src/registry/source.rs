//! A source of stages: whoever can list kinds and build a stage from its parameters.

use std::fmt;

use serde::Serialize;

use crate::stage::Stage;

/// Brings kinds of stages to a [`Registry`](crate::Registry).
///
/// The engine's own source knows the stages compiled into the binary. Others bring kinds that typetag has never seen:
/// descriptors of foreign programs, Python classes.
pub trait StageSource: Send + Sync {
    /// Where the stages come from, for messages (`built in`, `descriptors in tools/`).
    fn name(&self) -> &str;

    /// The kinds that it brings.
    fn stages(&self) -> Vec<StageInfo>;

    /// Builds a stage from its parameters, written as one RON struct: `(median_px: 90)`.
    ///
    /// All references are replaced and input paths absolute when this is called.
    ///
    /// # Errors
    /// When the parameters do not fit the kind.
    fn build(&self, kind: &str, params_ron: &str) -> Result<Box<dyn Stage>, BuildError>;
}

/// What is known of a kind of stage without building one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageInfo {
    /// `family.verb`.
    pub kind: String,
    /// Crate or program that brings it, with its version: `skyloom-stages 0.1.0`.
    pub provider: String,
    /// Documentation; the first line is a sentence that stands alone.
    pub doc: String,
    /// JSON schema of the parameters, with documentation, defaults, ranges and units (`x-unit`).
    pub schema: serde_json::Value,
    /// Parameters of an example node, as RON.
    pub example: String,
}

impl StageInfo {
    /// The first sentence of the documentation, for lists.
    #[must_use]
    pub fn summary(&self) -> &str {
        self.doc.lines().next().unwrap_or_default()
    }
}

/// Parameters that do not fit a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    /// What is wrong.
    pub message: String,
    /// Byte offset inside the text of the parameters, when known.
    pub offset: Option<usize>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BuildError {}
