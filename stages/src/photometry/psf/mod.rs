//! Fluxes of stars by the average PSF of their place.

mod algorithm;
mod normal;
mod params;
mod render;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{StarFlux, StarFluxFlags, measure_stars};
pub use params::PsfPhotometry;
