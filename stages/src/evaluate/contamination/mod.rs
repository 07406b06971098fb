//! How many candidates may be galaxies or blends of stars.

mod blends;
mod neighbours;
mod stage;
#[cfg(test)]
mod tests;

pub use blends::{Reading, expected_blends};
pub use neighbours::{NeighbourBin, NeighbourScale, nearest_distances, neighbour_scale};
pub use stage::Contamination;
