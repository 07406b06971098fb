//! The grid of cells, and who borrows from whom.

use skyloom_data::{PsfCell, PsfField, PsfModel, PsfSet};

use super::params::{BuildField, Scatter};
use super::summary::summarise;
use crate::psf::model::Params;

/// Usable fits of one group of stars, in canonical form: `params[1]`, `params[2]` are the centre in the image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupFits {
    /// Moffat fits.
    pub moffat: Vec<Params>,
    /// Compound fits.
    pub compound: Vec<Params>,
}

/// The grid, and how its cells are filled.
#[derive(Debug, Clone, PartialEq)]
pub struct CellOptions {
    /// Columns of the image.
    pub width: usize,
    /// Rows of the image.
    pub height: usize,
    /// Largest side of a cell in pixels.
    pub cell_px: f64,
    /// Measure of spread.
    pub scatter: Scatter,
    /// Stars that a cell needs.
    pub min_cell_stars: usize,
    /// Stars that a group needs.
    pub min_stars: usize,
}

impl CellOptions {
    /// Of an image, with the parameters of the stage.
    #[must_use]
    pub fn of(params: &BuildField, width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            cell_px: params.cell_px,
            scatter: params.scatter,
            min_cell_stars: params.min_cell_stars,
            min_stars: params.min_stars,
        }
    }

    /// Cells along an axis: `ceil(size / cell_px)`, at least one.
    fn n_cells(&self, size: usize) -> usize {
        ((size as f64 / self.cell_px).ceil() as usize).clamp(1, size.max(1))
    }
}

/// The faint group is too small for any PSF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{found} usable {model} fits of faint stars, at least {needed} are needed")]
pub struct TooFewStars {
    /// Usable fits.
    pub found: usize,
    /// Fits needed.
    pub needed: usize,
    /// `Moffat` or `compound`.
    pub model: &'static str,
}

/// The four fields of the method from the fits of both groups.
///
/// # Errors
/// When fewer than `min_stars` faint stars have a usable fit of either model.
pub fn build_psf_set(faint: &GroupFits, bright: &GroupFits, options: &CellOptions) -> Result<PsfSet, TooFewStars> {
    for (fits, model) in [(&faint.moffat, "Moffat"), (&faint.compound, "compound")] {
        if fits.len() < options.min_stars.max(1) {
            return Err(TooFewStars { found: fits.len(), needed: options.min_stars.max(1), model });
        }
    }
    let faint_moffat = build_field(PsfModel::Moffat, &faint.moffat, options);
    let faint_compound = build_field(PsfModel::Compound, &faint.compound, options);
    let or_faint = |model: PsfModel, fits: &[Params], faint: &PsfField| {
        if fits.len() >= options.min_stars.max(1) {
            return build_field(model, fits, options);
        }
        let counts = members(fits, faint);
        let mut borrowed = faint.clone();
        for (cell, list) in borrowed.cells.iter_mut().zip(counts) {
            cell.is_borrowed = true;
            cell.n_stars = list.len();
        }
        borrowed
    };
    Ok(PsfSet {
        bright_moffat: or_faint(PsfModel::Moffat, &bright.moffat, &faint_moffat),
        bright_compound: or_faint(PsfModel::Compound, &bright.compound, &faint_compound),
        faint_moffat,
        faint_compound,
    })
}

/// The stars of every cell of a grid, in the order of the list. Stars outside the image are in the nearest cell, as
/// [`PsfField::cell_at`] has it.
fn members(fits: &[Params], field: &PsfField) -> Vec<Vec<Params>> {
    let index = |v: f64, size: usize, n: usize| (((v + 0.5) * n as f64 / size as f64).max(0.0) as usize).min(n - 1);
    let mut members = vec![Vec::new(); field.n_x * field.n_y];
    for params in fits {
        let (ix, iy) = (index(params[1], field.width, field.n_x), index(params[2], field.height, field.n_y));
        members[iy * field.n_x + ix].push(*params);
    }
    members
}

/// One field; cells with few stars take the values of the whole image. `fits` is not empty.
fn build_field(model: PsfModel, fits: &[Params], options: &CellOptions) -> PsfField {
    let (n_x, n_y) = (options.n_cells(options.width), options.n_cells(options.height));
    let mut field = PsfField {
        model,
        width: options.width,
        height: options.height,
        n_x,
        n_y,
        cells: Vec::with_capacity(n_x * n_y),
    };
    let whole = summarise(model, fits, options.scatter);
    field.cells = members(fits, &field)
        .iter()
        .map(|stars| {
            if stars.len() >= options.min_cell_stars.max(1) {
                summarise(model, stars, options.scatter)
            } else {
                PsfCell { n_stars: stars.len(), is_borrowed: true, ..whole.clone() }
            }
        })
        .collect();
    field
}
