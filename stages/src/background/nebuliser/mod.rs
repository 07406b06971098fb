//! The nebuliser: a background filter of iterated, clipped running medians and a final running mean.
//!
//! Follows the published behaviour of the CASU tool (Irwin 2010, UKIRT newsletter 26, 14), re-described and
//! re-implemented here.

mod algorithm;
mod gaps;
mod line_block;
mod line_pass;
mod params;
mod rank_set;
mod robust;
mod running_mean;
mod running_median;
mod running_medians;
mod square_pass;
mod stage;
#[cfg(test)]
mod tests;
mod tiles;
mod vector;

pub use algorithm::{NebuliseError, Nebulised, nebulise};
pub use params::{FilterAxis, Nebulise, Statistics};
pub use robust::{RobustStatistics, robust_statistics};
pub use running_medians::running_medians;
