//! Times the engine on a random graph of 10,000 nodes: check, plan cold and warm, overhead per node of a run.
//!
//! `cargo run --release -p skyloom-engine --example scale [-- NODES]`

#[path = "../tests/toys/mod.rs"]
mod toys;

use std::fmt::Write as _;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use skyloom_engine::{Plan, PlanOptions, RunOptions};
use toys::Bench;

/// A graph whose nodes read up to three of the nodes before them.
fn random_graph(n: usize, seed: u64) -> String {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut text = String::from("(name: \"random\", nodes: {\n");
    for i in 0..n {
        let k = if i == 0 { 0 } else { rng.random_range(0..=3_usize) };
        let inputs: Vec<String> = (0..k).map(|_| format!("\"n{}.value\"", rng.random_range(0..i))).collect();
        let _ = writeln!(
            text,
            "\"n{i}\": (kind: \"toy.add\", params: (constant: {i}), inputs: {{\"values\": [{}]}}),",
            inputs.join(", ")
        );
    }
    text.push_str("})");
    text
}

fn main() {
    let n = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(10_000);
    let text = random_graph(n, 1);
    let bench = Bench::new();
    let store = bench.store();
    let plan = |what: &str| {
        let start = Instant::now();
        let graph = bench.graph(&text);
        let check = start.elapsed();
        let start = Instant::now();
        let plan = Plan::new(graph, std::sync::Arc::clone(&store), PlanOptions::default()).expect("the graph plans");
        let planned = start.elapsed();
        let to_run = plan.order().len();
        eprintln!("{what}: check {check:.1?}, plan {planned:.1?}, {to_run} of {n} nodes to run");
        plan
    };
    let cold = plan("cold");
    let start = Instant::now();
    let report = cold.run(&RunOptions::default()).expect("it runs");
    let took = start.elapsed();
    eprintln!("run: {took:.1?}, {:.0} microseconds per node, {:?}", took.as_secs_f64() * 1e6 / n as f64, report.status);
    let warm = plan("warm");
    let start = Instant::now();
    let report = warm.run(&RunOptions::default()).expect("it runs");
    eprintln!("warm run: {:.1?}, {:?}", start.elapsed(), report.status);
}
