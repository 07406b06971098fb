//! Measures of isophotes: size, light moments, place in the tree.

pub(crate) mod columns;
mod ellipse_fit;
pub mod evidence;
pub(crate) mod fwhm;
mod median;
mod meet;
mod moments;
pub mod polygon;
pub(crate) mod shape;
mod stage;
#[cfg(test)]
mod tests;
mod tree;

pub use ellipse_fit::fit_ellipse;
pub use evidence::MeasureEvidence;
pub use median::{Ellipse, median_in_ellipse};
pub use meet::{BoxIndex, polygons_meet};
pub use moments::{IsophoteMeasures, LightRadius, MeasureFlags, MeasureOptions, measure_isophote};
pub use stage::MeasureIsophotes;
pub use tree::{TreeNode, tree_of_survivors};
