//! `skyloom why NODE`

use std::collections::BTreeSet;

use serde_json::json;
use skyloom_engine::{NodeReport, RunReport, Verdict, nearest};

use super::output;
use crate::args::WhyArgs;
use crate::failure::CommandFailure;
use crate::setup;

/// Says why a node ran or was reused in the last run, up to the cause.
pub fn run(args: &WhyArgs) -> Result<(), CommandFailure> {
    let store = setup::store(&args.place.cache)?;
    let report = setup::report(&args.place, &store)?;
    let Some(node) = report.node(&args.node) else {
        let near = nearest(&args.node, report.nodes.iter().map(|n| n.name.as_str()));
        let failure = CommandFailure::usage(format!("no node {:?} in the last run of {:?}", args.node, report.graph));
        return Err(match near {
            Some(near) => failure.with_help(format!("did you mean {near:?}?")),
            None => failure,
        });
    };
    if args.format.json {
        return output::json(&json!({
            "graph": report.graph, "node": node.name, "verdict": node.verdict, "reasons": node.reasons,
            "inputs": node.inputs,
            "upstream": chain(&report, node).iter().map(|n| json!({
                "node": n.name, "verdict": n.verdict, "reasons": n.reasons,
            })).collect::<Vec<_>>(),
        }));
    }
    let mut text = format!("{} {} because\n", node.name, past(node.verdict));
    let mut seen = BTreeSet::new();
    explain(&report, node, 1, &mut seen, &mut text);
    output::text(&text)
}

fn past(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ran => "ran",
        Verdict::Reused => "was reused",
        Verdict::Failed => "failed",
        Verdict::Blocked => "was blocked",
    }
}

fn explain<'a>(
    report: &'a RunReport,
    node: &'a NodeReport,
    depth: usize,
    seen: &mut BTreeSet<&'a str>,
    text: &mut String,
) {
    seen.insert(&node.name);
    let indent = "  ".repeat(depth);
    for reason in &node.reasons {
        text.push_str(&format!("{indent}{reason}\n"));
    }
    if node.verdict == Verdict::Reused {
        return;
    }
    for upstream in producers(report, node) {
        if upstream.verdict != Verdict::Reused && !seen.contains(upstream.name.as_str()) {
            text.push_str(&format!("{indent}  {} {} because\n", upstream.name, past(upstream.verdict)));
            explain(report, upstream, depth + 2, seen, text);
        }
    }
}

fn producers<'a>(report: &'a RunReport, node: &NodeReport) -> Vec<&'a NodeReport> {
    let mut list: Vec<&NodeReport> = Vec::new();
    for source in node.inputs.values().flatten() {
        let name = source.rsplit_once('.').map_or(source.as_str(), |(node, _)| node);
        if let Some(found) = report.node(name)
            && !list.iter().any(|n| n.name == found.name)
        {
            list.push(found);
        }
    }
    list
}

/// All nodes above that ran or failed, nearest first.
fn chain<'a>(report: &'a RunReport, node: &'a NodeReport) -> Vec<&'a NodeReport> {
    let mut list: Vec<&NodeReport> = Vec::new();
    let mut next = producers(report, node);
    while let Some(n) = next.first().copied() {
        next.remove(0);
        if n.verdict != Verdict::Reused && !list.iter().any(|l| l.name == n.name) {
            list.push(n);
            next.extend(producers(report, n));
        }
    }
    list
}
