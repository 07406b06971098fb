//! From arguments to a checked graph, an open store, run options.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use skyloom_engine::{
    Digest, Graph, GraphTest, Interrupt, LoadOptions, Observer, Plan, PlanOptions, Plugin, Registry, RunOptions,
    RunReport, Store, StoreEntry, StoreError, load, load_str, load_tests, memory, plugins, plugins_str,
};
use skyloom_foreign::add_plugins;

use crate::args::{CachePlace, GraphSource, Limits, RunPlace, Selection};
use crate::failure::{CommandFailure, exit};

/// All stages that this program knows.
pub fn registry() -> Result<Registry, CommandFailure> {
    Registry::with_builtin().map_err(|e| CommandFailure::Other {
        code: exit::PANIC,
        message: format!("the stages of this program contradict each other: {e}"),
        help: None,
    })
}

/// The same, with the kinds of descriptors in these files and folders.
pub fn registry_with(folders: &[PathBuf]) -> Result<Registry, CommandFailure> {
    let options = LoadOptions { plugins: folders.to_vec(), working_dir: working_dir()?, ..LoadOptions::default() };
    with_plugins(registry()?, &plugins_str("()", Path::new("--plugins"), &options))
}

fn with_plugins(mut registry: Registry, plugins: &[Plugin]) -> Result<Registry, CommandFailure> {
    add_plugins(&mut registry, plugins).map_err(CommandFailure::Graph)?;
    Ok(registry)
}

fn working_dir() -> Result<PathBuf, CommandFailure> {
    std::env::current_dir().map_err(|e| CommandFailure::io(format!("working directory: {e}")))
}

/// Loads and checks a graph file, or the resolved graph of a run report.
pub fn graph(source: &GraphSource, test: Option<&str>, limits: &Limits) -> Result<Arc<Graph>, CommandFailure> {
    let registry = registry()?;
    let options = load_options(source, test, limits)?;
    let loaded = if is_report(source) {
        let report = read_report(&source.graph)?;
        let registry = with_plugins(registry, &plugins_str(&report.resolved_graph, &source.graph, &options))?;
        load_str(&report.resolved_graph, &source.graph, &options, &registry)
    } else {
        let registry = with_plugins(registry, &plugins(&source.graph, &options))?;
        load(&source.graph, &options, &registry)
    };
    loaded.map(Arc::new).map_err(|failure| CommandFailure::Graph(failure.diagnostics))
}

/// The tests that a graph carries. A graph file need not be complete without them: a test may set what is missing.
pub fn tests(source: &GraphSource, limits: &Limits) -> Result<Vec<GraphTest>, CommandFailure> {
    if is_report(source) {
        return Ok(graph(source, None, limits)?.tests().to_vec());
    }
    let options = load_options(source, None, limits)?;
    load_tests(&source.graph, &options).map_err(|failure| CommandFailure::Graph(failure.diagnostics))
}

fn is_report(source: &GraphSource) -> bool {
    source.graph.extension().is_some_and(|e| e == "json")
}

fn load_options(source: &GraphSource, test: Option<&str>, limits: &Limits) -> Result<LoadOptions, CommandFailure> {
    Ok(LoadOptions {
        sets: source.set.iter().map(|s| (s.key.clone(), s.value.clone())).collect(),
        overlays: source.overlay.clone(),
        plugins: source.plugins.clone(),
        test: test.map(str::to_owned),
        memory_budget: Some(memory_budget(limits)),
        working_dir: working_dir()?,
    })
}

/// The memory budget.
#[must_use]
pub fn memory_budget(limits: &Limits) -> u64 {
    limits.memory.unwrap_or_else(memory::default_budget)
}

/// The cache folder.
pub fn cache_folder(place: &CachePlace) -> Result<PathBuf, CommandFailure> {
    if let Some(folder) = &place.cache {
        return Ok(folder.clone());
    }
    directories::ProjectDirs::from("org", "skyloom", "skyloom")
        .map(|dirs| dirs.cache_dir().to_path_buf())
        .ok_or_else(|| CommandFailure::io("this user has no cache folder").with_help("name one with --cache DIR"))
}

