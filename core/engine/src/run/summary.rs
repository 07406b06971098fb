//! From the books of a run to its report.

use indexmap::IndexMap;

use super::coordinator::Run;
use super::worker::Usage;
use crate::digest::Digest;
use crate::plan::Why;
use crate::report::{Failure, NodeReport, RunReport, Verdict, reported_all, resolved_graph};
use crate::schedule::Phase;
use crate::stage::{ErrorClass, StageError};

/// What the executor notes of a node.
#[derive(Debug, Default)]
pub(super) struct NodeNotes {
    pub(super) reasons: Vec<Why>,
    pub(super) usage: Usage,
    pub(super) warnings: Vec<String>,
    pub(super) metrics: Vec<(String, f64)>,
    pub(super) logs: Vec<std::path::PathBuf>,
    pub(super) has_run: bool,
    pub(super) was_looked_up: bool,
    pub(super) error: Option<StageError>,
}

impl Run<'_> {
    /// The report, once nothing runs any more.
    pub(super) fn report(&mut self, wall_s: f64, cpu_s: f64, started_unix_s: u64) -> RunReport {
        let graph = std::sync::Arc::clone(&self.plan.ledger.graph);
        let mut failures: Vec<Failure> = Vec::new();
        for (node, notes) in graph.nodes().iter().zip(&self.notes) {
            if let Some(StageError { class, message, help }) =
                notes.error.as_ref().filter(|e| e.class != ErrorClass::NoWork)
            {
                failures.push(Failure {
                    node: Some(node.name.clone()),
                    class: *class,
                    message: message.clone(),
                    help: help.clone(),
                });
            }
        }
        let status = self.status();
        failures.append(&mut self.failures);
        let included = (0..graph.nodes().len()).filter(|&i| self.plan.is_included[i]);
        RunReport {
            schema: 1,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            graph: graph.name().to_owned(),
            graph_file: graph.file().to_path_buf(),
            started_unix_s,
            status,
            wall_s,
            cpu_s,
            peak_bytes: self.peak_bytes,
            threads: self.options.threads.get(),
            memory_budget: self.options.memory_budget,
            nodes: included.map(|i| self.node_report(i)).collect(),
            files: std::mem::take(&mut self.files),
            failures,
            warnings: std::mem::take(&mut self.warnings),
            params: reported_all(graph.params()),
            sources: graph.sources().iter().map(|p| (p.clone(), Digest::of_file(p).ok())).collect(),
            resolved_graph: resolved_graph(&graph),
        }
    }

    fn node_report(&self, i: usize) -> NodeReport {
        let node = &self.plan.ledger.graph.nodes()[i];
        let entry = &self.plan.ledger.entries[i];
        let notes = &self.notes[i];
        let (verdict, reasons) = self.verdict(i);
        let (usage, warnings, metrics) = match (&entry.record, notes.has_run || notes.error.is_some()) {
            (Some(record), false) => (
                Usage { peak_bytes: record.peak_bytes, was_alone: record.was_alone, ..Usage::default() },
                record.warnings.clone(),
                record.metrics.clone(),
            ),
            _ => (notes.usage, notes.warnings.clone(), notes.metrics.clone()),
        };
        let mut inputs: IndexMap<String, Vec<String>> = IndexMap::new();
        for wire in &node.inputs {
            let source = format!("{}.{}", self.plan.ledger.graph.nodes()[wire.node].name, wire.output);
            inputs.entry(wire.port.clone()).or_default().push(source);
        }
        let outputs = entry.outputs.as_ref().filter(|_| matches!(verdict, Verdict::Ran | Verdict::Reused));
        NodeReport {
            name: node.name.clone(),
            kind: node.kind.clone(),
            label: node.label.clone(),
            verdict,
            reason: reasons.join("; "),
            reasons,
            inputs,
            wall_s: usage.wall_s,
            cpu_s: usage.cpu_s,
            peak_bytes: usage.peak_bytes,
            estimated_bytes: node.demand.peak_bytes,
            was_alone: usage.was_alone,
            outputs: outputs.iter().flat_map(|o| o.iter()).map(|(port, a)| (port.clone(), a.digest)).collect(),
            output_bytes: outputs.iter().flat_map(|o| o.iter()).map(|(port, a)| (port.clone(), a.bytes)).collect(),
            warnings,
            metrics,
            logs: notes.logs.clone(),
            version: node.stage.version(),
            provider: node.provider.clone(),
            recipe: entry.recipe.map(|k| k.digest()),
            action: entry.action.map(|k| k.digest()),
            params: reported_all(node.params.iter().map(|(n, v)| (n, v))),
        }
    }

    fn verdict(&self, i: usize) -> (Verdict, Vec<String>) {
        let notes = &self.notes[i];
        let name = |n: usize| self.plan.ledger.graph.nodes()[n].name.clone();
        match self.scheduler.phase(i) {
            Phase::Ran => (Verdict::Ran, notes.reasons.iter().map(Why::text).collect()),
            Phase::NoWork => {
                let message = notes.error.as_ref().map_or_else(String::new, |e| format!(": {}", e.message));
                (Verdict::Ran, vec![format!("nothing to do{message}")])
            }
            Phase::Failed | Phase::Cancelled => {
                (Verdict::Failed, vec![notes.error.as_ref().map_or_else(String::new, |e| e.message.clone())])
            }
            Phase::Blocked { by } => (Verdict::Blocked, vec![format!("{} failed", name(by))]),
            Phase::Pruned { by } => (Verdict::Blocked, vec![format!("{} had nothing to do", name(by))]),
            Phase::Reused => (Verdict::Reused, vec![self.plan.ledger.reason_to_reuse(i, notes.was_looked_up).text()]),
            Phase::Idle if !self.is_cut_short(i) => {
                (Verdict::Reused, vec![self.plan.ledger.reason_to_reuse(i, false).text()])
            }
            _ => (Verdict::Blocked, vec!["the run was stopped before".to_owned()]),
        }
    }

    /// Whether an idle node is idle because the run was stopped, not because nothing needs it.
    fn is_cut_short(&self, i: usize) -> bool {
        self.options.interrupt.is_asked() && self.plan.ledger.entries[i].record.is_none()
    }
}
