//! Point-spread functions: analytic models, the bounded fitter, and the PSF field of an image.

mod bright;
mod catalogue_star;
mod cells;
mod faint;
mod field;
mod fit_star;
mod fitted_star;
mod isolated;
mod kernel;
mod levenberg;
mod model;
mod params;
mod position_grid;
mod robust;
mod select;
pub(crate) mod smooth;
mod solve;
mod stage;
mod stamp;
mod star_columns;

#[cfg(test)]
mod interpolated_tests;
#[cfg(test)]
mod made_sky;
#[cfg(test)]
mod scene_vector_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;

pub use bright::{BrightFitOptions, FitBright, fit_bright_star};
pub use catalogue_star::CatalogueStar;
pub use cells::{BuildField, CellOptions, GroupFits, Scatter, TooFewStars, build_psf_set};
pub use faint::{FitFaint, bicubic, fit_faint_star, gaussian_start, outline};
pub use field::{PsfFieldFit, PsfFitError, fit_psf_field};
pub use fit_star::{StarFit, StarFlags, fit_star, start_values};
pub use fitted_star::{FitFlags, FittedStar, ModelFit, fits_to_table, usable_fits};
pub use isolated::{Group, IsolatedStar, Reasons, SelectIsolated, Selection, count_contours, select_isolated};
pub use kernel::{FitPixels, model_chi2, model_values, model_values_into};
pub use levenberg::{Bounds, Fit, FitOptions, FitPixel, FitStatus, fit, fit_pixels};
pub use model::{MAX_PARAMS, Params, Profile, n_params, params_from_shape, shape_from_params, shape_scale};
pub use params::{PsfFit, PsfShape};
pub use position_grid::PositionGrid;
pub use robust::{AXIAL_PERIOD, axial_median, mad_sigma, median};
pub use select::{Candidate, Rejections, select_stars};
pub(crate) use solve::{Matrix, cholesky, solve};
pub use stamp::{Stamp, Weighting};
pub use star_columns::StarPosition;

pub(crate) use fit_star::misfit;
pub(crate) use select::peak_near;
pub(crate) use stage::{check_same_shape, read_candidates, require_columns, require_same_shape};
pub(crate) use stamp::CAPPED;
