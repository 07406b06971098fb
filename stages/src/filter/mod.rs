//! Filters over whole images that several stages build on: Gaussian smoothing, filling of bad pixels, morphology, local noise.

mod fill_bad;
mod gaussian;
mod local_noise;
mod morphology;

pub use fill_bad::fill_bad;
pub use gaussian::gaussian;
pub use local_noise::local_noise;
pub use morphology::{dilate, open};
