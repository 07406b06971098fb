//! Artificial stars and clusters planted into any image.

mod algorithm;
mod entries;
mod params;
mod placing;
mod sources;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{InjectionPsf, add_light};
pub use entries::{Entry, Seeing, add_entries, entry_draws, list_stars, sky_sigma};
pub use params::{Inject, Light};
pub use placing::{Ground, place_objects};
pub use sources::{Injected, Member, make_object};
