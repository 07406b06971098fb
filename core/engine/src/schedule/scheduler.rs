//! The state machine.
//!
//! Work is pulled, not pushed: a goal asks for the *digests* of a node (is it known what comes out?) or for its *data*
//! (can it be read?). A node whose recipe is on record asks for nothing above it; so deleted intermediates are rebuilt
//! only when a node that must run reads them.

use std::collections::BTreeSet;

use super::crowding::crowds;
use super::lineage::Lineage;
use super::state::{Finish, Lookup, Phase, SchedulerNode, Task};

/// See the module documentation. All methods cost at most the node's number of wires, but for [`Scheduler::next_task`],
/// which passes over ready nodes that do not fit in memory.
#[derive(Debug)]
pub struct Scheduler {
    nodes: Vec<State>,
    lineage: Lineage,
    budget: u64,
    slots: usize,
    running: usize,
    running_bytes: u64,
    held_bytes: u64,
    to_look_up: BTreeSet<usize>,
    to_run: BTreeSet<usize>,
    is_draining: bool,
    /// Asked-for work that is settled before the call returns: an explicit stack, since chains can be 10,000 long.
    stack: Vec<Ask>,
}

#[derive(Debug)]
pub(super) struct State {
    inputs: Vec<usize>,
    pub(super) bytes: u64,
    known: Lookup,
    is_forced: bool,
    pub(super) stays: bool,
    /// Bytes of its products that cannot be dropped.
    pub(super) kept_bytes: u64,
    pub(super) phase: Phase,
    is_available: bool,
    wants_data: bool,
    missing: usize,
    waits_for_digest: Vec<usize>,
    waits_for_data: Vec<usize>,
    active_readers: usize,
}

#[derive(Debug, Clone, Copy)]
enum Ask {
    Digests(usize),
    Data(usize),
    Known(usize),
    Available(usize),
    Lost(usize),
}

impl Scheduler {
    /// A scheduler over nodes, with a memory budget in bytes and a number of nodes that may run at once.
    #[must_use]
    pub fn new(nodes: Vec<SchedulerNode>, budget: u64, slots: usize) -> Self {
        let nodes: Vec<State> = nodes
            .into_iter()
            .map(|node| {
                let mut inputs = node.inputs;
                inputs.sort_unstable();
                inputs.dedup();
                State {
                    inputs,
                    bytes: node.bytes,
                    known: node.known,
                    is_forced: node.is_forced,
                    stays: node.stays,
                    kept_bytes: 0,
                    phase: Phase::Idle,
                    is_available: matches!(node.known, Lookup::Hit { is_available: true }),
                    wants_data: false,
                    missing: 0,
                    waits_for_digest: Vec::new(),
                    waits_for_data: Vec::new(),
                    active_readers: 0,
                }
            })
            .collect();
        let lineage = if nodes.iter().any(|n| n.stays) {
            Lineage::new(nodes.iter().map(|n| &n.inputs[..]))
        } else {
            Lineage::default()
        };
        Self {
            nodes,
            lineage,
            budget,
            slots: slots.max(1),
            running: 0,
            running_bytes: 0,
            held_bytes: 0,
            to_look_up: BTreeSet::new(),
            to_run: BTreeSet::new(),
            is_draining: false,
            stack: Vec::new(),
        }
    }

    /// Asks that the outputs of a node be known.
    pub fn want_digests(&mut self, node: usize) {
        self.stack.push(Ask::Digests(node));
        self.settle();
    }

    /// Asks that the outputs of a node can be read.
    pub fn want_data(&mut self, node: usize) {
        self.stack.push(Ask::Data(node));
        self.settle();
    }

    /// The next thing to do; `None` when everything waits for something that is under way, or all is done.
    pub fn next_task(&mut self) -> Option<Task> {
        if self.is_draining {
            return None;
        }
        if let Some(node) = self.to_look_up.pop_first() {
            self.nodes[node].phase = Phase::LookingUp;
            return Some(Task::Lookup(node));
        }
        if self.running >= self.slots {
            return None;
        }
        let free = self.budget.saturating_sub(self.running_bytes + self.held_bytes);
        // A node that runs alone is always admitted: the loader has refused what can never fit, and products that
        // are held in memory can be dropped and read again.
        let alone = self.running == 0;
        let node = loop {
            let fits = |&&n: &&usize| alone || self.nodes[n].bytes <= free;
            // A node whose products stay waits until nobody who is to come would lack their room.
            let first = self.to_run.iter().filter(fits).find(|&&n| !crowds(&self.nodes, &self.lineage, self.budget, n));
            // Where nothing else can be done, one that reads such products lets them go.
            let lets_go = |n: usize| self.nodes[n].inputs.iter().any(|&i| self.nodes[i].stays);
            let least = || self.to_run.iter().filter(|_| alone).min_by_key(|&&n| !lets_go(n));
            let node = *first.or_else(least)?;
            self.to_run.remove(&node);
            // An input may have been lost since the node became ready.
            let is_ready =
                self.nodes[node].inputs.iter().all(|&i| self.nodes[i].phase.is_known() && self.nodes[i].is_available);
            if is_ready {
                break node;
            }
            self.must_run(node);
            self.settle();
        };
        self.nodes[node].phase = Phase::Running;
        self.running += 1;
        self.running_bytes += self.nodes[node].bytes;
        Some(Task::Run(node))
    }

