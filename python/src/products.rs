//! Products of the engine as Python objects, and back.

use std::any::Any;
use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use skyloom_data::{Image, Isophotes, PsfField, PsfSet, Table};
use skyloom_engine::{Deliverable, Product, ProductKind};

use crate::errors::{failed, value_error};
use crate::image::PyImage;
use crate::isophotes::PyIsophotes;
use crate::table::{PyTable, from_arrow};

/// A product without a class of its own, such as a PSF: `text` is what its file holds.
#[pyclass(frozen, name = "Product", module = "skyloom")]
pub(crate) struct PyOther(Arc<dyn Product>);

#[pymethods]
impl PyOther {
    /// Name of its type.
    #[getter]
    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    /// What its file holds (RON for PSFs).
    #[getter]
    fn text(&self) -> PyResult<String> {
        let mut bytes = Vec::new();
        if self.0.encode_to(&mut bytes).map_err(failed)? {
            return String::from_utf8(bytes).map_err(failed);
        }
        let folder = tempfile::tempdir().map_err(failed)?;
        let path = folder.path().join(format!("product.{}", self.0.extension()));
        self.0.encode(&path).map_err(failed)?;
        std::fs::read_to_string(&path).map_err(failed)
    }

    fn __repr__(&self) -> String {
        format!("<{}>", self.0.type_name())
    }
}

/// A product type by its name in ports.
pub(crate) fn kind_of(name: &str) -> Option<ProductKind> {
    let all = [
        ProductKind::of::<Image>(),
        ProductKind::of::<Table>(),
        ProductKind::of::<Isophotes>(),
        ProductKind::of::<PsfField>(),
        ProductKind::of::<PsfSet>(),
        ProductKind::of::<Deliverable>(),
    ];
    all.into_iter().find(|kind| kind.name == name)
}

/// A product for Python; nothing is copied but the bytes of files.
pub(crate) fn to_python(py: Python<'_>, product: Arc<dyn Product>) -> PyResult<Py<PyAny>> {
    let any: Arc<dyn Any + Send + Sync> = Arc::clone(&product) as _;
    let any = match any.downcast::<Image>() {
        Ok(image) => return PyImage(image).into_py_any(py),
        Err(any) => any,
    };
    let any = match any.downcast::<Table>() {
        Ok(table) => return PyTable(table).into_py_any(py),
        Err(any) => any,
    };
    let any = match any.downcast::<Isophotes>() {
        Ok(isophotes) => return PyIsophotes(isophotes).into_py_any(py),
        Err(any) => any,
    };
    match any.downcast::<Deliverable>() {
        Ok(file) => PyBytes::new(py, &file.bytes().map_err(failed)?).into_py_any(py),
        Err(_) => PyOther(product).into_py_any(py),
    }
}

/// A product that Python made for a port.
pub(crate) fn from_python(object: &Bound<'_, PyAny>, port: &str, kind: ProductKind) -> PyResult<Arc<dyn Product>> {
    if let Ok(other) = object.cast::<PyOther>()
        && other.get().0.type_name() == kind.name
    {
        return Ok(Arc::clone(&other.get().0));
    }
    let wrong = || value_error(format!("output {port:?} must be {}, and is {}", kind.name, object.get_type()));
    match kind.name {
        "image" => Ok(Arc::clone(&object.cast::<PyImage>().map_err(|_| wrong())?.get().0) as _),
        "isophotes" => Ok(Arc::clone(&object.cast::<PyIsophotes>().map_err(|_| wrong())?.get().0) as _),
        "table" => Ok(Arc::new(from_arrow(object)?) as _),
        "file" => {
            let bytes: Vec<u8> = object.extract().map_err(|_| wrong())?;
            Ok(Arc::new(Deliverable::new("bin", bytes)) as _)
        }
        _ => Err(wrong()),
    }
}
