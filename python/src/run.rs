//! Runs: on a thread of their own, while the interpreter stays free and hears of Ctrl-C.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use skyloom_engine::{Artefact, Event, Interrupt, Observer, RunOptions, RunReport, Store, nearest};

use crate::errors::failed;
use crate::graph::{PyGraph, Request};
use crate::products::{kind_of, to_python};

/// Hands events to the thread that called.
struct Post(Mutex<Sender<String>>);

impl Observer for Post {
    fn event(&self, event: &Event) {
        if let Ok(text) = serde_json::to_string(event) {
            // Nobody listens any more after an exception in the observer; the run goes on to its end.
            let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(text);
        }
    }
}

/// How often signals are looked for.
const PATIENCE: Duration = Duration::from_millis(50);

/// Runs the graph and returns the report as JSON. `observer` is called with each event as JSON, on this thread.
///
/// On an exception, `KeyboardInterrupt` among them, the run is stopped, what is finished stays in the store, and the exception goes on.
pub(crate) fn run(
    graph: &PyGraph,
    py: Python<'_>,
    request: &Request,
    observer: &Py<PyAny>,
    threads: Option<NonZeroUsize>,
    memory: Option<u64>,
) -> PyResult<String> {
    let plan = graph.plan_for(py, request)?;
    let store = Arc::clone(plan.store());
    let out = plan.out().map(std::path::Path::to_path_buf);
    let (sender, events) = channel();
    let interrupt = Interrupt::new();
    let default = RunOptions::default();
    let options = RunOptions {
        threads: threads.unwrap_or(default.threads),
        memory_budget: memory.unwrap_or(default.memory_budget),
        band_rows: None,
        observers: vec![Arc::new(Post(Mutex::new(sender)))],
        interrupt: interrupt.clone(),
    };
    // From here on a garbage collection beside this process spares what the plan finds.
    let tenancy = py.detach(|| store.tenancy()).map_err(failed)?;
    let worker = std::thread::spawn(move || plan.run(&options));
    let events = Mutex::new(events);
    let heard = loop {
        let next = py.detach(|| events.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE));
        let told = match next {
            Ok(event) => observer.call1(py, (event,)).map(drop),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            // The last sender went with the run.
            Err(RecvTimeoutError::Disconnected) => break Ok(()),
        };
        if let Err(error) = told.and_then(|()| py.check_signals()) {
            // No new work, and stop what runs.
            interrupt.ask();
            interrupt.ask();
            break Err(error);
        }
    };
    let ended = py.detach(|| worker.join());
    let report = ended.map_err(|_| failed("the run ended by a panic, which is a bug of Skyloom"))?.map_err(failed)?;
    py.detach(|| skyloom::embed::write_report(&report, out.as_deref(), &store)).map_err(failed)?;
    drop(tenancy);
    heard?;
    serde_json::to_string(&report).map_err(failed)
}

/// A product of a run, read from the store: `report` is the run's report as JSON.
#[pyfunction]
pub(crate) fn product(py: Python<'_>, cache: PathBuf, report: &str, node: &str, port: &str) -> PyResult<Py<PyAny>> {
    let report: RunReport = serde_json::from_str(report).map_err(failed)?;
    let product = py.detach(|| {
        let found = report.node(node).ok_or_else(|| {
            let near = nearest(node, report.nodes.iter().map(|n| n.name.as_str()));
            let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            format!("no node {node:?} in the run{hint}")
        })?;
        let digest = found.outputs.get(port).ok_or_else(|| {
            let ports: Vec<&str> = found.outputs.keys().map(String::as_str).collect();
            format!("node {node:?} has no product {port:?}; it made {}", ports.join(", "))
        })?;
        let store = Store::open(&cache).map_err(|e| e.to_string())?;
        let artefact: Artefact = skyloom::embed::find_artefact(&store, digest)?.ok_or_else(|| {
            format!("{node}.{port} is not in the store: it was not kept, or was removed; run the graph again")
        })?;
        let kind = kind_of(&artefact.type_name).ok_or_else(|| format!("no class for {:?}", artefact.type_name))?;
        store.load(kind, &artefact).map_err(|e| e.to_string())
    });
    to_python(py, product.map_err(failed)?)
}
