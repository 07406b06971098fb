//! `skyloom graph`

use std::fmt::Write as _;

use serde_json::json;
use skyloom_engine::{Plan, PlanOptions, PlannedVerdict};

use super::output;
use crate::args::{Drawing, GraphArgs, Limits};
use crate::failure::CommandFailure;
use crate::setup;

mod svg;

/// Colours of a verdict: fill and border, distinct for colour-blind readers and in grey.
const RUN: (&str, &str) = ("#fdd0a2", "#d95f0e");
const REUSE: (&str, &str) = ("#deebf7", "#3182bd");

/// What is drawn of a node.
struct Drawn {
    name: String,
    kind: String,
    runs: bool,
    inputs: Vec<(usize, String)>,
}

/// Draws a graph, coloured by what a run would do.
pub fn run(args: &GraphArgs) -> Result<(), CommandFailure> {
    let limits = Limits { threads: None, memory: None, band_rows: None };
    let graph = setup::graph(&args.source, None, &limits)?;
    let store = setup::store(&args.cache)?;
    let plan = Plan::new(graph, store, PlanOptions::default()).map_err(CommandFailure::usage)?;
    let nodes = drawn(&plan);
    let text = if args.json {
        let list: Vec<_> = nodes
            .iter()
            .map(|n| json!({
                "name": n.name, "kind": n.kind, "verdict": if n.runs { "run" } else { "reuse" },
                "inputs": n.inputs.iter().map(|(i, port)| json!({ "from": nodes[*i].name, "port": port })).collect::<Vec<_>>(),
            }))
            .collect();
        format!("{}\n", serde_json::to_string_pretty(&list).map_err(|e| CommandFailure::io(format!("JSON: {e}")))?)
    } else {
        match args.format {
            Drawing::Dot => dot(plan.graph().name(), &nodes),
            Drawing::Mermaid => mermaid(&nodes),
            Drawing::Svg => svg::draw(plan.graph().name(), &nodes),
        }
    };
    match &args.output {
        Some(path) => std::fs::write(path, text).map_err(|e| CommandFailure::io(format!("{}: {e}", path.display()))),
        None => output::text(&text),
    }
}

/// The drawing as SVG.
#[must_use]
pub fn plan_svg(plan: &Plan) -> String {
    svg::draw(plan.graph().name(), &drawn(plan))
}

fn drawn(plan: &Plan) -> Vec<Drawn> {
    plan.graph()
        .nodes()
        .iter()
        .zip(plan.nodes())
        .map(|(node, planned)| Drawn {
            name: node.name.clone(),
            kind: node.kind.clone(),
            runs: planned.verdict == PlannedVerdict::Run,
            inputs: node.inputs.iter().map(|w| (w.node, w.port.clone())).collect(),
        })
        .collect()
}

fn colours(node: &Drawn) -> (&'static str, &'static str) {
    if node.runs { RUN } else { REUSE }
}

fn dot(name: &str, nodes: &[Drawn]) -> String {
    let mut text = format!(
        "digraph {name:?} {{\n  rankdir=TB;\n  node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\"];\n"
    );
    for node in nodes {
        let (fill, line) = colours(node);
        let _ = writeln!(
            text,
            "  {:?} [label=\"{}\\n{}\", fillcolor=\"{fill}\", color=\"{line}\", tooltip=\"{}\"];",
            node.name,
            node.name,
            node.kind,
            if node.runs { "runs" } else { "reused" }
        );
    }
    for node in nodes {
        for (from, port) in &node.inputs {
            let _ = writeln!(text, "  {:?} -> {:?} [label={port:?}, fontsize=9];", nodes[*from].name, node.name);
        }
    }
    text.push_str("}\n");
    text
}

fn mermaid(nodes: &[Drawn]) -> String {
    let mut text = String::from("flowchart TB\n");
    for (i, node) in nodes.iter().enumerate() {
        let _ = writeln!(
            text,
            "  n{i}[\"{}<br/><small>{}</small>\"]:::{}",
            node.name,
            node.kind,
            if node.runs { "run" } else { "reuse" }
        );
    }
    for (i, node) in nodes.iter().enumerate() {
        for (from, port) in &node.inputs {
            let _ = writeln!(text, "  n{from} -->|{port}| n{i}");
        }
    }
    for (class, (fill, line)) in [("run", RUN), ("reuse", REUSE)] {
        let _ = writeln!(text, "  classDef {class} fill:{fill},stroke:{line},color:#000");
    }
    text
}
