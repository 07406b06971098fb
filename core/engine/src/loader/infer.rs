//! What is known of every product before it exists, and whether every node fits into memory.

use indexmap::IndexMap;

use super::build::{Built, guarded, report_problem};
use super::finding::Findings;
use super::instance::Instance;
use super::source::{Place, Sources};
use super::wiring::Feed;
use crate::facet::{Facets, FacetsOut};
use crate::problem::Problems;
use crate::stage::Demand;

/// What inference says of one node.
#[derive(Debug, Default, Clone)]
pub(crate) struct Inferred {
    pub(crate) facets: FacetsOut,
    pub(crate) demand: Demand,
}

/// Asks every node without a problem of its own, in topological order. What comes from a node with a problem is unknown,
/// and unknown is never wrong: so a rule that names a missing column is found in the same go as a mistake far above it,
/// and no consequence of that mistake is.
pub(crate) fn infer(
    order: &[usize],
    instances: &[Instance<'_>],
    built: &[Built],
    feeds: &[Vec<Feed>],
    clean: &[bool],
    memory_budget: Option<u64>,
    sources: &Sources,
    findings: &mut Findings,
) -> Vec<Inferred> {
    let mut inferred = vec![Inferred::default(); instances.len()];
    for &index in order {
        let Some(stage) = built[index].stage.as_ref().filter(|_| clean[index]) else { continue };
        let instance = &instances[index];
        let subject = instance.subject.as_str();
        let mut inputs = Facets::new();
        let mut places: IndexMap<&str, Place> = IndexMap::new();
        for feed in &feeds[index] {
            let source = format!("{}.{}", instances[feed.producer].name, feed.output);
            inputs.add(&feed.port, &source, inferred[feed.producer].facets.get(&feed.output));
            places.entry(&feed.port).or_insert(feed.place);
        }
        let before = findings.len();
        let mut outputs = FacetsOut::new();
        let mut problems = Problems::new();
        let place = instance.entry.place;
        guarded(|| stage.infer(&inputs, &mut outputs, &mut problems), place, subject, findings);
        for problem in problems.into_list() {
            report_problem(problem, &built[index].given, &places, place, subject, sources, findings);
        }
        if findings.len() > before {
            continue;
        }
        let demand = guarded(|| stage.estimate(&inputs), place, subject, findings).unwrap_or_default();
        if let Some(budget) = memory_budget.filter(|&budget| demand.peak_bytes > budget) {
            let found = format!("a node that needs {} at its peak", gigabytes(demand.peak_bytes));
            let expected = format!("at most {}, the memory budget", gigabytes(budget));
            findings
                .report("does-not-fit", place, subject, found, expected)
                .help("raise the budget with --memory, or give the node a smaller image");
        }
        inferred[index] = Inferred { facets: outputs, demand };
    }
    inferred
}

/// Bytes as people read them, in decimal units.
fn gigabytes(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.1} GB", value / 1e9),
    }
}
