//! The iteration of mesh and mask, as a function over arrays.

use ndarray::{Array2, ArrayView2, Zip};

use crate::background::Watch;
use crate::background::mesh::{MeshBackground, MeshError, measure_mesh, zoom};
use crate::filter::{dilate, fill_bad, gaussian, local_noise, open};

use super::params::MaskedMeshBackground;

/// Full-size maps.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskedMesh {
    /// Input minus background.
    pub image: Array2<f32>,
    /// The background.
    pub background: Array2<f32>,
    /// Local scatter of the unsmoothed image where nothing is masked.
    pub noise: Array2<f32>,
    /// What was masked in the last round, bad pixels included.
    pub masked: Array2<bool>,
}

/// Measures the background of `pixels` with objects masked. Pixels that are `bad` take no part.
///
/// # Errors
/// See [`MeshError`].
pub fn masked_mesh(
    pixels: ArrayView2<'_, f32>,
    bad: ArrayView2<'_, bool>,
    params: &MaskedMeshBackground,
    watch: Watch<'_>,
) -> Result<MaskedMesh, MeshError> {
    let mesh = MeshBackground {
        box_px: params.box_px,
        filter: params.filter,
        clip_sigma: params.clip_sigma,
        // Nine tenths of a box may be objects; the rest still tells its level.
        exclude_percentile: 90.0,
        ..MeshBackground::default()
    };
    let measure = |masked: ArrayView2<'_, bool>| -> Result<Array2<f32>, MeshError> {
        let mesh = measure_mesh(pixels, masked, &mesh, watch)?;
        Ok(zoom(&mesh.background, mesh.box_px, [pixels.nrows(), pixels.ncols()]))
    };
    let mut masked = bad.to_owned();
    let mut background = measure(masked.view())?;
    let mut image = &pixels - &background;
    for _ in 0..params.iterations {
        let smooth = gaussian(fill_bad(image.view(), bad).view(), params.smooth_px);
        let noise = local_noise(smooth.view(), bad, params.noise_box_px, watch)?;
        let objects =
            Zip::from(&smooth).and(&noise).map_collect(|&v, &n| f64::from(v) > params.mask_sigma * f64::from(n));
        masked = dilate(open(objects.view()).view(), params.grow_px);
        Zip::from(&mut masked).and(bad).for_each(|m, &b| *m |= b);
        background = measure(masked.view())?;
        image = &pixels - &background;
    }
    let noise = local_noise(image.view(), masked.view(), params.noise_box_px, watch)?;
    Ok(MaskedMesh { image, background, noise, masked })
}
