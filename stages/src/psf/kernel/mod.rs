//! The models at many pixels at once: residuals, derivatives and the normal equations of a fit.
//!
//! Pixels lie in groups of [`GROUP`], column by column of the Jacobian, so that every loop runs over an array of fixed length and the
//! compiler turns it into vector code for the widest registers that the processor has. Sums go through [`LANES`] partial sums in a
//! fixed order: all widths give the same bits.

mod pixels;
mod shape;
mod sums;
#[cfg(test)]
mod tests;
mod values;
mod width;

use skyloom_data::PsfModel;

use super::model::{MAX_PARAMS, Params, n_params};
use super::solve::Matrix;
use shape::Shape;
use sums::{chi2_body, normal_body};

pub use pixels::FitPixels;
pub(super) use sums::Workspace;
pub use values::{model_values, model_values_into};
pub(super) use width::Width;

/// Pixels that are evaluated together: two of the widest registers, whose long chains of operations then overlap.
const GROUP: usize = 16;
/// Groups per block: the rows of a block stay in the nearest cache.
const GROUPS: usize = 8;
/// Partial sums.
const LANES: usize = 8;
/// One row per parameter, and the residuals.
const N_ROWS: usize = MAX_PARAMS + 1;
/// The row of the residuals.
const RESIDUAL: usize = MAX_PARAMS;

/// One number per pixel of a group.
type Slot = [f64; GROUP];
/// One number per pixel of a block.
type Row = [Slot; GROUPS];

/// `J'WJ` (only rows and columns of open parameters), `J'Wr` and chi2 at some parameters.
///
/// Only what belongs to open parameters is written: a fit keeps two of these and never copies them.
#[derive(Debug, Clone, Default)]
pub(super) struct Normal {
    pub matrix: Matrix,
    pub gradient: Params,
    pub chi2: f64,
}

#[inline(always)]
fn normal_of<const T: usize>(
    model: PsfModel,
    pixels: &FitPixels,
    p: &Params,
    open: &[usize],
    space: &mut Workspace,
    normal: &mut Normal,
) {
    let shape = Shape::new(model, p);
    match model {
        PsfModel::Gaussian => normal_body::<false, true, T>(&shape, pixels, open, space, normal),
        PsfModel::Moffat => normal_body::<true, false, T>(&shape, pixels, open, space, normal),
        PsfModel::Compound => normal_body::<true, true, T>(&shape, pixels, open, space, normal),
    }
}

#[inline(always)]
fn chi2_of(model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    let shape = Shape::new(model, p);
    match model {
        PsfModel::Gaussian => chi2_body::<false, true>(&shape, pixels),
        PsfModel::Moffat => chi2_body::<true, false>(&shape, pixels),
        PsfModel::Compound => chi2_body::<true, true>(&shape, pixels),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn normal_avx512(
    model: PsfModel,
    pixels: &FitPixels,
    p: &Params,
    open: &[usize],
    space: &mut Workspace,
    normal: &mut Normal,
) {
    normal_of::<4>(model, pixels, p, open, space, normal);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn chi2_avx512(model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    chi2_of(model, pixels, p)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn normal_avx2(
    model: PsfModel,
    pixels: &FitPixels,
    p: &Params,
    open: &[usize],
    space: &mut Workspace,
    normal: &mut Normal,
) {
    normal_of::<2>(model, pixels, p, open, space, normal);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn chi2_avx2(model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    chi2_of(model, pixels, p)
}

/// Weighted sum of squared residuals of a model.
#[must_use]
pub fn model_chi2(model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    chi2(Width::best(), model, pixels, p)
}

/// The normal equations of a fit, for the parameters in `open`.
pub(super) fn normal_equations(
    width: Width,
    model: PsfModel,
    pixels: &FitPixels,
    p: &Params,
    open: &[usize],
    space: &mut Workspace,
    normal: &mut Normal,
) {
    debug_assert!(open.iter().all(|&i| i < n_params(model)));
    match width {
        Width::Plain => normal_of::<2>(model, pixels, p, open, space, normal),
        // SAFETY: `Width::best` looked for the feature.
        #[cfg(target_arch = "x86_64")]
        Width::Avx2 => unsafe { normal_avx2(model, pixels, p, open, space, normal) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Width::Avx512 => unsafe { normal_avx512(model, pixels, p, open, space, normal) },
    }
}

/// chi2 alone.
pub(super) fn chi2(width: Width, model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    match width {
        Width::Plain => chi2_of(model, pixels, p),
        // SAFETY: `Width::best` looked for the feature.
        #[cfg(target_arch = "x86_64")]
        Width::Avx2 => unsafe { chi2_avx2(model, pixels, p) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Width::Avx512 => unsafe { chi2_avx512(model, pixels, p) },
    }
}
