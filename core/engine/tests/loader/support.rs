//! Loads a text and shows what came of it.

use std::path::{Path, PathBuf};

use skyloom_engine::{Graph, LoadFailure, LoadOptions, Registry, load_str};

pub fn registry() -> Registry {
    Registry::with_builtin().expect("the toys do not clash")
}

pub fn options() -> LoadOptions {
    LoadOptions { working_dir: PathBuf::from("/work-dir"), ..LoadOptions::default() }
}

pub fn load(text: &str) -> Result<Graph, LoadFailure> {
    load_with(text, &options())
}

pub fn load_with(text: &str, options: &LoadOptions) -> Result<Graph, LoadFailure> {
    load_str(text, Path::new("graphs/toy.ron"), options, &registry())
}

pub fn set(pairs: &[(&str, &str)]) -> LoadOptions {
    LoadOptions { sets: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(), ..options() }
}

/// Every problem on one line: `line:column code subject`.
pub fn places(result: Result<Graph, LoadFailure>) -> Vec<String> {
    match result {
        Ok(graph) => panic!("no problem was found in {}", graph.name()),
        Err(failure) => {
            failure.diagnostics.iter().map(|d| format!("{}:{} {} {}", d.line, d.column, d.code, d.subject)).collect()
        }
    }
}

/// The only problem.
pub fn only(result: Result<Graph, LoadFailure>) -> skyloom_engine::Diagnostic {
    match result {
        Ok(graph) => panic!("no problem was found in {}", graph.name()),
        Err(mut failure) => {
            assert_eq!(failure.diagnostics.len(), 1, "{failure}");
            failure.diagnostics.remove(0)
        }
    }
}

/// Names of the nodes in order.
pub fn names(graph: &Graph) -> Vec<&str> {
    graph.nodes().iter().map(|n| n.name.as_str()).collect()
}

/// Products that arrive at a node: `port=node.output`.
pub fn feeds(graph: &Graph, node: &str) -> Vec<String> {
    let node = &graph.nodes()[graph.index_of(node).expect("the node is there")];
    let name = |i: usize| &graph.nodes()[i].name;
    node.inputs.iter().map(|w| format!("{}={}.{}", w.port, name(w.node), w.output)).collect()
}

/// A parameter of a node, resolved.
pub fn param(graph: &Graph, node: &str, name: &str) -> String {
    let node = &graph.nodes()[graph.index_of(node).expect("the node is there")];
    node.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.value.clone()).expect("the parameter is there")
}
