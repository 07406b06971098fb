//! Graphs: load, list, plan.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use serde_json::{Value, json};
use skyloom_engine::{
    Arity, Graph, LoadFailure, LoadOptions, Plan, PlanOptions, Registry, Store, load as load_file, load_str,
    parameters, plugins, plugins_str, resolved_graph,
};

use crate::errors::{GraphError, failed};
use crate::kinds::PythonKinds;

/// A checked graph.
#[pyclass(frozen, name = "LoadedGraph", module = "skyloom._skyloom")]
pub(crate) struct PyGraph(pub(crate) Arc<Graph>);

/// The kinds of this wheel and those of Python classes.
fn registry(py: Python<'_>, classes: Vec<Py<PyAny>>) -> PyResult<Registry> {
    let mut registry = Registry::with_builtin().map_err(failed)?;
    if !classes.is_empty() {
        registry.add(Arc::new(PythonKinds::new(py, classes)?)).map_err(failed)?;
    }
    Ok(registry)
}

/// Loads and checks a graph: a file, or a text with the name of the file that it would be.
#[pyfunction]
#[pyo3(signature = (path, text, sets, overlays, classes, plugin_folders, memory=None))]
pub(crate) fn load(
    py: Python<'_>,
    path: PathBuf,
    text: Option<String>,
    sets: Vec<(String, String)>,
    overlays: Vec<PathBuf>,
    classes: Vec<Py<PyAny>>,
    plugin_folders: Vec<PathBuf>,
    memory: Option<u64>,
) -> PyResult<PyGraph> {
    let mut registry = registry(py, classes)?;
    let working_dir = std::env::current_dir().map_err(failed)?;
    let memory_budget = Some(memory.unwrap_or_else(skyloom_engine::memory::default_budget));
    let options =
        LoadOptions { sets, overlays, plugins: plugin_folders, memory_budget, working_dir, ..LoadOptions::default() };
    let loaded = py.detach(|| {
        let found = match &text {
            Some(text) => plugins_str(text, &path, &options),
            None => plugins(&path, &options),
        };
        skyloom_foreign::add_plugins(&mut registry, &found).map_err(|diagnostics| LoadFailure { diagnostics })?;
        match &text {
            Some(text) => load_str(text, &path, &options, &registry),
            None => load_file(&path, &options, &registry),
        }
    });
    match loaded {
        Ok(graph) => Ok(PyGraph(Arc::new(graph))),
        Err(failure) => {
            let mut text = skyloom::embed::diagnostics(&failure.diagnostics);
            if let Some(unknown) = failure.diagnostics.iter().find(|d| d.code == "unknown-kind") {
                text.push_str(&ways_out(&unknown.found));
            }
            let error = GraphError::new_err(text);
            let problems = serde_json::to_string(&failure.diagnostics).map_err(failed)?;
            error.value(py).setattr("_problems", problems)?;
            Err(error)
        }
    }
}

/// What to do about a kind of somebody else's crate: Rust code is never loaded at run time.
fn ways_out(found: &str) -> String {
    format!(
        "\n{found}: this wheel holds the stages that it was built with, and Python classes that `skyloom.stage` has seen. If the \
         kind comes from a Rust crate, either build a wheel of your own that links the crate (`skyloom new stage acme-halo --python` \
         writes one, to use or to copy from), or run the crate's own binary from Python: \
         subprocess.run([\"acme-halo-skyloom\", \"run\", \"graph.ron\"])\n"
    )
}

/// All kinds of stages as JSON: kind, provider, documentation, parameters, ports of the example.
#[pyfunction]
pub(crate) fn stage_kinds(py: Python<'_>, classes: Vec<Py<PyAny>>) -> PyResult<String> {
    let registry = registry(py, classes)?;
    let list: Vec<Value> = registry
        .stages()
        .map(|info| {
            let params: Vec<Value> = parameters(info)
                .iter()
                .map(|p| {
                    let choices: Vec<&str> = p.choices.iter().map(|choice| choice.name.as_str()).collect();
                    json!({
                        "name": p.name, "doc": p.doc, "unit": p.unit, "default": p.default, "required": p.required,
                        "choices": choices,
                    })
                })
                .collect();
            let ports = registry.example_signature(&info.kind).ok();
            let inputs: Vec<Value> = ports
                .iter()
                .flat_map(|s| &s.inputs)
                .map(|p| json!({ "name": p.name, "product": p.product.name, "doc": p.doc, "is_required": p.arity == Arity::One }))
                .collect();
            let outputs: Vec<Value> = ports
                .iter()
                .flat_map(|s| &s.outputs)
                .map(|p| json!({ "name": p.name, "product": p.product.name, "doc": p.doc }))
                .collect();
            json!({
                "kind": info.kind, "provider": info.provider, "doc": info.doc, "params": params, "inputs": inputs,
                "outputs": outputs, "example": info.example,
            })
        })
        .collect();
    serde_json::to_string(&list).map_err(failed)
}

