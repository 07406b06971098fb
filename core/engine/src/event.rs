//! The one stream of events that feeds progress bars, JSON lines, the run report and the tests.

use serde::Serialize;

use crate::report::{RunStatus, Verdict};

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run starts.
    RunStarted {
        /// Graph name.
        graph: String,
        /// Nodes that the run is about.
        nodes: usize,
        /// Threads for work inside stages.
        threads: usize,
        /// Memory budget in bytes.
        memory_budget: u64,
    },
    /// A node starts.
    NodeStarted {
        /// Node name.
        node: String,
        /// Its kind.
        kind: String,
        /// Wall time of its last run, in seconds.
        expected_s: Option<f64>,
    },
    /// A node counts what it has done.
    NodeProgress {
        /// Node name.
        node: String,
        /// What is counted.
        unit: String,
        /// So many are done.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// A node tells the user something.
    NodeWarning {
        /// Node name.
        node: String,
        /// The message.
        message: String,
    },
    /// A node is finished, was reused, failed or is blocked.
    NodeFinished {
        /// Node name.
        node: String,
        /// How it ended.
        verdict: Verdict,
        /// Why.
        reason: String,
        /// Wall time in seconds; 0 unless it ran.
        wall_s: f64,
    },
    /// The engine tells the user something that is not about one node alone.
    EngineWarning {
        /// The message.
        message: String,
    },
    /// A file is in the output folder.
    FileDelivered {
        /// File name in the output folder.
        file: String,
        /// Whether it had to be written.
        is_new: bool,
    },
    /// The run ended.
    RunFinished {
        /// How.
        status: RunStatus,
        /// Nodes that ran.
        ran: usize,
        /// Nodes that were reused.
        reused: usize,
        /// Nodes that failed.
        failed: usize,
        /// Nodes that were blocked.
        blocked: usize,
        /// Wall time in seconds.
        wall_s: f64,
    },
}

/// Receives events, from several threads.
pub trait Observer: Send + Sync {
    /// Something happened. Must return quickly: stages wait for it.
    fn event(&self, event: &Event);
}