    /// Answers [`Task::Lookup`].
    pub fn looked_up(&mut self, node: usize, found: Lookup) {
        debug_assert_eq!(self.nodes[node].phase, Phase::LookingUp);
        match found {
            Lookup::Hit { is_available } => {
                self.nodes[node].is_available = is_available;
                self.become_known(node, Phase::Reused);
            }
            Lookup::Miss => self.must_run(node),
        }
        self.settle();
    }

    /// Answers [`Task::Run`].
    pub fn finished(&mut self, node: usize, how: Finish) {
        debug_assert_eq!(self.nodes[node].phase, Phase::Running);
        self.stop_running(node);
        match how {
            Finish::Done => {
                self.nodes[node].is_available = true;
                self.become_known(node, Phase::Ran);
            }
            Finish::Failed => self.become_lost(node, Phase::Failed),
            Finish::NoWork => self.become_lost(node, Phase::NoWork),
            Finish::Cancelled => self.become_lost(node, Phase::Cancelled),
        }
        self.settle();
    }

    /// Answers [`Task::Run`] when artefacts of `producers` turned out to be missing or damaged: they are made again,
    /// then the node runs.
    pub fn lost_inputs(&mut self, node: usize, producers: &[usize]) {
        debug_assert_eq!(self.nodes[node].phase, Phase::Running);
        self.stop_running(node);
        for &producer in producers {
            self.nodes[producer].is_available = false;
        }
        self.must_run(node);
        self.settle();
    }

    /// An artefact of a known node turned out to be missing or damaged; it is made again when somebody wants it.
    pub fn lost(&mut self, node: usize) {
        self.nodes[node].is_available = false;
    }

