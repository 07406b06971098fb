//! The dry run: the scheduler driven by records instead of stages.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::ledger::Ledger;
use super::why::Why;
use crate::graph::{Graph, Keep};
use crate::schedule::{Finish, Lookup, Scheduler, SchedulerNode, Task};
use crate::store::Store;

/// What the user asked for.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Folder for the files of the graph; `None` delivers nothing.
    pub out: Option<PathBuf>,
    /// Nodes that run whatever the store says.
    pub force: Vec<String>,
    /// Only what these nodes need; empty means everything.
    pub until: Vec<String>,
}

/// What would happen to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedVerdict {
    /// It runs.
    Run,
    /// It is reused.
    Reuse,
}

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedNode {
    /// Node name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// What would happen.
    pub verdict: PlannedVerdict,
    /// Whether that is sure: a node below one that runs is reused after all if its inputs come out the same.
    pub is_certain: bool,
    /// Why.
    pub reasons: Vec<Why>,
    /// The reasons as one line.
    pub reason: String,
    /// Wall time of its last run, in seconds.
    pub expected_s: Option<f64>,
    /// Peak memory by its own estimate.
    pub estimated_bytes: u64,
    /// Nodes whose products it reads.
    pub inputs: Vec<String>,
}

/// A file in the output folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedFile {
    /// File name.
    pub file: String,
    /// `node.port`.
    pub product: String,
    /// Whether it is there already, with this content.
    pub is_there: bool,
}

/// A plan cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// `--until` or `--force` names a node that is not in the graph.
    #[error("no node {name:?} in graph {graph:?}{}", nearest.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    UnknownNode {
        /// The name that was given.
        name: String,
        /// The graph.
        graph: String,
        /// The nearest node name.
        nearest: Option<String>,
    },
}

/// What a run would do, in which order, and why. Only [`Plan::new`] makes one; [`Plan::run`] carries it out.
#[derive(Debug)]
pub struct Plan {
    pub(crate) ledger: Ledger,
    pub(crate) options: PlanOptions,
    /// Nodes that the run is about.
    pub(crate) is_included: Vec<bool>,
    pub(crate) is_forced: Vec<bool>,
    /// Nodes that must be known at the end.
    pub(crate) goals: Vec<usize>,
    /// File name, node, port.
    pub(crate) deliveries: Vec<(String, usize, String)>,
    nodes: Vec<PlannedNode>,
    order: Vec<String>,
    files: Vec<PlannedFile>,
}

