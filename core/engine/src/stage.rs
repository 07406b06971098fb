//! The one trait that every stage implements, and how a stage announces itself.

use std::fmt;

use crate::context::Context;
use crate::digest::DigestBuilder;
use crate::facet::{Facets, FacetsOut};
use crate::port::Signature;
use crate::problem::Problems;

/// A step of a pipeline. The implementing struct is the parameters; the graph file is that struct written down.
///
/// The methods are asked in this order: what goes in and out; which version am I; are my parameters sane; what will
/// my output look like; how much memory; which files do I read; now do it.
///
/// Implement it with `#[typetag::serde(name = "family.verb")]` and register the struct with [`register_stage!`](crate::register_stage).
#[typetag::serde(tag = "kind", content = "params")]
pub trait Stage: fmt::Debug + Send + Sync {
    /// The typed ports; they may depend on the parameters.
    fn signature(&self) -> Signature;

    /// Bumped whenever the same inputs give another result, and only then.
    fn version(&self) -> u32;

    /// Checks the parameters alone.
    fn check(&self, problems: &mut Problems) {
        let _ = problems;
    }

    /// Says what is known of the outputs (shape, unit, columns) from what is known of the inputs.
    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let _ = (inputs, outputs, problems);
    }

    /// Peak memory, inputs and outputs included, and useful threads.
    fn estimate(&self, inputs: &Facets) -> Demand {
        let _ = inputs;
        Demand::default()
    }

    /// Adds the files and programs that the stage reads. Paths themselves never enter a key.
    ///
    /// # Errors
    /// When a declared file cannot be read: the node then has no key, and is not cached.
    fn fingerprint(&self, digest: &mut DigestBuilder) -> Result<(), StageError> {
        let _ = digest;
        Ok(())
    }

    /// Does the work. The context is the only window to the world.
    ///
    /// # Errors
    /// See [`ErrorClass`]: the class says what should happen next.
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError>;
}

/// What a stage needs to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Peak bytes while it runs, its inputs and outputs included.
    pub peak_bytes: u64,
    /// Threads that it can make use of.
    pub threads: usize,
}

impl Default for Demand {
    fn default() -> Self {
        Self { peak_bytes: 1 << 20, threads: 1 }
    }
}

/// What should happen after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// Nothing to do: not a failure; what depends on it is pruned.
    NoWork,
    /// This input will never work; do not retry.
    Data,
    /// The graph is wrong; it should have been caught before running.
    Config,
    /// Over the memory or disk budget.
    Resources,
    /// Reading or writing failed; a retry may help.
    Io,
    /// The user stopped the run.
    Cancelled,
    /// A panic: a bug of the stage.
    Panic,
}

/// Why a stage failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StageError {
    /// What should happen next.
    pub class: ErrorClass,
    /// What failed, where, what was found.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl StageError {
    /// An error of any class.
    pub fn new(class: ErrorClass, message: impl fmt::Display) -> Self {
        Self { class, message: message.to_string(), help: None }
    }
    /// Nothing to do.
    pub fn no_work(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::NoWork, message)
    }
    /// This input will never work.
    pub fn data(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::Data, message)
    }
    /// The graph is wrong.
    pub fn config(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::Config, message)
    }
    /// Over budget.
    pub fn resources(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::Resources, message)
    }
    /// Reading or writing failed.
    pub fn io(message: impl fmt::Display) -> Self {
        Self::new(ErrorClass::Io, message)
    }
    /// The user stopped the run.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(ErrorClass::Cancelled, "cancelled")
    }
    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<crate::product::CodecError> for StageError {
    fn from(error: crate::product::CodecError) -> Self {
        match error {
            crate::product::CodecError::Io(e) => Self::io(e),
            crate::product::CodecError::Format(m) => Self::data(m),
        }
    }
}

/// What typetag does not know of a stage: crate, version, parameter schema, an example.
///
/// Made by [`register_stage!`](crate::register_stage); `stages show`, the manual and the conformance tests read it.
pub struct StageRecord {
    /// `family.verb`, equal to the typetag name.
    pub kind: &'static str,
    /// The crate that brings the stage.
    pub crate_name: &'static str,
    /// That crate's version.
    pub crate_version: &'static str,
    /// JSON schema of the parameters, with documentation, defaults, ranges and units (`x-unit`).
    pub schema: fn() -> schemars::Schema,
    /// Parameters of an example node, as RON: `(median_px: 90, linear_px: 30)`.
    pub example: &'static str,
}

inventory::collect!(StageRecord);

/// Registers a stage: `register_stage!(Nebulise, kind: "background.nebulise", example: "(median_px: 90, linear_px: 30)");`
///
/// The struct derives `serde::{Serialize, Deserialize}` with `deny_unknown_fields`, and `schemars::JsonSchema`.
#[macro_export]
macro_rules! register_stage {
    ($stage:ty, kind: $kind:literal, example: $example:expr $(,)?) => {
        $crate::inventory::submit! {
            $crate::StageRecord {
                kind: $kind,
                crate_name: env!("CARGO_PKG_NAME"),
                crate_version: env!("CARGO_PKG_VERSION"),
                schema: || $crate::schemars::schema_for!($stage),
                example: $example,
            }
        }
    };
}
