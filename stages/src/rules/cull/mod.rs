//! Disposal of candidates by ordered, named rules.

mod algorithm;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{Culled, Rule, cull};
pub use stage::Cull;
