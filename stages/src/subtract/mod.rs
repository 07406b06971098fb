//! Removing point sources.

mod algorithm;
mod catalogue;
mod cores;
mod fit;
mod joint;
mod levels;
mod params;
mod record;
mod stage;
mod task;

#[cfg(test)]
mod tests;

pub use algorithm::{Schedule, SubtractError, Subtraction, subtract_stars};
pub use catalogue::*;
pub use joint::*;
pub use params::SubtractStars;
pub use record::{StarClass, StarFlags, StarModel, StarRecord};
