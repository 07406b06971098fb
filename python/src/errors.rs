//! Exceptions.

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;

create_exception!(skyloom, SkyloomError, PyException, "Anything that Skyloom could not do.");
create_exception!(skyloom, GraphError, SkyloomError, "Problems in a graph; `problems` lists them with their places.");
create_exception!(skyloom, RunError, SkyloomError, "A run that failed; `run` is what there is of it.");

/// An error as a `SkyloomError`.
pub(crate) fn failed(error: impl std::fmt::Display) -> PyErr {
    SkyloomError::new_err(error.to_string())
}

/// An error of the caller as a `ValueError`.
pub(crate) fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
