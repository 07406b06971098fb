//! Fits of the faint PSF stars (Miller et al. 2024, section 5.4).

mod algorithm;
mod interpolant;
mod params;
mod stage;
mod start;
#[cfg(test)]
mod tests;

pub use algorithm::fit_faint_star;
pub use interpolant::bicubic;
pub use params::FitFaint;
pub use start::{gaussian_start, outline};
