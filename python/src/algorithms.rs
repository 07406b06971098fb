//! Algorithms as functions on arrays. `python/lib/skyloom/{background,contour,measure,psf}.py` give them names, defaults and documentation.

use numpy::{PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use skyloom_data::{MaskBits, PsfModel};
use skyloom_stages::background::mesh::{MeshBackground, mesh_background};
use skyloom_stages::background::nebuliser::{Nebulise, nebulise as run_nebulise};
use skyloom_stages::contour::{ContourOptions, find_contours as run_contours};
use skyloom_stages::measure::{LightRadius, MeasureOptions, measure_isophote};
use skyloom_stages::psf::{Bounds, FitOptions, FitPixel, MAX_PARAMS, fit as run_fit, model_values, n_params};

use crate::errors::value_error;
use crate::isophotes::vertices;

/// An image as an array.
type Pixels<'py> = Bound<'py, PyArray2<f32>>;

/// Read-only: what the functions give is not to be changed by accident, as products are not.
fn owned<'py, T: numpy::Element>(py: Python<'py>, array: ndarray::Array2<T>) -> Bound<'py, PyArray2<T>> {
    let array = PyArray2::from_owned_array(py, array);
    array.readwrite().make_nonwriteable();
    array
}

/// Pixels that count: finite and not masked.
fn bad(
    pixels: &PyReadonlyArray2<'_, f32>,
    mask: Option<&PyReadonlyArray2<'_, bool>>,
) -> PyResult<ndarray::Array2<bool>> {
    let pixels = pixels.as_array();
    let mut bad = pixels.mapv(|v| !v.is_finite());
    if let Some(mask) = mask {
        let mask = mask.as_array();
        if mask.dim() != pixels.dim() {
            return Err(value_error(format!("the mask has the shape {:?}, the image {:?}", mask.dim(), pixels.dim())));
        }
        bad.zip_mut_with(&mask, |bad, &masked| *bad |= masked);
    }
    Ok(bad)
}

#[pyfunction]
fn nebulise<'py>(
    py: Python<'py>,
    image: PyReadonlyArray2<'py, f32>,
    median: usize,
    linear: usize,
    iterations: usize,
    takeout_sky: bool,
    mask: Option<PyReadonlyArray2<'py, bool>>,
) -> PyResult<(Pixels<'py>, Pixels<'py>)> {
    if median == 0 || linear == 0 || iterations == 0 {
        return Err(value_error("median, linear and iterations must be at least 1"));
    }
    let bad = bad(&image, mask.as_ref())?;
    let params = Nebulise { iterations, takeout_sky, ..Nebulise::new(median, linear) };
    let pixels = image.as_array();
    let made = py.detach(|| run_nebulise(pixels, bad.view(), &params, &|_| true)).map_err(value_error)?;
    Ok((owned(py, made.image), owned(py, made.background)))
}

#[pyfunction]
fn mesh<'py>(
    py: Python<'py>,
    image: PyReadonlyArray2<'py, f32>,
    box_size: usize,
    filter: usize,
    clip_sigma: f64,
    mask_sigma: Option<f64>,
    exclude_percentile: f64,
    mask: Option<PyReadonlyArray2<'py, bool>>,
) -> PyResult<(Pixels<'py>, Pixels<'py>, Pixels<'py>)> {
    if box_size == 0 || filter.is_multiple_of(2) {
        return Err(value_error("box must be at least 1, and filter an odd number"));
    }
    let bad = bad(&image, mask.as_ref())?;
    let params = MeshBackground {
        box_px: box_size,
        filter,
        clip_sigma,
        mask_sigma,
        exclude_percentile,
        ..MeshBackground::default()
    };
    let pixels = image.as_array();
    let maps = py.detach(|| mesh_background(pixels, bad.view(), &params, &|_| true)).map_err(value_error)?;
    Ok((owned(py, maps.image), owned(py, maps.background), owned(py, maps.noise)))
}

#[pyfunction]
fn find_contours<'py>(
    py: Python<'py>,
    image: PyReadonlyArray2<'py, f32>,
    level: f64,
    closed_only: bool,
    drop_holes: bool,
    min_area: f64,
    mask: Option<PyReadonlyArray2<'py, bool>>,
) -> PyResult<Vec<Bound<'py, PyArray2<f64>>>> {
    let bad = bad(&image, mask.as_ref())?;
    let options = ContourOptions { drop_holes, drop_open: closed_only, min_area, ..ContourOptions::default() };
    let pixels = image.as_array();
    let found = py.detach(|| run_contours(pixels, level, Some(bad.view()), &options));
    Ok(found.iter().map(|contour| vertices(py, &contour.vertices)).collect())
}

