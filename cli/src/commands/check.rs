//! `skyloom check`

use serde_json::json;

use super::output;
use crate::args::CheckArgs;
use crate::failure::{CommandFailure, exit};
use crate::setup;

/// Checks a graph and says that it is fine, or reports all problems.
pub fn run(args: &CheckArgs) -> Result<(), CommandFailure> {
    match setup::graph(&args.source, None, &args.limits) {
        Ok(graph) if args.format.json => output::json(&json!({
            "graph": graph.name(), "nodes": graph.nodes().len(), "outputs": graph.outputs().keys().collect::<Vec<_>>(), "problems": []
        })),
        Ok(graph) => output::text(&format!(
            "{}: {} nodes, {} outputs, no problems\n",
            graph.name(),
            graph.nodes().len(),
            graph.outputs().len()
        )),
        Err(CommandFailure::Graph(list)) if args.format.json => {
            output::json(&json!({ "problems": list }))?;
            Err(CommandFailure::Quiet(exit::GRAPH))
        }
        Err(other) => Err(other),
    }
}
