//! The sky of the joint fit: a mesh of robust levels.

use ndarray::Array2;

use crate::background::Watch;
use crate::background::mesh::{BackgroundEstimator, MeshBackground, MeshError, measure_mesh, zoom};

/// A sky map from boxes of `box_px`: modes while stars are in the image, medians without them.
pub(super) fn sky(
    image: &Array2<f32>,
    bad: &Array2<bool>,
    box_px: usize,
    has_stars: bool,
    watch: Watch<'_>,
) -> Result<Array2<f32>, MeshError> {
    let params = MeshBackground {
        box_px,
        filter: 3,
        clip_sigma: 2.5,
        estimator: if has_stars { BackgroundEstimator::Sextractor } else { BackgroundEstimator::Median },
        exclude_percentile: 90.0,
        ..MeshBackground::default()
    };
    let mesh = measure_mesh(image.view(), bad.view(), &params, watch)?;
    Ok(zoom(&mesh.background, mesh.box_px, [image.nrows(), image.ncols()]))
}
