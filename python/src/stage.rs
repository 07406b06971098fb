//! The stage that calls a Python class.

use std::sync::Arc;

use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTracebackMethods};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use skyloom_data::facets::ImageFacet;
use skyloom_engine::{
    Arity, Context, Demand, DigestBuilder, ErrorClass, Facets, FacetsOut, InputPort, Product, Signature, Stage,
    StageError,
};

use crate::kinds::PythonKind;
use crate::products::{from_python, to_python};
use crate::voice::PyVoice;

/// A Python class with the values of its parameters. Its kind in graphs is the class's.
#[derive(Debug)]
pub(crate) struct PythonStage {
    kind: Arc<PythonKind>,
    params: Map<String, Value>,
}

/// What a call gave: products by port.
type Made = Vec<(String, Arc<dyn Product>)>;

impl PythonStage {
    pub(crate) fn new(kind: Arc<PythonKind>, params: Map<String, Value>) -> Self {
        Self { kind, params }
    }

    fn pixels(&self, inputs: &Facets) -> u64 {
        let images = self.kind.inputs.iter().filter(|port| port.product.name == "image");
        images.flat_map(|port| inputs.all(&port.name)).map(|(_, facet)| ImageFacet::from_facet(facet).n_pixels()).sum()
    }

    fn call(&self, py: Python<'_>, cx: &Context<'_>) -> PyResult<Made> {
        let inputs = PyDict::new(py);
        for port in &self.kind.inputs {
            let all: Vec<Py<PyAny>> =
                products(cx, port)?.into_iter().map(|p| to_python(py, p)).collect::<PyResult<_>>()?;
            match port.arity {
                Arity::Many => inputs.set_item(&port.name, all)?,
                _ => inputs.set_item(&port.name, all.into_iter().next())?,
            }
        }
        let params = serde_json::to_string(&self.params).map_err(crate::errors::failed)?;
        let voice = Bound::new(py, PyVoice::new(cx))?;
        let made = self.kind.class.bind(py).call_method1("_skyloom_run", (params, inputs, &voice));
        voice.get().close();
        let made: Bound<'_, PyDict> = made?.extract()?;
        let mut outputs = Vec::new();
        for port in &self.kind.outputs {
            if let Some(object) = made.get_item(&port.name)? {
                outputs.push((port.name.clone(), from_python(&object, &port.name, port.product)?));
            }
        }
        Ok(outputs)
    }
}

/// The products at a port, whatever their type.
fn products(cx: &Context<'_>, port: &InputPort) -> PyResult<Vec<Arc<dyn Product>>> {
    cx.products(&port.name).map_err(crate::errors::failed)
}

impl Serialize for PythonStage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.params.len()))?;
        for (name, value) in &self.params {
            match self.kind.word(name, value) {
                Some(word) => map.serialize_entry(name, &word)?,
                None => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

// Only the half of typetag that writes: what reads such a stage needs its class, and that is what `StageSource` is for.
#[typetag::serialize(name = "python.class")]
impl Stage for PythonStage {
    fn typetag_deserialize(&self) {}

    fn signature(&self) -> Signature {
        Signature { inputs: self.kind.inputs.clone(), outputs: self.kind.outputs.clone() }
    }

    fn version(&self) -> u32 {
        self.kind.version
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, _: &mut skyloom_engine::Problems) {
        for (output, input) in &self.kind.likes {
            outputs.set(output, inputs.get(input));
        }
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let pixels = self.pixels(inputs);
        let outputs = self.kind.outputs.iter().filter(|port| port.product.name == "image").count() as u64;
        // Images with their masks, and what the class says that it needs besides.
        let work = (self.kind.bytes_per_pixel * pixels as f64) as u64;
        Demand { peak_bytes: pixels * 6 * (1 + outputs) + work + (16 << 20), threads: 1 }
    }

    fn fingerprint(&self, digest: &mut DigestBuilder) -> Result<(), StageError> {
        digest.bytes("source", self.kind.source.as_bytes());
        Ok(())
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let made = Python::attach(|py| self.call(py, cx).map_err(|error| stage_error(py, &error)));
        for (port, product) in made? {
            cx.set_product(&port, product);
        }
        Ok(())
    }
}

/// An exception with its traceback as a failure; its class says what should happen next.
fn stage_error(py: Python<'_>, error: &PyErr) -> StageError {
    let name = error.get_type(py).name().map(|n| n.to_string()).unwrap_or_default();
    let class = if error.is_instance_of::<PyKeyboardInterrupt>(py) || name == "Cancelled" {
        ErrorClass::Cancelled
    } else if name == "NoWork" {
        ErrorClass::NoWork
    } else if error.is_instance_of::<PyMemoryError>(py) {
        ErrorClass::Resources
    } else if error.is_instance_of::<PyOSError>(py) {
        ErrorClass::Io
    } else {
        ErrorClass::Data
    };
    if class == ErrorClass::Cancelled {
        return StageError::cancelled();
    }
    let trace = error.traceback(py).and_then(|t| t.format().ok()).unwrap_or_default();
    StageError::new(class, format!("{name}: {}\n{}", error.value(py), trace.trim_end()))
}
