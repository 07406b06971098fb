//! The run report: what happened to every node, why, and all that is needed to do it again.

mod resolved;

use std::collections::BTreeMap;
use std::path::PathBuf;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::stage::ErrorClass;

pub(crate) use resolved::reported_all;
pub use resolved::resolved_graph;

/// What happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It ran.
    Ran,
    /// What it makes was known already.
    Reused,
    /// It failed.
    Failed,
    /// Something that it needs failed, was stopped or had nothing to do.
    Blocked,
}

impl Verdict {
    /// The word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Reused => "reused",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Every node ran or was reused, and every file is in place.
    Succeeded,
    /// A node failed, or a file could not be written.
    Failed,
    /// The user stopped it.
    Cancelled,
}

/// A failure of a node, or of the run itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The node; `None` when a file could not be delivered.
    pub node: Option<String>,
    /// What should happen next.
    pub class: ErrorClass,
    /// What failed and why.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// One node in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Node name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Label of the user.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    /// What happened.
    pub verdict: Verdict,
    /// Why, in one line.
    pub reason: String,
    /// Why, part by part.
    pub reasons: Vec<String>,
    /// Nodes whose products it reads: port to `node.port` list.
    pub inputs: IndexMap<String, Vec<String>>,
    /// Wall time of this run in seconds; 0 unless it ran.
    pub wall_s: f64,
    /// CPU time of this run in seconds; exact when it ran alone, else that of its own thread.
    pub cpu_s: f64,
    /// Most bytes while it ran, its inputs included; exact when it ran alone.
    pub peak_bytes: u64,
    /// What `estimate` said.
    pub estimated_bytes: u64,
    /// Whether no other node ran meanwhile.
    pub was_alone: bool,
    /// Content digest per output port.
    pub outputs: BTreeMap<String, Digest>,
    /// Artefact size per output port, in bytes.
    pub output_bytes: BTreeMap<String, u64>,
    /// What it told the user; repeated when it is reused.
    pub warnings: Vec<String>,
    /// Named numbers.
    pub metrics: Vec<(String, f64)>,
    /// Files with what it printed, where it is a program that prints; of this run alone.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub logs: Vec<PathBuf>,
    /// Version of the stage.
    pub version: u32,
    /// Crate or program that brings it.
    pub provider: String,
    /// Recipe key; `None` when the node cannot be cached.
    pub recipe: Option<Digest>,
    /// Action key, where it was needed.
    pub action: Option<Digest>,
    /// Every parameter with its value as RON and where it was written.
    pub params: IndexMap<String, ReportedValue>,
}

/// A value and where it came from, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedValue {
    /// RON.
    pub value: String,
    /// `graphs/quicklook.ron:12:20`, `--set`, `default`.
    pub origin: String,
}

/// A file in the output folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredFile {
    /// File name.
    pub file: String,
    /// `node.port`.
    pub product: String,
    /// Content digest.
    pub digest: Digest,
    /// Bytes.
    pub bytes: u64,
    /// Whether this run wrote it.
    pub is_new: bool,
}

/// What happened in one run. `run.json` is this struct.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of this layout.
    pub schema: u32,
    /// Version of the engine.
    pub engine: String,
    /// Graph name.
    pub graph: String,
    /// Graph file.
    pub graph_file: PathBuf,
    /// Unix time of the start, in seconds.
    pub started_unix_s: u64,
    /// How it ended.
    pub status: RunStatus,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// CPU time of the process in seconds.
    pub cpu_s: f64,
    /// Most bytes that the process had allocated at once during the run.
    pub peak_bytes: u64,
    /// Threads for work inside stages.
    pub threads: usize,
    /// Memory budget in bytes.
    pub memory_budget: u64,
    /// Nodes in topological order.
    pub nodes: Vec<NodeReport>,
    /// Files in the output folder.
    pub files: Vec<DeliveredFile>,
    /// What failed.
    pub failures: Vec<Failure>,
    /// Warnings of the engine itself.
    pub warnings: Vec<String>,
    /// Graph parameters with origin.
    pub params: IndexMap<String, ReportedValue>,
    /// Graph files that were read, with the digest of their text.
    pub sources: Vec<(PathBuf, Option<Digest>)>,
    /// The graph with every value filled in, as RON: running it repeats this run.
    pub resolved_graph: String,
}

impl RunReport {
    /// The report of a node.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeReport> {
        self.nodes.iter().find(|n| n.name == name)
    }

    /// Names of the nodes with a verdict, in order.
    #[must_use]
    pub fn with_verdict(&self, verdict: Verdict) -> Vec<&str> {
        self.nodes.iter().filter(|n| n.verdict == verdict).map(|n| n.name.as_str()).collect()
    }
}
