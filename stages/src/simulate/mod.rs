//! Simulated fields with exact truth, and planting of simulated sources into images.

mod draws;
pub mod field;
pub mod inject;
mod lattice;
pub mod plummer;
mod profile;
mod recognition;
mod render;

pub use draws::{Domain, Draws};
pub use lattice::hash;
pub use profile::{ClusterProfile, ClusterShape, shape_point, sunflower};
pub use render::{PointSource, RowIndex, Spread, add_rows};
