//! From a file to a checked graph, or to the list of everything that is wrong with it.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use petgraph::graph::{DiGraph, NodeIndex};
use rayon::prelude::*;

use super::build::{Built, build};
use super::document::Role;
use super::files::{Chain, Start, read_chain};
use super::finding::Findings;
use super::graph_params::GraphParams;
use super::infer::{Inferred, infer};
use super::instance::{Expanded, Instance, expand};
use super::merge::Merged;
use super::options::{LoadFailure, LoadOptions};
use super::order::topological_order;
use super::outputs::{Delivered, check_outputs, unknown_test};
use super::plugins::{Plugin, plugins_of};
use super::setting::apply_settings;
use super::source::{Place, Sources};
use super::wanted::{Lookup, WantedPort};
use super::wiring::{Feed, presence, wire};
use crate::graph::{Graph, GraphTest, Node, ProductRef, ResolvedValue, Wire};
use crate::registry::Registry;

/// From how many nodes on they are built in parallel.
const MANY_NODES: usize = 500;

/// Reads, resolves and checks a graph file.
///
/// # Errors
/// Every problem that can be found before a pixel is read, each with its place, in the order of the files. A syntax error
/// stands alone, and consequences of a reported problem are left out.
pub fn load(path: &Path, options: &LoadOptions, registry: &Registry) -> Result<Graph, LoadFailure> {
    load_from(&Start::File(path), path, options, registry)
}

/// The same for a text, with the name of the file that it would be: relative paths start from that file's folder.
///
/// # Errors
/// As [`load`].
pub fn load_str(
    text: &str,
    file_name: &Path,
    options: &LoadOptions,
    registry: &Registry,
) -> Result<Graph, LoadFailure> {
    load_from(&Start::Text(file_name, text), file_name, options, registry)
}

/// The tests that a graph file carries, without a check of the graph itself: one whose inputs must be set can have tests that
/// set them.
///
/// # Errors
/// What is wrong with the text of the files.
pub fn load_tests(path: &Path, options: &LoadOptions) -> Result<Vec<GraphTest>, LoadFailure> {
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let working_dir = working_dir(options);
    let chain = read_chain(&Start::File(path), &options.overlays, &working_dir, &mut sources, &mut findings);
    let tests = chain.map(|chain| tests_of(&merge(chain, options, &working_dir, &mut sources, &mut findings).0));
    match tests {
        Some(tests) if findings.is_empty() => Ok(tests),
        _ => Err(LoadFailure { diagnostics: findings.into_diagnostics(&sources) }),
    }
}

/// The files and folders that bring kinds of stages to a graph: those that it names, its bases and overlays included, then
/// those of the command line. Of a graph that cannot be read there are none: [`load`] says what is wrong with it.
#[must_use]
pub fn plugins(path: &Path, options: &LoadOptions) -> Vec<Plugin> {
    plugins_from(&Start::File(path), options)
}

/// The same for a text; see [`load_str`].
#[must_use]
pub fn plugins_str(text: &str, file_name: &Path, options: &LoadOptions) -> Vec<Plugin> {
    plugins_from(&Start::Text(file_name, text), options)
}

fn plugins_from(start: &Start<'_>, options: &LoadOptions) -> Vec<Plugin> {
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let working_dir = working_dir(options);
    let chain = read_chain(start, &options.overlays, &working_dir, &mut sources, &mut findings);
    let merged = chain.map(|chain| merge(chain, options, &working_dir, &mut sources, &mut findings).0);
    let named = merged.map(|merged| merged.plugins).unwrap_or_default();
    plugins_of(&named, &options.plugins, &working_dir, &mut sources)
}

/// The folder that paths of the command line start from. Making it absolute fails only for an empty path or a working folder
/// that is gone; relative paths then stay relative.
fn working_dir(options: &LoadOptions) -> PathBuf {
    std::path::absolute(Path::new(".").join(&options.working_dir)).unwrap_or_else(|_| options.working_dir.clone())
}

fn tests_of(merged: &Merged) -> Vec<GraphTest> {
    merged.tests.iter().map(|t| GraphTest { name: t.name.name.clone(), doc: t.doc.clone() }).collect()
}

