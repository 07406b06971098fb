//! Removing the stars of a catalogue, class by class (Miller et al. 2024, section 6).

mod algorithm;
mod class;
mod models;
mod params;
mod record;
mod segment;
mod stage;
mod task;

#[cfg(test)]
mod scene_vector_tests;
#[cfg(test)]
mod tests;

pub use algorithm::{CatalogueSubtraction, SubtractCatalogueError, subtract_catalogue};
pub use class::{ClassModels, FaintRoute, SaturatedClass, StarRoute};
pub use params::SubtractCatalogue;
pub use record::{CatalogueFlags, CatalogueModel, CatalogueRecord, Treatment};
