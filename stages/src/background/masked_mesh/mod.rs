//! Background on a mesh from which objects are masked, over and over.

mod algorithm;
mod params;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{MaskedMesh, masked_mesh};
pub use params::MaskedMeshBackground;
