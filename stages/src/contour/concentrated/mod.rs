//! Concentrated objects: levels are climbed until a region looks like one object.

mod outline;
mod params;
mod region;
mod signal;
mod stage;
#[cfg(test)]
mod tests;
mod walk;

pub use params::Concentrated;
pub use region::{Region, regions_above};
pub use signal::{Signal, SignalOptions, signal_of};
pub use walk::{Found, Limits, walk};
