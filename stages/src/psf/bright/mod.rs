//! Fits of the wings of the bright PSF stars (Miller et al. 2024, section 5.5).

mod algorithm;
mod params;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{BrightFitOptions, fit_bright_star};
pub use params::FitBright;