fn load_from(start: &Start<'_>, path: &Path, options: &LoadOptions, registry: &Registry) -> Result<Graph, LoadFailure> {
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let working_dir = working_dir(options);
    let chain = read_chain(start, &options.overlays, &working_dir, &mut sources, &mut findings);
    let graph = chain.and_then(|chain| {
        let (merged, files) = merge(chain, options, &working_dir, &mut sources, &mut findings);
        let plugins = plugins_of(&merged.plugins, &options.plugins, &working_dir, &mut sources);
        let plugins = plugins.into_iter().map(|plugin| plugin.path).collect();
        check(&merged, path, files, plugins, options, registry, &sources, &mut findings)
    });
    match graph {
        Some(graph) if findings.is_empty() => Ok(graph),
        _ => Err(LoadFailure { diagnostics: findings.into_diagnostics(&sources) }),
    }
}

fn merge(
    chain: Chain,
    options: &LoadOptions,
    working_dir: &Path,
    sources: &mut Sources,
    findings: &mut Findings,
) -> (Merged, Vec<PathBuf>) {
    let mut merged = Merged::default();
    for (document, role) in chain.documents {
        merged.apply(document, role, "", sources, findings);
    }
    if let Some(wanted) = &options.test {
        let test = merged.tests.iter().find(|t| t.name.name == *wanted).cloned();
        match test {
            Some(test) => {
                let subject = format!("tests.{wanted}");
                merged.apply(test.change, Role::Test, &subject, sources, findings);
            }
            None => {
                let known: Vec<&str> = merged.tests.iter().map(|t| t.name.name.as_str()).collect();
                unknown_test(wanted, &known, Place::new(chain.main, 0..0), findings);
            }
        }
    }
    apply_settings(&options.sets, working_dir, &mut merged, sources, findings);
    (merged, chain.files)
}

fn check(
    merged: &Merged,
    path: &Path,
    files: Vec<PathBuf>,
    plugins: Vec<PathBuf>,
    options: &LoadOptions,
    registry: &Registry,
    sources: &Sources,
    findings: &mut Findings,
) -> Option<Graph> {
    let params = GraphParams::resolve(&merged.params, sources, findings);
    let expanded = expand(merged, &params, sources, findings);
    let build_one = |i: &Instance<'_>| if i.is_off { Built::default() } else { build(i, &params, registry, sources) };
    // Threads pay only for graphs that nobody writes by hand.
    let built: Vec<Built> = if expanded.instances.len() > MANY_NODES {
        expanded.instances.par_iter().map(build_one).collect()
    } else {
        expanded.instances.iter().map(build_one).collect()
    };

    let mut own: Vec<Findings> = expanded.instances.iter().map(|_| Findings::default()).collect();
    let mut lookup = Lookup::new(&expanded, &built, sources);
    let wanted: Vec<Vec<WantedPort>> = expanded
        .instances
        .iter()
        .zip(&mut own)
        .map(|(i, own)| if i.is_off { Vec::new() } else { lookup.inputs_of(i, &params, own) })
        .collect();
    let present = presence(&expanded.instances, &built, &wanted);
    let feeds: Vec<Vec<Feed>> = (0..built.len())
        .map(|i| if present[i] { wire(i, &wanted[i], &present, &lookup, &mut own[i]) } else { Vec::new() })
        .collect();
    let delivered = check_outputs(&merged.outputs, &params, &present, &mut lookup, findings);

    let mut clean = Vec::with_capacity(built.len());
    for (i, own) in own.into_iter().enumerate() {
        let instance = &expanded.instances[i];
        let parts = [&instance.findings, &built[i].findings, &own];
        clean.push(
            present[i]
                && !instance.entry.is_broken
                && !instance.entry.has_broken_inputs
                && parts.iter().all(|f| f.is_empty()),
        );
        // What is wrong with a node that fell (its values may come from what is switched off) is no problem now.
        findings.list.extend(instance.findings.list.iter().cloned());
        if present[i] {
            findings.list.extend(built[i].findings.list.iter().cloned());
            findings.append(own);
        }
    }

    let edges: Vec<(usize, usize)> =
        feeds.iter().enumerate().flat_map(|(reader, feeds)| feeds.iter().map(move |f| (f.producer, reader))).collect();
    let order = topological_order(built.len(), &edges);
    report_cycles(&order.cycles, &expanded, &feeds, findings);
    let order: Vec<usize> = order.nodes.into_iter().filter(|&i| present[i]).collect();
    let budget = options.memory_budget;
    let inferred = infer(&order, &expanded.instances, &built, &feeds, &clean, budget, sources, findings);
    if !findings.is_empty() {
        return None;
    }
    Some(assemble(
        Parts {
            merged,
            path,
            test: options.test.as_deref(),
            files,
            plugins,
            params,
            expanded: &expanded,
            built,
            feeds,
            order,
            inferred,
            delivered,
        },
        sources,
    ))
}

