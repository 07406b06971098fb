//! The native module of the wheel, with the stages of Skyloom. `skyloom new stage --python` writes one that holds another crate's, too.

use pyo3::prelude::*;

/// Counts memory, so that reports can say what each node needed.
#[global_allocator]
static ALLOCATOR: skyloom_python::CountingAllocator = skyloom_python::CountingAllocator;

#[pymodule]
fn _skyloom(module: &Bound<'_, PyModule>) -> PyResult<()> {
    skyloom_python::fill(module, &[])
}