impl Plan {
    /// Plans a run of a checked graph against a store. Reads no pixel and changes nothing.
    ///
    /// # Errors
    /// When an option names an unknown node.
    pub fn new(graph: Arc<Graph>, store: Arc<Store>, options: PlanOptions) -> Result<Self, PlanError> {
        let until = indices(&graph, &options.until)?;
        let force = indices(&graph, &options.force)?;
        let n = graph.nodes().len();
        let mut is_forced = vec![false; n];
        for &node in &force {
            is_forced[node] = true;
        }
        let mut is_included = vec![until.is_empty(); n];
        for &node in &until {
            is_included[node] = true;
        }
        for i in (0..n).rev() {
            if is_included[i] {
                for wire in &graph.nodes()[i].inputs {
                    is_included[wire.node] = true;
                }
            }
        }
        let mut is_read = vec![false; n];
        for node in graph.nodes().iter().zip(&is_included).filter(|(_, included)| **included).map(|(node, _)| node) {
            for wire in &node.inputs {
                is_read[wire.node] = true;
            }
        }
        let deliveries: Vec<(String, usize, String)> = graph
            .outputs()
            .iter()
            .filter_map(|(file, product)| Some((file.clone(), graph.index_of(&product.node)?, product.port.clone())))
            .filter(|(_, node, _)| is_included[*node])
            .collect();
        let goals = (0..n).filter(|&i| is_included[i] && (!is_read[i] || is_forced[i] || until.contains(&i))).collect();
        let ledger = Ledger::open(graph, store, &is_forced);
        let mut plan = Self {
            ledger,
            options,
            is_included,
            is_forced,
            goals,
            deliveries,
            nodes: Vec::new(),
            order: Vec::new(),
            files: Vec::new(),
        };
        plan.simulate();
        Ok(plan)
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &Arc<Graph> {
        &self.ledger.graph
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.ledger.store
    }

    /// All nodes that the run is about, in topological order.
    #[must_use]
    pub fn nodes(&self) -> &[PlannedNode] {
        &self.nodes
    }

    /// Names of the nodes that would run, in order.
    #[must_use]
    pub fn order(&self) -> &[String] {
        &self.order
    }

    /// The files in the output folder.
    #[must_use]
    pub fn files(&self) -> &[PlannedFile] {
        &self.files
    }

    /// Folder for the files of the graph.
    #[must_use]
    pub fn out(&self) -> Option<&Path> {
        self.options.out.as_deref()
    }

    /// Sum of the expected wall times of the nodes that would run; `None` when one of them never ran.
    #[must_use]
    pub fn expected_s(&self) -> Option<f64> {
        self.nodes.iter().filter(|n| n.verdict == PlannedVerdict::Run).map(|n| n.expected_s).sum()
    }

    /// A scheduler that has been told the goals.
    pub(crate) fn scheduler(&self, budget: u64, slots: usize) -> Scheduler {
        let nodes = self.ledger.graph.nodes();
        let list = (0..nodes.len())
            .map(|i| SchedulerNode {
                inputs: nodes[i].inputs.iter().map(|w| w.node).collect(),
                bytes: nodes[i].demand.peak_bytes,
                known: self.ledger.known(i),
                is_forced: self.is_forced[i],
                stays: nodes[i].keep == Keep::Never,
            })
            .collect();
        let mut scheduler = Scheduler::new(list, budget, slots);
        for &goal in &self.goals {
            scheduler.want_digests(goal);
        }
        scheduler
    }

    /// Whether a file of this node is missing in the output folder, given what is known of its outputs.
    pub(crate) fn is_delivery_missing(&self, file: &str, node: usize, port: &str) -> bool {
        let Some(out) = &self.options.out else { return false };
        let artefact = self.ledger.entries[node].outputs.as_ref().and_then(|o| o.get(port));
        artefact.is_some_and(|a| !self.ledger.store.is_delivered(a, &out.join(file)))
    }

    fn simulate(&mut self) {
        let n = self.ledger.graph.nodes().len();
        let mut scheduler = self.scheduler(u64::MAX, 1);
        let mut runs = vec![false; n];
        let mut was_looked_up = vec![false; n];
        let mut order = Vec::new();
        let mut missing_files: Vec<bool> = vec![false; self.deliveries.len()];
        loop {
            while let Some(task) = scheduler.next_task() {
                match task {
                    Task::Lookup(node) => {
                        was_looked_up[node] = true;
                        let has_new_input = self.ledger.graph.nodes()[node].inputs.iter().any(|w| runs[w.node]);
                        let found = if has_new_input { Lookup::Miss } else { self.ledger.look_up_action(node) };
                        scheduler.looked_up(node, found);
                    }
                    Task::Run(node) => {
                        runs[node] = true;
                        order.push(node);
                        scheduler.finished(node, Finish::Done);
                    }
                }
            }
            let mut is_settled = true;
            for (d, (file, node, port)) in self.deliveries.iter().enumerate() {
                if !missing_files[d] && !runs[*node] && self.is_delivery_missing(file, *node, port) {
                    missing_files[d] = true;
                    scheduler.want_data(*node);
                    is_settled = false;
                }
            }
            if is_settled {
                break;
            }
        }
        self.files = self
            .deliveries
            .iter()
            .zip(&missing_files)
            .map(|((file, node, port), &missing)| PlannedFile {
                file: file.clone(),
                product: format!("{}.{port}", self.ledger.graph.nodes()[*node].name),
                is_there: !missing && !runs[*node],
            })
            .collect();
        self.order = order.iter().map(|&i| self.ledger.graph.nodes()[i].name.clone()).collect();
        let planned: Vec<PlannedNode> =
            (0..n).filter(|&i| self.is_included[i]).map(|i| self.planned(i, &runs, was_looked_up[i])).collect();
        self.nodes = planned;
    }

    fn planned(&self, i: usize, runs: &[bool], was_looked_up: bool) -> PlannedNode {
        let node = &self.ledger.graph.nodes()[i];
        let reasons =
            if runs[i] { self.reasons(i, &|n| runs[n]) } else { vec![self.ledger.reason_to_reuse(i, was_looked_up)] };
        let depends = node.inputs.iter().any(|w| runs[w.node] && self.ledger.entries[w.node].outputs.is_none());
        PlannedNode {
            name: node.name.clone(),
            kind: node.kind.clone(),
            verdict: if runs[i] { PlannedVerdict::Run } else { PlannedVerdict::Reuse },
            is_certain: !runs[i] || !depends || self.is_forced[i],
            reason: Why::join(&reasons),
            reasons,
            expected_s: self.ledger.expected_s(i),
            estimated_bytes: node.demand.peak_bytes,
            inputs: distinct(node.inputs.iter().map(|w| self.ledger.graph.nodes()[w.node].name.clone())),
        }
    }

    /// Why node `i` runs, given which nodes run.
    pub(crate) fn reasons(&self, i: usize, runs: &dyn Fn(usize) -> bool) -> Vec<Why> {
        let was_known = self.ledger.entries[i].record.is_some() && !self.is_forced[i];
        if !was_known {
            return self.ledger.reasons_to_run(i, self.is_forced[i], runs);
        }
        let nodes = self.ledger.graph.nodes();
        let reader = (i + 1..nodes.len()).find(|&r| runs(r) && nodes[r].inputs.iter().any(|w| w.node == i));
        let needed_by = match reader {
            Some(r) => nodes[r].name.clone(),
            None => self
                .deliveries
                .iter()
                .find(|(_, node, _)| *node == i)
                .map_or_else(|| "the output folder".to_owned(), |(file, _, _)| file.clone()),
        };
        vec![Why::ArtefactGone { needed_by }]
    }
}

fn indices(graph: &Graph, names: &[String]) -> Result<Vec<usize>, PlanError> {
    names
        .iter()
        .map(|name| {
            graph.index_of(name).ok_or_else(|| PlanError::UnknownNode {
                name: name.clone(),
                graph: graph.name().to_owned(),
                nearest: crate::nearest::nearest(name, graph.nodes().iter().map(|n| n.name.as_str()))
                    .map(str::to_owned),
            })
        })
        .collect()
}

fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for name in names {
        if !list.contains(&name) {
            list.push(name);
        }
    }
    list
}
