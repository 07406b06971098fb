//! The native half of the Python package `skyloom`; `python/lib/skyloom/` is the half that people import.
//!
//! The module itself is the work of a few lines, which name the stage crates that a wheel holds beside the stages of Skyloom. Ours
//! is in `python/module`; `skyloom new stage --python` writes one:
//!
//! ```ignore
//! use pyo3::prelude::*;
//!
//! /// Counts memory, so that reports can say what each node needed.
//! #[global_allocator]
//! static ALLOCATOR: skyloom_python::CountingAllocator = skyloom_python::CountingAllocator;
//!
//! #[pymodule]
//! fn _skyloom(module: &Bound<'_, PyModule>) -> PyResult<()> {
//!     skyloom_python::fill(module, &[acme_halo::STAGE_CRATE])
//! }
//! ```

mod algorithms;
mod errors;
mod graph;
mod image;
mod isophotes;
mod kinds;
mod products;
mod run;
mod stage;
mod table;
mod voice;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
// Nothing else refers to all stages: without this line the linker would drop some, and their registration.
use skyloom_stages as _;

pub use skyloom::{CountingAllocator, StageCrate};

/// Fills the native module with everything that the Python half of the package asks of it.
///
/// A crate that nothing names is not linked, and its stages do not register: naming it here links it.
///
/// # Errors
/// `ImportError`, when one of the crates did not register a kind that it promises.
pub fn fill(module: &Bound<'_, PyModule>, crates: &[StageCrate]) -> PyResult<()> {
    skyloom::embed::check_crates(crates).map_err(PyImportError::new_err)?;
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("SkyloomError", py.get_type::<errors::SkyloomError>())?;
    module.add("GraphError", py.get_type::<errors::GraphError>())?;
    module.add("RunError", py.get_type::<errors::RunError>())?;
    module.add_class::<image::PyImage>()?;
    module.add_class::<table::PyTable>()?;
    module.add_class::<isophotes::PyIsophotes>()?;
    module.add_class::<products::PyOther>()?;
    module.add_class::<graph::PyGraph>()?;
    module.add_class::<voice::PyVoice>()?;
    module.add_function(wrap_pyfunction!(graph::load, module)?)?;
    module.add_function(wrap_pyfunction!(graph::stage_kinds, module)?)?;
    module.add_function(wrap_pyfunction!(graph::default_cache, module)?)?;
    algorithms::add_to(module)
}
