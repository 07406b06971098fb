//! `skyloom plan`

use serde_json::json;
use skyloom_engine::{Plan, PlannedVerdict};

use super::output;
use crate::args::PlanArgs;
use crate::failure::CommandFailure;
use crate::setup;
use crate::size::{show_bytes, show_seconds};

/// Says what a run would do.
pub fn run(args: &PlanArgs) -> Result<(), CommandFailure> {
    let graph = setup::graph(&args.source, None, &args.limits)?;
    let store = setup::store(&args.cache)?;
    let plan = setup::plan(graph, store, &args.selection)?;
    if args.format.json {
        return output::json(&json!({
            "graph": plan.graph().name(),
            "nodes": plan.nodes(),
            "order": plan.order(),
            "files": plan.files(),
            "expected_s": plan.expected_s(),
        }));
    }
    output::text(&show(&plan))
}

fn show(plan: &Plan) -> String {
    let rows: Vec<Vec<String>> = plan
        .nodes()
        .iter()
        .map(|node| {
            let runs = node.verdict == PlannedVerdict::Run;
            let verdict = match (runs, node.is_certain) {
                (true, true) => "run",
                (true, false) => "run?",
                (false, _) => "reuse",
            };
            let time = node.expected_s.filter(|_| runs).map_or_else(String::new, show_seconds);
            let memory = if runs { show_bytes(node.estimated_bytes) } else { String::new() };
            vec![verdict.to_owned(), node.name.clone(), node.kind.clone(), time, memory, node.reason.clone()]
        })
        .collect();
    let mut text = output::columns(
        &["", "node", "kind", "time", "memory", "because"],
        &[false, false, false, true, true, false],
        &rows,
    );
    let n_runs = plan.order().len();
    let n_unsure = plan.nodes().iter().filter(|n| n.verdict == PlannedVerdict::Run && !n.is_certain).count();
    let time = match plan.expected_s() {
        Some(s) if n_runs > 0 => format!(", about {} of work", show_seconds(s)),
        _ => String::new(),
    };
    text.push_str(&format!("\n{n_runs} to run, {} to reuse{time}\n", plan.nodes().len() - n_runs));
    if n_unsure > 0 {
        text.push_str("run? = runs unless its inputs come out the same\n");
    }
    let missing: Vec<&str> = plan.files().iter().filter(|f| !f.is_there).map(|f| f.file.as_str()).collect();
    if let (Some(out), false) = (plan.out(), missing.is_empty()) {
        text.push_str(&format!("files to place in {}: {}\n", out.display(), missing.join(", ")));
    }
    text
}
