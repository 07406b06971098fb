//! The power law of sizes.

mod algorithm;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{Histogram, PowerLaw, fit_power_law, log_histogram};
pub use stage::SizeDistribution;
