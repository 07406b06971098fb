//! VMC-like fields with exact truth: image, confidence, catalogue and truth tables from one seed.

mod bands;
mod catalogue;
pub(super) mod clusters;
mod confidence;
mod crowding;
mod galaxies;
mod pixels;
mod population;
mod psf;
mod sky;
mod stage;
mod stage_params;
mod tables;
#[cfg(test)]
mod tests;
mod truth;

pub use bands::{Band, BandNoise};
pub use catalogue::{Entry, make_catalogue};
pub use confidence::Confidence;
pub use crowding::{Crowding, measure_crowding};
pub use pixels::{make_pixels, sources_of};
pub use psf::FieldPsf;
pub use sky::Nebula;
pub use stage_params::{Field, StarCount};
pub use tables::{blend_table, catalogue_table, cluster_table, field_wcs, galaxy_table, star_table, summary};
pub use truth::{Blend, Cluster, Galaxy, Star, StarKind, Truth, make_truth};
