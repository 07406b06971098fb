//! Finding stars.

mod find;
mod kernel;
mod stage;
#[cfg(test)]
mod tests;

pub use find::{DaoFind, Detection, Threshold, find_stars};
pub use stage::DetectStars;
