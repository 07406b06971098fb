//! Python classes as kinds of stages.

use std::collections::BTreeMap;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use skyloom_engine::{
    Arity, BuildError, InputPort, OutputPort, ProductKind, Stage, StageInfo, StageSource, parameters,
};
use skyloom_foreign::keep;

use crate::errors::{failed, value_error};
use crate::products::kind_of;
use crate::stage::PythonStage;

/// What `skyloom.stage` wrote down of a class.
#[derive(Debug, Deserialize)]
struct Description {
    kind: String,
    version: u32,
    doc: String,
    provider: String,
    schema: Value,
    example: String,
    source: String,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    bytes_per_pixel: f64,
}

#[derive(Debug, Deserialize)]
struct Input {
    name: String,
    product: String,
    arity: String,
    doc: String,
}

#[derive(Debug, Deserialize)]
struct Output {
    name: String,
    product: String,
    doc: String,
    like: Option<String>,
}

/// One class.
#[derive(Debug)]
pub(crate) struct PythonKind {
    pub(crate) class: Py<PyAny>,
    pub(crate) kind: String,
    pub(crate) version: u32,
    /// What the key digests besides the version: the text of the class.
    pub(crate) source: String,
    pub(crate) inputs: Vec<InputPort>,
    pub(crate) outputs: Vec<OutputPort>,
    /// Output port and the input whose frame it has.
    pub(crate) likes: Vec<(String, String)>,
    pub(crate) bytes_per_pixel: f64,
    /// Parameters that take one of some words.
    choices: BTreeMap<String, Vec<&'static str>>,
    info: StageInfo,
}

/// A choice, which graph files write without quotes: number of the word, and the word.
pub(crate) struct Word(u32, &'static str);

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_variant("Choice", self.0, self.1)
    }
}

impl PythonKind {
    /// The value of a parameter as a choice, if it is one.
    pub(crate) fn word(&self, name: &str, value: &Value) -> Option<Word> {
        let words = self.choices.get(name)?;
        let i = words.iter().position(|word| value.as_str() == Some(word))?;
        Some(Word(i as u32, words[i]))
    }
}

/// Any value of a graph file. Untagged, so that serde reads it into a buffer of its own first: of a bare word (a choice) that buffer
/// keeps the text, and [`Value`] alone would read null.
#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Value(Value),
}

/// The classes as a source of stages.
pub(crate) struct PythonKinds(Vec<Arc<PythonKind>>);

impl PythonKinds {
    /// From classes that `skyloom.stage` has seen.
    pub(crate) fn new(py: Python<'_>, classes: Vec<Py<PyAny>>) -> PyResult<Self> {
        let kinds: PyResult<Vec<_>> = classes.into_iter().map(|class| read(py, class).map(Arc::new)).collect();
        kinds.map(Self)
    }
}

fn read(py: Python<'_>, class: Py<PyAny>) -> PyResult<PythonKind> {
    let text: String = class.getattr(py, "_skyloom_description")?.extract(py)?;
    let d: Description = serde_json::from_str(&text).map_err(failed)?;
    let product = |name: &str| -> PyResult<ProductKind> {
        kind_of(name).ok_or_else(|| value_error(format!("{}: no product type {name:?}", d.kind)))
    };
    let arity = |word: &str| match word {
        "optional" => Arity::Optional,
        "many" => Arity::Many,
        _ => Arity::One,
    };
    let inputs: PyResult<Vec<InputPort>> = d
        .inputs
        .iter()
        .map(|p| {
            let (name, doc) = (p.name.clone(), p.doc.clone());
            Ok(InputPort { name, doc, product: product(&p.product)?, arity: arity(&p.arity), is_late: false })
        })
        .collect();
    let outputs: PyResult<Vec<OutputPort>> = d
        .outputs
        .iter()
        .map(|p| Ok(OutputPort { name: p.name.clone(), doc: p.doc.clone(), product: product(&p.product)? }))
        .collect();
    let (inputs, outputs) = (inputs?, outputs?);
    let likes = d.outputs.into_iter().filter_map(|p| Some((p.name, p.like?))).collect();
    let info =
        StageInfo { kind: d.kind.clone(), provider: d.provider, doc: d.doc, schema: d.schema, example: d.example };
    let choices = parameters(&info).into_iter().filter(|param| !param.choices.is_empty());
    let choices = choices.map(|param| (param.name, param.choices.iter().map(|c| keep(&c.name)).collect())).collect();
    Ok(PythonKind {
        class,
        kind: d.kind,
        version: d.version,
        source: d.source,
        inputs,
        outputs,
        likes,
        bytes_per_pixel: d.bytes_per_pixel,
        choices,
        info,
    })
}

impl StageSource for PythonKinds {
    fn name(&self) -> &'static str {
        "Python classes"
    }

    fn stages(&self) -> Vec<StageInfo> {
        self.0.iter().map(|kind| kind.info.clone()).collect()
    }

    fn build(&self, kind: &str, params_ron: &str) -> Result<Box<dyn Stage>, BuildError> {
        let plain = |message: String| BuildError { message, offset: None };
        let known = self.0.iter().find(|known| known.kind == kind);
        let known = known.ok_or_else(|| plain(format!("unknown kind {kind:?}")))?;
        let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let Given::Value(given) = match params_ron.trim() {
            "()" => Given::Value(Value::Object(Map::new())),
            text => options.from_str(text).map_err(|e| plain(e.code.to_string()))?,
        };
        let given = serde_json::to_string(&given).map_err(|e| plain(e.to_string()))?;
        // The class fills in defaults and refuses what does not fit.
        let filled: PyResult<String> =
            Python::attach(|py| known.class.call_method1(py, "_skyloom_params", (given,))?.extract(py));
        let filled = filled.map_err(|e| plain(Python::attach(|py| refusal(py, &e))))?;
        let params = serde_json::from_str(&filled).map_err(|e| plain(e.to_string()))?;
        Ok(Box::new(PythonStage::new(Arc::clone(known), params)))
    }
}

/// Why a class refuses parameters. The text of a `ValueError` is made for readers; that of others needs their name.
fn refusal(py: Python<'_>, error: &PyErr) -> String {
    let text = error.value(py).to_string();
    if error.is_instance_of::<PyValueError>(py) && !text.is_empty() {
        return text;
    }
    let name = error.get_type(py).name().map(|name| name.to_string()).unwrap_or_default();
    format!("{name}: {text}")
}
