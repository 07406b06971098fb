//! Which objects of another catalogue the candidates recover, rule by rule.

mod algorithm;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{Matches, Step, last_steps, match_regions, steps};
pub use stage::{MatchReference, RadiusUnit};
