//! Tables of overlapping images joined, with every object once.

mod matching;
mod stage;
#[cfg(test)]
mod tests;

pub use matching::{Object, choose, near_pairs};
pub use stage::{ConcatUnique, MatchBy, Winner};
