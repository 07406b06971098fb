//! Completeness and magnitude bias from planted clusters.

mod algorithm;
mod drawing;
mod matching;
mod params;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{Cell, Recovered, recovery, wilson};
pub use drawing::draw_recovery;
pub use matching::{Finder, Found, Planted};
pub use params::Recovery;
