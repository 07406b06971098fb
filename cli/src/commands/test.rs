//! `skyloom test`

use std::sync::Arc;

use serde_json::json;
use skyloom_engine::{Interrupt, Plan, PlanOptions, RunStatus};

use super::output;
use super::run::{listen_for_ctrl_c, run_error};
use crate::args::TestArgs;
use crate::failure::{CommandFailure, exit};
use crate::setup;
use crate::size::show_seconds;

/// Runs the tests of a graph file. A test passes when every node of the changed graph succeeds.
pub fn run(args: &TestArgs) -> Result<(), CommandFailure> {
    let tests = setup::tests(&args.source, &args.limits)?;
    let store = setup::store(&args.cache)?;
    let interrupt = Interrupt::new();
    listen_for_ctrl_c(&interrupt);
    let mut results = Vec::new();
    let mut text = String::new();
    for test in tests.iter().filter(|t| args.filter.as_ref().is_none_or(|f| t.name.contains(f.as_str()))) {
        let changed = setup::graph(&args.source, Some(&test.name), &args.limits)?;
        let options = PlanOptions { out: None, ..PlanOptions::default() };
        let plan = Plan::new(changed, Arc::clone(&store), options).map_err(CommandFailure::usage)?;
        let report = plan.run(&setup::run_options(&args.limits, Vec::new(), interrupt.clone())).map_err(run_error)?;
        if report.status == RunStatus::Cancelled {
            return Err(CommandFailure::Quiet(exit::CANCELLED));
        }
        let passed = report.status == RunStatus::Succeeded;
        text.push_str(&format!(
            "{} {}  {}\n",
            if passed { "ok    " } else { "FAILED" },
            test.name,
            show_seconds(report.wall_s)
        ));
        for failure in &report.failures {
            text.push_str(&format!("         {}: {}\n", failure.node.as_deref().unwrap_or(""), failure.message));
        }
        results.push(json!({
            "test": test.name, "passed": passed, "wall_s": report.wall_s, "failures": report.failures,
        }));
    }
    let failed = results.iter().filter(|r| r["passed"] == false).count();
    if args.format.json {
        output::json(&results)?;
    } else {
        text.push_str(&format!("{} passed, {failed} failed\n", results.len() - failed));
        output::text(&text)?;
    }
    if failed > 0 { Err(CommandFailure::Quiet(exit::FOUND)) } else { Ok(()) }
}
