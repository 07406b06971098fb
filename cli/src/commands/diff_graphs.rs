//! `skyloom diff A.ron B.ron`: two graphs as they are written, after their bases and overlays.

use indexmap::IndexMap;
use skyloom_engine::{LoadOptions, WrittenGraph, WrittenNode, load_written};

use super::diff::{NodeDiff, show};
use super::output;
use crate::args::DiffArgs;
use crate::failure::{CommandFailure, exit};

/// Compares two graph files, which need no inputs for it. Exit code 1 when they differ.
pub fn run(args: &DiffArgs) -> Result<(), CommandFailure> {
    let load = |path| {
        load_written(path, &LoadOptions::default()).map_err(|failure| CommandFailure::Graph(failure.diagnostics))
    };
    let (a, b) = (load(&args.a)?, load(&args.b)?);
    let params = changes("", &a.params, &b.params);
    let outputs = changes("", &a.outputs, &b.outputs);
    let nodes = nodes(&a, &b);
    if args.format.json {
        output::json(&serde_json::json!({ "params": params, "nodes": nodes, "outputs": outputs }))?;
    } else {
        let mut text = String::new();
        for (title, lines) in [("params", &params), ("outputs", &outputs)] {
            if !lines.is_empty() {
                text.push_str(&format!("{title}:\n"));
                lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
            }
        }
        text.push_str(&show(&nodes));
        if text.is_empty() {
            text.push_str("the same graph\n");
        }
        output::text(&text)?;
    }
    if params.is_empty() && outputs.is_empty() && nodes.is_empty() {
        Ok(())
    } else {
        Err(CommandFailure::Quiet(exit::FOUND))
    }
}

fn nodes(a: &WrittenGraph, b: &WrittenGraph) -> Vec<NodeDiff> {
    let mut list = Vec::new();
    let mut add = |node: &str, state, changes| list.push(NodeDiff { node: node.to_owned(), state, changes });
    for (name, node) in &a.nodes {
        match b.nodes.get(name) {
            None => add(name, "only in the first graph", vec![]),
            Some(other) => {
                let changes = node_changes(node, other);
                if !changes.is_empty() {
                    add(name, "changed", changes);
                }
            }
        }
    }
    for (name, node) in b.nodes.iter().filter(|(name, _)| !a.nodes.contains_key(*name)) {
        let none = WrittenNode {
            kind: node.kind.clone(),
            params: IndexMap::new(),
            inputs: IndexMap::new(),
            settings: IndexMap::new(),
        };
        let mut changes = vec![format!("kind is {}", node.kind)];
        changes.extend(node_changes(&none, node));
        add(name, "only in the second graph", changes);
    }
    list
}

fn node_changes(a: &WrittenNode, b: &WrittenNode) -> Vec<String> {
    let mut list = Vec::new();
    if a.kind != b.kind {
        list.push(format!("kind was {}, is {}", a.kind, b.kind));
    }
    list.extend(changes("params.", &a.params, &b.params));
    list.extend(changes("inputs.", &a.inputs, &b.inputs));
    list.extend(changes("", &a.settings, &b.settings));
    list
}

fn changes(prefix: &str, a: &IndexMap<String, String>, b: &IndexMap<String, String>) -> Vec<String> {
    let mut list = Vec::new();
    for (name, old) in a {
        match b.get(name) {
            Some(new) if new == old => {}
            Some(new) => list.push(format!("{prefix}{name} was {old}, is {new}")),
            None => list.push(format!("{prefix}{name} was {old}, is not set")),
        }
    }
    for (name, new) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
        list.push(format!("{prefix}{name} is {new}"));
    }
    list
}
