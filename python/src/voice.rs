//! What a Python stage says while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use skyloom_engine::{CancelToken, Context, Progress, StageSink};

/// The way to the engine while the stage runs.
///
/// A Python object lives as long as anything refers to it, a kept traceback for instance, and the engine does not end a run
/// while somebody may still speak. So the way is closed when the stage returns; what is said later is dropped.
struct Gate(Mutex<Option<Arc<dyn StageSink>>>);

impl Gate {
    fn with(&self, tell: impl FnOnce(&dyn StageSink)) {
        if let Some(sink) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            tell(&**sink);
        }
    }
}

impl StageSink for Gate {
    fn progress(&self, unit: &str, done: u64, total: u64) {
        self.with(|sink| sink.progress(unit, done, total));
    }
    fn warning(&self, message: &str) {
        self.with(|sink| sink.warning(message));
    }
    fn metric(&self, name: &str, value: f64) {
        self.with(|sink| sink.metric(name, value));
    }
}

/// What `skyloom.Context` speaks and asks through.
#[pyclass(frozen, name = "Voice", module = "skyloom._skyloom")]
pub(crate) struct PyVoice {
    gate: Arc<Gate>,
    cancel: CancelToken,
}

impl PyVoice {
    pub(crate) fn new(cx: &Context<'_>) -> Self {
        Self { gate: Arc::new(Gate(Mutex::new(Some(cx.sink())))), cancel: cx.cancel_token() }
    }

    /// From now on nothing is passed on.
    pub(crate) fn close(&self) {
        *self.gate.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[pymethods]
impl PyVoice {
    /// Whether the user stopped the run.
    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Passes a warning on.
    fn warn(&self, message: &str) {
        self.gate.warning(message);
    }

    /// Passes a number on.
    fn metric(&self, name: &str, value: f64) {
        self.gate.metric(name, value);
    }

    /// Starts counting.
    fn progress(&self, unit: &str, total: u64) -> PyCounter {
        PyCounter(Progress::new(unit, total, Arc::clone(&self.gate) as _, self.cancel.clone()))
    }
}

/// What `skyloom.Progress` counts with.
#[pyclass(frozen, name = "Counter", module = "skyloom._skyloom")]
pub(crate) struct PyCounter(Progress);

#[pymethods]
impl PyCounter {
    /// Counts `n` more.
    fn advance(&self, n: u64) {
        self.0.advance(n);
    }
}
