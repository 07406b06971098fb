//! Background and noise on a mesh of boxes.
//!
//! Follows the behaviour of photutils' `Background2D` (Bradley et al. 2023) and SExtractor (Bertin & Arnouts 1996).

mod algorithm;
mod boxes;
mod estimators;
mod fill;
mod lanes;
mod limits;
mod params;
mod smooth;
mod spline;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{Mesh, MeshError, MeshMaps, measure_mesh, mesh_background};
pub use boxes::{Clipped, sigma_clip};
pub use estimators::{BackgroundEstimator, NoiseEstimator};
pub use params::MeshBackground;
pub use spline::zoom;
