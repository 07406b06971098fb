//! From fitted stars to the PSF over the image: median and scatter of every parameter per cell.

mod algorithm;
mod params;
mod stage;
mod summary;
#[cfg(test)]
mod tests;

pub use algorithm::{CellOptions, GroupFits, TooFewStars, build_psf_set};
pub use params::{BuildField, Scatter};
