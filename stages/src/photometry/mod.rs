//! Photometry inside isophotes, and of stars.

mod aligned;
mod bands;
mod columns;
mod isophotal;
mod objects;
mod one_by_one;
pub mod psf;
mod stage;
#[cfg(test)]
mod tests;

pub use bands::VegaOffset;
pub use isophotal::{ContourLight, light_inside};
pub use stage::IsophotalPhotometry;