#[pyfunction]
fn measure_contour<'py>(
    py: Python<'py>,
    contour: PyReadonlyArray2<'py, f64>,
    image: PyReadonlyArray2<'py, f32>,
    noise: Option<PyReadonlyArray2<'py, f32>>,
    mask: Option<PyReadonlyArray2<'py, bool>>,
    rms: bool,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let contour = contour.as_array();
    if contour.ncols() != 2 {
        return Err(value_error(format!("a contour has the shape (n, 2), not {:?}", contour.dim())));
    }
    let points: Vec<[f64; 2]> = contour.rows().into_iter().map(|row| [row[0], row[1]]).collect();
    let bits = mask.map(|mask| mask.as_array().mapv(|masked| if masked { MaskBits::BAD } else { 0 }));
    let shapes = [noise.as_ref().map(|n| n.as_array().dim()), bits.as_ref().map(ndarray::ArrayBase::dim)];
    if let Some(shape) = shapes.into_iter().flatten().find(|shape| *shape != image.as_array().dim()) {
        return Err(value_error(format!("a map has the shape {shape:?}, the image {:?}", image.as_array().dim())));
    }
    let options = MeasureOptions {
        light_radius: if rms { LightRadius::Rms } else { LightRadius::Mean },
        ..MeasureOptions::default()
    };
    let (pixels, noise) = (image.as_array(), noise.as_ref().map(PyReadonlyArray2::as_array));
    let measured = py.detach(|| measure_isophote(&points, pixels, noise, bits.as_ref().map(|b| b.view()), &options));
    let Some(m) = measured else { return Ok(None) };
    let result = PyDict::new(py);
    result.set_item("area", m.area)?;
    result.set_item("r_geo", m.r_geo)?;
    result.set_item("x", m.centre[0])?;
    result.set_item("y", m.centre[1])?;
    result.set_item("n_pixels", m.n_pixels)?;
    result.set_item("flux", m.flux)?;
    result.set_item("x_light", m.light_centre[0])?;
    result.set_item("y_light", m.light_centre[1])?;
    result.set_item("r_light", m.r_light)?;
    result.set_item("semi_major", m.axes[0])?;
    result.set_item("semi_minor", m.axes[1])?;
    result.set_item("pa_deg", m.pa_deg)?;
    result.set_item("median_pixel", m.median_pixel)?;
    result.set_item("n_masked", m.n_masked)?;
    Ok(Some(result))
}

fn model_of(name: &str) -> PyResult<PsfModel> {
    match name {
        "gaussian" => Ok(PsfModel::Gaussian),
        "moffat" => Ok(PsfModel::Moffat),
        "compound" => Ok(PsfModel::Compound),
        _ => Err(value_error(format!("no model {name:?}: gaussian, moffat or compound"))),
    }
}

fn params_of(model: PsfModel, values: &[f64]) -> PyResult<[f64; MAX_PARAMS]> {
    if values.len() != n_params(model) {
        return Err(value_error(format!("{} parameters, expected {}", values.len(), n_params(model))));
    }
    let mut all = [0.0; MAX_PARAMS];
    all[..values.len()].copy_from_slice(values);
    Ok(all)
}

#[pyfunction]
fn fit_psf<'py>(
    py: Python<'py>,
    stamp: PyReadonlyArray2<'py, f32>,
    model: &str,
    start: Vec<f64>,
    noise: Option<PyReadonlyArray2<'py, f32>>,
    mask: Option<PyReadonlyArray2<'py, bool>>,
    limits: Vec<(usize, f64, f64)>,
) -> PyResult<Bound<'py, PyDict>> {
    let model = model_of(model)?;
    let start = params_of(model, &start)?;
    let bad = bad(&stamp, mask.as_ref())?;
    let values = stamp.as_array();
    if let Some(noise) = noise.as_ref().filter(|noise| noise.as_array().dim() != values.dim()) {
        return Err(value_error(format!(
            "the noise has the shape {:?}, the stamp {:?}",
            noise.as_array().dim(),
            values.dim()
        )));
    }
    let sigma = noise.as_ref().map(PyReadonlyArray2::as_array);
    let pixels: Vec<FitPixel> = values
        .indexed_iter()
        .filter(|(at, _)| !bad[*at])
        .map(|((y, x), &v)| {
            let sigma = sigma.as_ref().map_or(1.0, |s| f64::from(s[[y, x]]));
            let weight = if sigma > 0.0 { 1.0 / (sigma * sigma) } else { 0.0 };
            FitPixel { x: x as f64, y: y as f64, value: f64::from(v), weight }
        })
        .collect();
    let mut bounds = Bounds::natural(model);
    for (i, low, high) in limits {
        if i >= n_params(model) || low.is_nan() || high.is_nan() || low > high {
            return Err(value_error(format!("limits of parameter {i}: {low} to {high}")));
        }
        bounds.limit(i, low, high);
    }
    let found = py.detach(|| run_fit(model, &pixels, &start, &bounds, &FitOptions::default()));
    let n = n_params(model);
    let result = PyDict::new(py);
    result.set_item("params", found.params[..n].to_vec())?;
    result.set_item("errors", found.errors[..n].to_vec())?;
    result.set_item("chi2", found.chi2)?;
    result.set_item("reduced_chi2", found.reduced_chi2())?;
    result.set_item("is_converged", found.is_converged())?;
    result.set_item("iterations", found.iterations)?;
    result.set_item("n_pixels", found.n_pixels)?;
    Ok(result)
}

#[pyfunction]
fn psf_model<'py>(
    py: Python<'py>,
    model: &str,
    params: Vec<f64>,
    shape: (usize, usize),
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let model = model_of(model)?;
    let params = params_of(model, &params)?;
    let (height, width) = shape;
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x as f64, y as f64)));
    let values = py.detach(|| model_values(model, &params, places));
    let array = ndarray::Array2::from_shape_vec(shape, values).map_err(value_error)?;
    Ok(owned(py, array))
}

/// Adds the functions to the module.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(nebulise, module)?)?;
    module.add_function(wrap_pyfunction!(mesh, module)?)?;
    module.add_function(wrap_pyfunction!(find_contours, module)?)?;
    module.add_function(wrap_pyfunction!(measure_contour, module)?)?;
    module.add_function(wrap_pyfunction!(fit_psf, module)?)?;
    module.add_function(wrap_pyfunction!(psf_model, module)?)?;
    module.add_function(wrap_pyfunction!(crate::run::product, module)?)
}