/// The cache folder that the command line takes when none is named.
#[pyfunction]
pub(crate) fn default_cache() -> PyResult<PathBuf> {
    skyloom::embed::default_cache().ok_or_else(|| failed("this user has no cache folder: name one with cache=..."))
}

/// What a plan or a run is about, as Python gives it.
#[derive(FromPyObject)]
pub(crate) struct Request {
    cache: PathBuf,
    out: Option<PathBuf>,
    force: Vec<String>,
    until: Vec<String>,
}

impl PyGraph {
    pub(crate) fn plan_for(&self, py: Python<'_>, request: &Request) -> PyResult<Plan> {
        py.detach(|| {
            let store = Store::open(&request.cache).map_err(failed)?;
            let options =
                PlanOptions { out: request.out.clone(), force: request.force.clone(), until: request.until.clone() };
            Plan::new(Arc::clone(&self.0), Arc::new(store), options).map_err(failed)
        })
    }
}

#[pymethods]
impl PyGraph {
    /// Name of the graph.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// Its documentation.
    #[getter]
    fn doc(&self) -> &str {
        self.0.doc()
    }

    /// Parameters of the graph and its nodes, as JSON.
    fn describe(&self) -> PyResult<String> {
        let nodes = self.0.nodes();
        let listed: Vec<Value> = nodes
            .iter()
            .map(|node| {
                let params: Vec<Value> = node
                    .params
                    .iter()
                    .map(|(name, value)| json!({ "name": name, "value": value.value, "origin": value.origin }))
                    .collect();
                let inputs: Vec<Value> = node
                    .inputs
                    .iter()
                    .map(|w| json!({ "port": w.port, "source": format!("{}.{}", nodes[w.node].name, w.output) }))
                    .collect();
                let outputs: Vec<Value> = node
                    .signature
                    .outputs
                    .iter()
                    .map(|p| json!({ "port": p.name, "product": p.product.name }))
                    .collect();
                json!({
                    "name": node.name, "kind": node.kind, "label": node.label, "provider": node.provider,
                    "version": node.stage.version(), "params": params, "inputs": inputs, "outputs": outputs,
                    "estimated_bytes": node.demand.peak_bytes,
                })
            })
            .collect();
        let params: Vec<Value> =
            self.0.params().iter().map(|(name, value)| json!({ "name": name, "value": value.value })).collect();
        let outputs: Vec<Value> = self
            .0
            .outputs()
            .iter()
            .map(|(file, product)| json!({ "file": file, "product": format!("{}.{}", product.node, product.port) }))
            .collect();
        serde_json::to_string(&json!({ "nodes": listed, "params": params, "outputs": outputs })).map_err(failed)
    }

    /// The graph with every value filled in, as RON.
    fn to_ron(&self) -> String {
        resolved_graph(&self.0)
    }

    /// What a run would do, as JSON.
    fn plan(&self, py: Python<'_>, request: Request) -> PyResult<String> {
        let plan = self.plan_for(py, &request)?;
        let value = json!({
            "graph": plan.graph().name(), "nodes": plan.nodes(), "order": plan.order(), "files": plan.files(),
            "expected_s": plan.expected_s(),
        });
        serde_json::to_string(&value).map_err(failed)
    }

    /// Runs the graph and returns the report as JSON. `observer` is called with each event as JSON, on this thread.
    #[pyo3(signature = (request, observer, threads=None, memory=None))]
    fn run(
        &self,
        py: Python<'_>,
        request: Request,
        observer: Py<PyAny>,
        threads: Option<NonZeroUsize>,
        memory: Option<u64>,
    ) -> PyResult<String> {
        crate::run::run(self, py, &request, &observer, threads, memory)
    }

    /// A drawing coloured by what a run would do, as SVG.
    fn svg(&self, py: Python<'_>, request: Request) -> PyResult<String> {
        Ok(skyloom::embed::plan_svg(&self.plan_for(py, &request)?))
    }
}
