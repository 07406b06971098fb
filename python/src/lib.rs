//! The native half of the Python package `skyloom`; `python/lib/skyloom/` is the half that people import.

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

use pyo3::prelude::*;
// Nothing else refers to all stages: without this line the linker would drop some, and their registration.
use skyloom_stages as _;

/// Counts memory, so that reports can say what each node needed.
#[global_allocator]
static ALLOCATOR: skyloom_engine::memory::CountingAllocator = skyloom_engine::memory::CountingAllocator;

#[pymodule]
fn _skyloom(module: &Bound<'_, PyModule>) -> PyResult<()> {
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
    module.add_class::<stage::PyToken>()?;
    module.add_function(wrap_pyfunction!(graph::load, module)?)?;
    module.add_function(wrap_pyfunction!(graph::stage_kinds, module)?)?;
    module.add_function(wrap_pyfunction!(graph::default_cache, module)?)?;
    algorithms::add_to(module)
}
