//! Isolated stars for the PSF, in two overlapping magnitude bins (Miller et al. 2024, section 5.1).

mod algorithm;
mod count;
mod params;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{IsolatedStar, Reasons, Selection, select_isolated};
pub use count::count_contours;
pub use params::{Group, SelectIsolated};
