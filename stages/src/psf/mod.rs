//! Point-spread functions: analytic models, the bounded fitter, and the PSF field of an image.

mod field;
mod fit_star;
mod levenberg;
mod model;
mod params;
mod position_grid;
mod robust;
mod select;
mod solve;
mod stage;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;

pub use field::{PsfFieldFit, PsfFitError, fit_psf_field};
pub use fit_star::{StarFit, StarFlags, fit_star, start_values};
pub use levenberg::{Bounds, Fit, FitOptions, FitPixel, FitStatus, fit};
pub use model::{MAX_PARAMS, Params, Profile, n_params, params_from_shape, shape_from_params, shape_scale};
pub use params::{PsfFit, PsfShape};
pub use position_grid::PositionGrid;
pub use robust::{AXIAL_PERIOD, axial_median, mad_sigma, median};
pub use select::{Candidate, Rejections, select_stars};
pub(crate) use solve::{Matrix, cholesky, solve};

pub(crate) use fit_star::misfit;
pub(crate) use select::peak_near;
pub(crate) use stage::{check_same_shape, read_candidates, require_columns, require_same_shape};
