//! Images: NumPy views of pixels and mask, world coordinates as header cards.

use std::sync::Arc;

use ndarray::Array2;
use numpy::{Element, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use skyloom_data::{CardValue, Header, Image, ImageMeta, Wcs};

use crate::errors::value_error;

/// An image: pixels `[y, x]`, mask plane, world coordinates and the facts that measurements need. It does not change.
#[pyclass(frozen, name = "Image", module = "skyloom")]
pub(crate) struct PyImage(pub(crate) Arc<Image>);

/// The value of a header card; a bool is tried first, since it is an int in Python.
#[derive(FromPyObject)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl From<Value> for CardValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Bool(v) => Self::Bool(v),
            Value::Int(v) => Self::Int(v),
            Value::Float(v) => Self::Float(v),
            Value::Text(v) => Self::Text(v),
        }
    }
}

/// A read-only array over memory that `owner` keeps.
fn view<'py, T: Element>(array: &Array2<T>, owner: Bound<'py, PyAny>) -> Bound<'py, PyArray2<T>> {
    // SAFETY: the array is part of what `owner` holds by a reference count, never changes and never moves; the NumPy array keeps `owner`.
    let view = unsafe { PyArray2::borrow_from_array(array, owner) };
    view.readwrite().make_nonwriteable();
    view
}

#[pymethods]
impl PyImage {
    #[new]
    #[pyo3(signature = (pixels, *, mask=None, header=None, unit=None, band=None, zero_point=None, exposure_s=None))]
    fn new(
        pixels: PyReadonlyArray2<'_, f32>,
        mask: Option<PyReadonlyArray2<'_, u16>>,
        header: Option<Vec<(String, Value)>>,
        unit: Option<String>,
        band: Option<String>,
        zero_point: Option<f64>,
        exposure_s: Option<f64>,
    ) -> PyResult<Self> {
        let pixels = pixels.as_array().to_owned();
        let mask = mask.map(|mask| mask.as_array().to_owned());
        if let Some(mask) = mask.as_ref().filter(|mask| mask.dim() != pixels.dim()) {
            let message = format!("the mask has the shape {:?}, the image {:?}", mask.dim(), pixels.dim());
            return Err(value_error(message));
        }
        let wcs = match header {
            None => None,
            Some(cards) => {
                let mut header = Header::new();
                cards.into_iter().for_each(|(key, value)| header.set(&key, value.into()));
                Wcs::from_header(&header).map_err(value_error)?
            }
        };
        // A mask without a single bit is none, as everywhere.
        let mask = mask.filter(|mask| mask.iter().any(|&m| m != 0));
        let meta = ImageMeta { unit, band, exposure_s, zero_point, cards: Vec::new() };
        Ok(Self(Arc::new(Image { pixels, mask, wcs, meta })))
    }

    /// Pixel values `[y, x]`, float32: a read-only view. NaN marks pixels without a value.
    #[getter]
    fn pixels<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray2<f32>> {
        view(&slf.get().0.pixels, slf.clone().into_any())
    }

    /// Mask bits `[y, x]`, uint16: a read-only view; `None` when no pixel is masked.
    #[getter]
    fn mask_bits<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyArray2<u16>>> {
        Some(view(slf.get().0.mask.as_ref()?, slf.clone().into_any()))
    }

    /// Address of the first pixel, for those who want to see that nothing was copied.
    #[getter]
    fn address(&self) -> usize {
        self.0.pixels.as_ptr() as usize
    }

    /// `(rows, columns)`.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.0.pixels.dim()
    }

    /// Unit of the pixels.
    #[getter]
    fn unit(&self) -> Option<&str> {
        self.0.meta.unit.as_deref()
    }

    /// Band name.
    #[getter]
    fn band(&self) -> Option<&str> {
        self.0.meta.band.as_deref()
    }

    /// Magnitude of 1 unit per second.
    #[getter]
    fn zero_point(&self) -> Option<f64> {
        self.0.meta.zero_point
    }

    /// Exposure time in seconds to which the pixel values belong.
    #[getter]
    fn exposure_s(&self) -> Option<f64> {
        self.0.meta.exposure_s
    }

    /// World coordinates as header cards `(keyword, value, comment)`; empty when there are none.
    #[getter]
    fn wcs_cards(&self, py: Python<'_>) -> PyResult<Vec<(String, Py<PyAny>, String)>> {
        let cards = self.0.wcs.as_ref().map(Wcs::cards).unwrap_or_default();
        cards
            .into_iter()
            .map(|card| {
                let value = match card.value {
                    CardValue::Text(v) => v.into_py_any(py)?,
                    CardValue::Bool(v) => v.into_py_any(py)?,
                    CardValue::Int(v) => v.into_py_any(py)?,
                    CardValue::Float(v) => v.into_py_any(py)?,
                    CardValue::Undefined => py.None(),
                };
                Ok((card.key, value, card.comment))
            })
            .collect()
    }

    /// The same frame (mask, world coordinates, facts) with other pixels of the same shape.
    fn with_pixels(&self, pixels: PyReadonlyArray2<'_, f32>) -> PyResult<Self> {
        let pixels = pixels.as_array().to_owned();
        if pixels.dim() != self.0.pixels.dim() {
            let message = format!("the pixels have the shape {:?}, the image {:?}", pixels.dim(), self.0.pixels.dim());
            return Err(value_error(message));
        }
        Ok(Self(Arc::new(self.0.with_pixels(pixels))))
    }

    /// Magnitude of a flux in pixel units; NaN for a flux that is not positive or an image without zero point.
    fn magnitude(&self, flux: f64) -> f64 {
        self.0.magnitude(flux)
    }
}
