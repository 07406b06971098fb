//! Isophotes as lists of arrays.

use std::sync::Arc;

use ndarray::Array2;
use numpy::{PyArray2, PyArrayMethods, ToPyArray};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use skyloom_data::Isophotes;

/// A set of closed contours of one image. `isophotes[i]` gives the vertices `(x, y)` of contour `i`, shape `(n, 2)`, zero-based pixels.
#[pyclass(frozen, name = "Isophotes", module = "skyloom")]
pub(crate) struct PyIsophotes(pub(crate) Arc<Isophotes>);

/// Vertices as a read-only array of shape `(n, 2)`.
pub(crate) fn vertices<'py>(py: Python<'py>, list: &[[f64; 2]]) -> Bound<'py, PyArray2<f64>> {
    let array = Array2::from_shape_fn((list.len(), 2), |(i, j)| list[i][j]).to_pyarray(py);
    array.readwrite().make_nonwriteable();
    array
}

#[pymethods]
impl PyIsophotes {
    fn __len__(&self) -> usize {
        self.0.contours.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let n = self.0.contours.len();
        let at = if index < 0 { index + n as isize } else { index };
        let contour = usize::try_from(at).ok().and_then(|i| self.0.contours.get(i));
        let contour = contour.ok_or_else(|| PyIndexError::new_err(format!("contour {index} of {n}")))?;
        Ok(vertices(py, &contour.vertices))
    }

    /// Level of each contour in units of the noise.
    #[getter]
    fn levels(&self) -> Vec<f64> {
        self.0.contours.iter().map(|c| c.level_sigma).collect()
    }

    /// For each contour the index of the one that contains it, or `None`.
    #[getter]
    fn parents(&self) -> Vec<Option<usize>> {
        self.0.contours.iter().map(|c| c.parent).collect()
    }

    /// `(rows, columns)` of the image.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.0.height, self.0.width)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Isophotes: {} contours of an image of {} x {} px>",
            self.0.contours.len(),
            self.0.width,
            self.0.height
        )
    }
}
