//! Values of a model, without residuals.

use skyloom_data::PsfModel;

use super::shape::Shape;
use super::{GROUP, Slot, Width};
use crate::psf::model::Params;

#[inline(always)]
fn fill_values<const MOFFAT: bool, const GAUSS: bool>(shape: &Shape, x: &Slot, y: &Slot, values: &mut Slot) {
    for k in 0..GROUP {
        values[k] = shape.value::<MOFFAT, GAUSS>(x[k], y[k]);
    }
}

#[inline(always)]
fn values_of(model: PsfModel, shape: &Shape, x: &Slot, y: &Slot, values: &mut Slot) {
    match model {
        PsfModel::Gaussian => fill_values::<false, true>(shape, x, y, values),
        PsfModel::Moffat => fill_values::<true, false>(shape, x, y, values),
        PsfModel::Compound => fill_values::<true, true>(shape, x, y, values),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn values_avx512(model: PsfModel, shape: &Shape, x: &Slot, y: &Slot, values: &mut Slot) {
    values_of(model, shape, x, y, values);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn values_avx2(model: PsfModel, shape: &Shape, x: &Slot, y: &Slot, values: &mut Slot) {
    values_of(model, shape, x, y, values);
}

/// The model at places, one after the other in `all`, which keeps its memory.
pub fn model_values_into(model: PsfModel, p: &Params, places: impl Iterator<Item = (f64, f64)>, all: &mut Vec<f64>) {
    let (width, shape) = (Width::best(), Shape::new(model, p));
    all.clear();
    let (mut x, mut y, mut values) = ([p[1]; GROUP], [p[2]; GROUP], [0.0; GROUP]);
    let mut flush = |n: usize, x: &Slot, y: &Slot| {
        match width {
            Width::Plain => values_of(model, &shape, x, y, &mut values),
            // SAFETY: `Width::best` looked for the feature.
            #[cfg(target_arch = "x86_64")]
            Width::Avx2 => unsafe { values_avx2(model, &shape, x, y, &mut values) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Width::Avx512 => unsafe { values_avx512(model, &shape, x, y, &mut values) },
        }
        all.extend_from_slice(&values[..n]);
    };
    let mut n = 0;
    for place in places {
        (x[n], y[n]) = place;
        n += 1;
        if n == GROUP {
            flush(n, &x, &y);
            n = 0;
        }
    }
    if n > 0 {
        flush(n, &x, &y);
    }
}

/// The model at places, in their order.
#[must_use]
pub fn model_values(model: PsfModel, p: &Params, places: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    let mut all = Vec::new();
    model_values_into(model, p, places, &mut all);
    all
}
