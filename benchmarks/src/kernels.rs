//! Every kernel as one call, with the settings of the published method.

use ndarray::{Array2, ArrayView2};
use skyloom_data::PsfModel;
use skyloom_stages::background::mesh::{MeshBackground, MeshMaps, mesh_background};
use skyloom_stages::background::nebuliser::{Nebulise, Nebulised, nebulise, running_medians};
use skyloom_stages::contour::{Contour, ContourOptions, find_contours};
use skyloom_stages::psf::{Bounds, Fit, FitOptions, FitPixel, Params, fit};
use skyloom_stages::segment::{
    Connectivity, DeblendOptions, SegmentMeasures, Threshold, deblend_sources, detect_sources, measure_segments,
};

/// Goes on to the end.
const GO_ON: &(dyn Fn(u64) -> bool + Sync) = &|_| true;

/// The nebuliser; `None` when it fails, which a benchmark does not.
#[must_use]
pub fn nebuliser(image: ArrayView2<'_, f32>, median: usize, linear: usize, iterations: usize) -> Option<Nebulised> {
    let bad = Array2::from_elem(image.dim(), false);
    nebulise(image, bad.view(), &Nebulise { iterations, ..Nebulise::new(median, linear) }, GO_ON).ok()
}

/// Running medians along the rows, then along the columns.
#[must_use]
pub fn medians(image: ArrayView2<'_, f32>, window: usize) -> Option<Array2<f32>> {
    running_medians(image, window, GO_ON).ok()
}

/// Background mesh and noise map in boxes of `box_px`.
#[must_use]
pub fn mesh(image: ArrayView2<'_, f32>, box_px: usize) -> Option<MeshMaps> {
    let bad = Array2::from_elem(image.dim(), false);
    mesh_background(image, bad.view(), &MeshBackground { box_px, ..MeshBackground::default() }, GO_ON).ok()
}

/// Sources above a threshold, divided and measured.
#[must_use]
pub fn sources(image: ArrayView2<'_, f32>, threshold: f32) -> Vec<SegmentMeasures> {
    let segments = detect_sources(image, Threshold::Value(threshold), 5, Connectivity::Eight);
    let divided = deblend_sources(image, &segments, &DeblendOptions::default());
    measure_segments(image, &divided)
}

/// Closed contours at a level.
#[must_use]
pub fn contours(image: ArrayView2<'_, f32>, level: f64) -> Vec<Contour> {
    let options = ContourOptions { drop_holes: true, drop_open: true, ..ContourOptions::default() };
    find_contours(image, level, None, &options)
}

/// A fit with free parameters from a fixed start.
#[must_use]
pub fn star(model: PsfModel, pixels: &[FitPixel]) -> Fit {
    let start: Params = [350.0, 8.0, 8.0, 2.0, 1.8, 0.2, 2.5, 100.0, 1.2, 1.1, 0.2];
    let mut bounds = Bounds::natural(model);
    if model == PsfModel::Compound {
        for (i, low, high) in [
            (3, 1.0, 3.0),
            (4, 1.0, 3.0),
            (5, -0.7, 1.3),
            (6, 1.5, 4.0),
            (7, 0.0, 1e9),
            (8, 0.7, 2.0),
            (9, 0.7, 2.0),
            (10, -0.7, 1.3),
        ] {
            bounds.limit(i, low, high);
        }
    }
    fit(
        model,
        pixels,
        &start,
        &bounds,
        &FitOptions { max_iterations: 100, tolerance: 1e-6, has_errors: false, has_search: false },
    )
}
