//! `skyloom diff A B`: two runs, or two graph files.

use serde::Serialize;
use skyloom_engine::{NodeReport, ReportedValue, RunReport};

use super::{diff_graphs, output};
use crate::args::DiffArgs;
use crate::failure::{CommandFailure, exit};
use crate::setup;
use crate::size::show_seconds;

/// How one node differs between two runs or graphs.
#[derive(Debug, Serialize)]
pub(super) struct NodeDiff {
    pub(super) node: String,
    /// `only in the first ..`, `only in the second ..`, `changed`.
    pub(super) state: &'static str,
    /// One line per difference.
    pub(super) changes: Vec<String>,
}

/// One paragraph per node.
pub(super) fn show(nodes: &[NodeDiff]) -> String {
    let mut text = String::new();
    for node in nodes {
        text.push_str(&format!("{}: {}\n", node.node, node.state));
        for change in &node.changes {
            text.push_str(&format!("  {change}\n"));
        }
    }
    text
}

/// Compares two reports: parameters, versions, outputs. Exit code 1 when they differ, as `diff` does.
pub fn run(args: &DiffArgs) -> Result<(), CommandFailure> {
    if [&args.a, &args.b].iter().all(|path| path.extension().is_some_and(|e| e == "ron")) {
        return diff_graphs::run(args);
    }
    let (a, b) = (setup::read_report(&args.a)?, setup::read_report(&args.b)?);
    let nodes = compare(&a, &b);
    if args.format.json {
        output::json(&serde_json::json!({ "nodes": nodes, "wall_s": [a.wall_s, b.wall_s] }))?;
    } else {
        let mut text = show(&nodes);
        if nodes.is_empty() {
            text.push_str("same parameters, same products\n");
        }
        text.push_str(&format!("wall time {} and {}\n", show_seconds(a.wall_s), show_seconds(b.wall_s)));
        output::text(&text)?;
    }
    if nodes.is_empty() { Ok(()) } else { Err(CommandFailure::Quiet(exit::FOUND)) }
}

fn compare(a: &RunReport, b: &RunReport) -> Vec<NodeDiff> {
    let mut list = Vec::new();
    for node in &a.nodes {
        match b.node(&node.name) {
            None => list.push(NodeDiff { node: node.name.clone(), state: "only in the first run", changes: vec![] }),
            Some(other) => {
                let changes = node_changes(node, other);
                if !changes.is_empty() {
                    list.push(NodeDiff { node: node.name.clone(), state: "changed", changes });
                }
            }
        }
    }
    for node in b.nodes.iter().filter(|n| a.node(&n.name).is_none()) {
        list.push(NodeDiff { node: node.name.clone(), state: "only in the second run", changes: vec![] });
    }
    list
}

fn node_changes(a: &NodeReport, b: &NodeReport) -> Vec<String> {
    let mut changes = Vec::new();
    if a.kind != b.kind {
        changes.push(format!("kind was {}, is {}", a.kind, b.kind));
    }
    if a.version != b.version {
        changes.push(format!("version was {}, is {}", a.version, b.version));
    }
    let text = |v: Option<&ReportedValue>| v.map_or_else(|| "not set".to_owned(), |v| v.value.clone());
    for name in a.params.keys().chain(b.params.keys().filter(|k| !a.params.contains_key(*k))) {
        let (old, new) = (text(a.params.get(name)), text(b.params.get(name)));
        if old != new {
            changes.push(format!("params.{name} was {old}, is {new}"));
        }
    }
    if a.inputs != b.inputs {
        changes.push("its inputs are wired differently".to_owned());
    }
    for (port, digest) in &a.outputs {
        match b.outputs.get(port) {
            Some(other) if other != digest => {
                changes.push(format!("output {port} was {}, is {}", digest.short(), other.short()));
            }
            Some(_) => {}
            None => changes.push(format!("output {port} is not known in the second run")),
        }
    }
    for port in b.outputs.keys().filter(|p| !a.outputs.contains_key(*p)) {
        changes.push(format!("output {port} is not known in the first run"));
    }
    changes
}