/// Opens the store in the cache folder.
pub fn store(place: &CachePlace) -> Result<Arc<Store>, CommandFailure> {
    let folder = cache_folder(place)?;
    Store::open(&folder).map(Arc::new).map_err(store_failure)
}

/// The output folder: what was given, or `out/<graph name>`.
#[must_use]
pub fn out_folder(given: Option<&Path>, graph: &Graph) -> PathBuf {
    given.map_or_else(|| Path::new("out").join(graph.name()), Path::to_path_buf)
}

/// Plans a run.
pub fn plan(graph: Arc<Graph>, store: Arc<Store>, selection: &Selection) -> Result<Plan, CommandFailure> {
    let out = out_folder(selection.out.as_deref(), &graph);
    let options = PlanOptions { out: Some(out), force: selection.force.clone(), until: selection.until.clone() };
    Plan::new(graph, store, options).map_err(CommandFailure::usage)
}

/// How to run.
#[must_use]
pub fn run_options(limits: &Limits, observers: Vec<Arc<dyn Observer>>, interrupt: Interrupt) -> RunOptions {
    let default = RunOptions::default();
    RunOptions {
        threads: limits.threads.unwrap_or(default.threads),
        memory_budget: memory_budget(limits),
        band_rows: limits.band_rows,
        observers,
        interrupt,
    }
}

/// Reads a run report; a folder stands for the `run.json` in it.
pub fn read_report(path: &Path) -> Result<RunReport, CommandFailure> {
    let path = if path.is_dir() { path.join("run.json") } else { path.to_path_buf() };
    let text = std::fs::read_to_string(&path).map_err(|e| {
        CommandFailure::io(format!("{}: {e}", path.display())).with_help("name the run.json of a run, or its folder")
    })?;
    serde_json::from_str(&text)
        .map_err(|e| CommandFailure::io(format!("{}: not a report of a run: {e}", path.display())))
}

/// The report that `why`, `show` and `cache pin` are about.
pub fn report(place: &RunPlace, store: &Store) -> Result<RunReport, CommandFailure> {
    if let Some(path) = &place.run {
        return read_report(path);
    }
    let folder = store.runs_folder();
    let name = place.graph.as_deref().map_or_else(|| LATEST.to_owned(), report_name);
    let path = folder.join(name);
    if !path.is_file() {
        let of = place.graph.as_ref().map_or_else(String::new, |g| format!(" of graph {g:?}"));
        return Err(CommandFailure::io(format!("no run{of} is on record in this cache"))
            .with_help("run a graph first, or name a report with --run RUN.JSON"));
    }
    read_report(&path)
}

/// Notes a report in the store, as the last of its graph and as the last of all.
pub fn remember_report(report: &RunReport, json: &str, store: &Store) -> Result<(), CommandFailure> {
    let folder = store.runs_folder();
    for name in [report_name(&report.graph), LATEST.to_owned()] {
        store.deliver_bytes(json.as_bytes(), &folder.join(name)).map_err(store_failure)?;
    }
    Ok(())
}

/// The last run of all graphs.
const LATEST: &str = "latest.json";

/// File name of the last report of a graph. Characters that not every file system takes become their code.
fn report_name(graph: &str) -> String {
    let safe: String =
        graph
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_".contains(c) {
                    c.to_string()
                } else {
                    format!("%{:x}", u32::from(c))
                }
            })
            .collect();
    format!("graph-{safe}.json")
}

/// What the store holds under a digest.
pub fn store_entry(store: &Store, digest: &Digest) -> Result<Option<StoreEntry>, CommandFailure> {
    let entries = store.ls().map_err(store_failure)?;
    Ok(entries.into_iter().find(|entry| entry.digest == *digest))
}

/// A failure of the store, with its exit code and what to do.
pub fn store_failure(error: StoreError) -> CommandFailure {
    let code = match error.class() {
        skyloom_engine::ErrorClass::Resources => exit::RESOURCES,
        _ => exit::IO,
    };
    CommandFailure::Other { code, message: error.to_string(), help: error.help() }
}
