//! The native module of `skyloom` for Python with the stage `{{kind}}`. Crates of other people are added to the list.

use pyo3::prelude::*;

/// Counts memory, so that reports can say what each node needed.
#[global_allocator]
static ALLOCATOR: skyloom_python::CountingAllocator = skyloom_python::CountingAllocator;

#[pymodule]
fn _skyloom(module: &Bound<'_, PyModule>) -> PyResult<()> {
    skyloom_python::fill(module, &[{{ident}}::STAGE_CRATE])
}
