//! The vocabulary of the scheduler.

/// What the scheduler must know of a node.
#[derive(Debug, Clone, Default)]
pub struct SchedulerNode {
    /// Producers of its inputs, by index; a producer may be listed twice.
    pub inputs: Vec<usize>,
    /// Peak bytes while it runs.
    pub bytes: u64,
    /// What the recipe key found before anything ran.
    pub known: Lookup,
    /// Runs whatever the store says.
    pub is_forced: bool,
    /// Its products are in memory only: they stay there until their last reader has run.
    pub stays: bool,
}

/// What the store says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lookup {
    /// No record.
    #[default]
    Miss,
    /// A record: the content digests of the outputs are known.
    Hit {
        /// Whether all artefacts are there to be read.
        is_available: bool,
    },
}

/// What the executor should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The content of all inputs is known: look the action key up and answer with [`Scheduler::looked_up`](super::Scheduler::looked_up).
    Lookup(usize),
    /// Run the node and answer with [`Scheduler::finished`](super::Scheduler::finished).
    Run(usize),
}

/// How a run of a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// All outputs exist.
    Done,
    /// It failed: what needs it is blocked.
    Failed,
    /// There was nothing to do: what needs it is pruned, which is no failure.
    NoWork,
    /// It was stopped by the user.
    Cancelled,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has asked for it.
    Idle,
    /// Waits until the content of all its inputs is known.
    WaitsForDigests,
    /// Ready to be looked up.
    ReadyToLookUp,
    /// Being looked up.
    LookingUp,
    /// Must run; waits until all inputs can be read.
    WaitsForData,
    /// Ready to run.
    ReadyToRun,
    /// Running.
    Running,
    /// Its outputs are known from a record.
    Reused,
    /// It ran.
    Ran,
    /// It failed.
    Failed,
    /// It had nothing to do.
    NoWork,
    /// It was stopped.
    Cancelled,
    /// Something that it needs failed or was stopped.
    Blocked {
        /// The node that failed.
        by: usize,
    },
    /// Something that it needs had nothing to do.
    Pruned {
        /// The node that had nothing to do.
        by: usize,
    },
}

impl Phase {
    /// Whether the node's outputs are known.
    #[must_use]
    pub fn is_known(self) -> bool {
        matches!(self, Self::Reused | Self::Ran)
    }

    /// Whether the node will never have outputs in this run.
    #[must_use]
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Failed | Self::NoWork | Self::Cancelled | Self::Blocked { .. } | Self::Pruned { .. })
    }

    /// Whether the node still has something to do.
    #[must_use]
    pub fn is_active(self) -> bool {
        !self.is_known() && !self.is_lost() && self != Self::Idle
    }
}