    /// Starts nothing new; what runs may finish.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Whether nothing runs and nothing can start.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.running == 0 && (self.is_draining || (self.to_look_up.is_empty() && self.to_run.is_empty()))
    }

    /// Nodes that run now.
    #[must_use]
    pub fn n_running(&self) -> usize {
        self.running
    }

    /// Where a node stands.
    #[must_use]
    pub fn phase(&self, node: usize) -> Phase {
        self.nodes[node].phase
    }

    /// Whether a node that still has something to do reads this one.
    #[must_use]
    pub fn is_awaited(&self, node: usize) -> bool {
        self.nodes[node].active_readers > 0
    }

    /// Tells how many bytes of finished products are kept in memory.
    pub fn set_held_bytes(&mut self, bytes: u64) {
        self.held_bytes = bytes;
    }

    /// Tells how many bytes the products of a node that stays occupy.
    pub fn set_kept_bytes(&mut self, node: usize, bytes: u64) {
        self.nodes[node].kept_bytes = bytes;
    }

    /// Sum of the demands of running nodes.
    #[must_use]
    pub fn running_bytes(&self) -> u64 {
        self.running_bytes
    }

    fn stop_running(&mut self, node: usize) {
        self.running -= 1;
        self.running_bytes -= self.nodes[node].bytes;
    }

    fn settle(&mut self) {
        while let Some(ask) = self.stack.pop() {
            match ask {
                Ask::Digests(node) => self.ask_digests(node),
                Ask::Data(node) => self.ask_data(node),
                Ask::Known(node) => self.tell_known(node),
                Ask::Available(node) => self.tell_available(node),
                Ask::Lost(node) => self.tell_lost(node),
            }
        }
    }

    fn ask_digests(&mut self, node: usize) {
        if self.nodes[node].phase != Phase::Idle {
            return;
        }
        if self.nodes[node].is_forced {
            self.activate(node);
            self.must_run(node);
        } else if matches!(self.nodes[node].known, Lookup::Hit { .. }) {
            self.activate(node);
            self.become_known(node, Phase::Reused);
        } else {
            self.activate(node);
            self.wait_for_digests(node);
        }
    }

    fn ask_data(&mut self, node: usize) {
        self.nodes[node].wants_data = true;
        match self.nodes[node].phase {
            Phase::Idle => self.ask_digests(node),
            phase if phase.is_known() && !self.nodes[node].is_available => {
                self.activate(node);
                self.must_run(node);
            }
            _ => {}
        }
    }

    /// From idle or known to active: its inputs gain a reader.
    fn activate(&mut self, node: usize) {
        for i in 0..self.nodes[node].inputs.len() {
            let input = self.nodes[node].inputs[i];
            self.nodes[input].active_readers += 1;
        }
    }

    fn deactivate(&mut self, node: usize) {
        for i in 0..self.nodes[node].inputs.len() {
            let input = self.nodes[node].inputs[i];
            self.nodes[input].active_readers -= 1;
        }
    }

    fn wait_for_digests(&mut self, node: usize) {
        self.nodes[node].phase = Phase::WaitsForDigests;
        self.nodes[node].missing = 0;
        for i in 0..self.nodes[node].inputs.len() {
            let input = self.nodes[node].inputs[i];
            let phase = self.nodes[input].phase;
            if phase.is_lost() {
                self.block(node, input);
                return;
            }
            if !phase.is_known() {
                self.nodes[node].missing += 1;
                self.nodes[input].waits_for_digest.push(node);
                self.stack.push(Ask::Digests(input));
            }
        }
        if self.nodes[node].missing == 0 {
            self.nodes[node].phase = Phase::ReadyToLookUp;
            self.to_look_up.insert(node);
        }
    }

    fn must_run(&mut self, node: usize) {
        self.nodes[node].phase = Phase::WaitsForData;
        self.nodes[node].missing = 0;
        for i in 0..self.nodes[node].inputs.len() {
            let input = self.nodes[node].inputs[i];
            if self.nodes[input].phase.is_lost() {
                self.block(node, input);
                return;
            }
            if !(self.nodes[input].phase.is_known() && self.nodes[input].is_available) {
                self.nodes[node].missing += 1;
                self.nodes[input].waits_for_data.push(node);
                self.stack.push(Ask::Data(input));
            }
        }
        if self.nodes[node].missing == 0 {
            self.nodes[node].phase = Phase::ReadyToRun;
            self.to_run.insert(node);
        }
    }

    fn become_known(&mut self, node: usize, phase: Phase) {
        self.nodes[node].phase = phase;
        self.deactivate(node);
        self.stack.push(Ask::Known(node));
        if self.nodes[node].is_available {
            self.stack.push(Ask::Available(node));
        } else if self.nodes[node].wants_data || !self.nodes[node].waits_for_data.is_empty() {
            self.stack.push(Ask::Data(node));
        }
    }

    fn become_lost(&mut self, node: usize, phase: Phase) {
        self.nodes[node].phase = phase;
        self.deactivate(node);
        self.stack.push(Ask::Lost(node));
    }

    fn block(&mut self, node: usize, by: usize) {
        let phase = match self.nodes[by].phase {
            Phase::NoWork => Phase::Pruned { by },
            Phase::Pruned { by } => Phase::Pruned { by },
            Phase::Blocked { by } => Phase::Blocked { by },
            _ => Phase::Blocked { by },
        };
        self.become_lost(node, phase);
    }

    fn tell_known(&mut self, node: usize) {
        if !self.nodes[node].phase.is_known() {
            return;
        }
        for reader in std::mem::take(&mut self.nodes[node].waits_for_digest) {
            if self.nodes[reader].phase != Phase::WaitsForDigests {
                continue;
            }
            self.nodes[reader].missing -= 1;
            if self.nodes[reader].missing == 0 {
                self.nodes[reader].phase = Phase::ReadyToLookUp;
                self.to_look_up.insert(reader);
            }
        }
    }

    fn tell_available(&mut self, node: usize) {
        for reader in std::mem::take(&mut self.nodes[node].waits_for_data) {
            if self.nodes[reader].phase != Phase::WaitsForData {
                continue;
            }
            self.nodes[reader].missing -= 1;
            if self.nodes[reader].missing == 0 {
                self.nodes[reader].phase = Phase::ReadyToRun;
                self.to_run.insert(reader);
            }
        }
    }

    fn tell_lost(&mut self, node: usize) {
        let mut readers = std::mem::take(&mut self.nodes[node].waits_for_digest);
        readers.append(&mut self.nodes[node].waits_for_data);
        for reader in readers {
            if matches!(self.nodes[reader].phase, Phase::WaitsForDigests | Phase::WaitsForData) {
                self.block(reader, node);
            }
        }
    }
}
