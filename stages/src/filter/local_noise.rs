//! The scatter of an image around each pixel.

use ndarray::{Array2, ArrayView2};

use crate::background::Watch;
use crate::background::mesh::{MeshBackground, MeshError, NoiseEstimator, measure_mesh, zoom};

/// 1.4826 times the median absolute deviation in boxes of `box_px`, median filtered over 3 x 3 boxes, enlarged to the image.
///
/// Robust against objects in less than half of a box. Boxes with less than 1 % good pixels take the value of their neighbours.
///
/// # Errors
/// See [`MeshError`]: no good pixel, or no scatter anywhere.
pub fn local_noise(
    image: ArrayView2<'_, f32>,
    bad: ArrayView2<'_, bool>,
    box_px: usize,
    watch: Watch<'_>,
) -> Result<Array2<f32>, MeshError> {
    let params = MeshBackground {
        box_px,
        filter: 3,
        clip_iterations: 0,
        exclude_percentile: 99.0,
        noise_estimator: NoiseEstimator::MadStd,
        ..MeshBackground::default()
    };
    let mesh = measure_mesh(image, bad, &params, watch)?;
    Ok(zoom(&mesh.noise, mesh.box_px, [image.nrows(), image.ncols()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bright_object_does_not_count_as_noise() {
        let mut image = Array2::from_shape_fn((128, 128), |(y, x)| ((y * 31 + x * 17 + y * x) % 13) as f32);
        let bad = Array2::from_elem((128, 128), false);
        let before = local_noise(image.view(), bad.view(), 64, &|_| true).unwrap();
        image.slice_mut(ndarray::s![20..40, 20..40]).fill(1e4);
        let after = local_noise(image.view(), bad.view(), 64, &|_| true).unwrap();
        for (a, b) in before.iter().zip(&after) {
            assert!(*a > 2.0 && (b - a).abs() < 1.6, "{a} {b}");
        }
    }
}