/// Reports each cycle as a path, at the wire of its first node.
fn report_cycles(cycles: &[Vec<usize>], expanded: &Expanded<'_>, feeds: &[Vec<Feed>], findings: &mut Findings) {
    for cycle in cycles {
        let (Some(&first), Some(&last)) = (cycle.first(), cycle.last()) else { continue };
        let instance = &expanded.instances[first];
        let names: Vec<&str> = cycle.iter().chain([&first]).map(|&i| expanded.instances[i].name.as_str()).collect();
        let feed = feeds[first].iter().find(|f| f.producer == last);
        let place = feed.map_or(instance.entry.place, |f| f.place);
        let subject = format!("nodes.{}.inputs.{}", instance.name, feed.map_or("", |f| &f.port));
        findings.report("cycle", place, subject, names.join(" -> "), "wires that never lead back to their node");
    }
}

struct Parts<'a, 'm> {
    merged: &'a Merged,
    path: &'a Path,
    test: Option<&'a str>,
    files: Vec<PathBuf>,
    plugins: Vec<PathBuf>,
    params: GraphParams,
    expanded: &'a Expanded<'m>,
    built: Vec<Built>,
    feeds: Vec<Vec<Feed>>,
    order: Vec<usize>,
    inferred: Vec<Inferred>,
    delivered: Delivered,
}

/// Puts a graph without problems together.
fn assemble(parts: Parts<'_, '_>, sources: &Sources) -> Graph {
    let Parts {
        merged,
        path,
        test,
        files,
        plugins,
        params,
        expanded,
        mut built,
        mut feeds,
        order,
        mut inferred,
        delivered,
    } = parts;
    let mut position = vec![0_usize; built.len()];
    for (at, &i) in order.iter().enumerate() {
        position[i] = at;
    }
    let mut structure = DiGraph::with_capacity(order.len(), order.len());
    for at in 0..order.len() {
        structure.add_node(at);
    }
    let mut nodes = Vec::with_capacity(order.len());
    for &i in &order {
        let instance = &expanded.instances[i];
        let made = std::mem::take(&mut built[i]);
        let said = std::mem::take(&mut inferred[i]);
        // Every node of a graph without problems has a kind and a stage.
        let (Some(stage), Some(kind)) = (made.stage, &instance.entry.kind) else { continue };
        let inputs: Vec<Wire> = std::mem::take(&mut feeds[i])
            .into_iter()
            .map(|f| Wire { port: f.port, node: position[f.producer], output: f.output })
            .collect();
        let mut producers: Vec<usize> = inputs.iter().map(|w| w.node).collect();
        producers.sort_unstable();
        producers.dedup();
        for producer in producers {
            structure.add_edge(NodeIndex::new(producer), NodeIndex::new(position[i]), ());
        }
        nodes.push(Node {
            name: instance.name.clone(),
            kind: kind.name.clone(),
            stage,
            signature: made.signature.unwrap_or_default(),
            inputs,
            keep: instance.keep,
            label: instance.label.clone(),
            threads: instance.threads,
            params: made.params,
            provider: made.provider,
            facets: said.facets,
            demand: said.demand,
        });
    }
    let stem = path.file_stem().map_or_else(|| "graph".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let outputs = delivered
        .into_iter()
        .map(|(file, (i, port))| (file, ProductRef { node: expanded.instances[i].name.clone(), port }))
        .collect();
    let values: IndexMap<String, ResolvedValue> = params
        .iter()
        .map(|(name, tree)| {
            let value = ResolvedValue { value: tree.to_ron(sources), origin: sources.origin(tree.origin) };
            (name.clone(), value)
        })
        .collect();
    let tests = tests_of(merged);
    let mut name = merged.name.clone().unwrap_or(stem);
    if let Some(test) = test {
        // A name of its own: what a test ran last is nothing to compare the graph's own runs with.
        name = format!("{name}, test {test:?}");
    }
    Graph::new(name, merged.doc.clone(), path.to_path_buf(), nodes, structure, outputs, values, tests, files, plugins)
}
