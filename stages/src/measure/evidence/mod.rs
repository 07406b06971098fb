//! Evidence on what an object is: blend, galaxy, leftover of a star, or cluster.

mod blend;
mod catalogue;
mod columns;
mod judge;
#[cfg(test)]
pub(crate) mod made_scene;
mod params;
mod projected_fit;
mod region_light;
mod smooth_model;
mod stage;
mod star_light;
#[cfg(test)]
mod tests;

pub use blend::{BlendOptions, psf_misfit};
pub use catalogue::{CatalogueEvidence, CatalogueOptions, EvidenceCatalogue};
pub use params::MeasureEvidence;
pub use region_light::{RegionLight, measure_region, windowed_centre};
pub use smooth_model::{SmoothOptions, smooth_chi2};

pub(crate) use star_light::{check_star_light, flux_of_magnitude, star_light};
