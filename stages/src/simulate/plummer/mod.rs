//! A smooth star cluster with a Plummer profile.

mod algorithm;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{PlummerProfile, add_plummer};
pub use stage::Plummer;
