//! Segments: connected groups of pixels above a threshold, and their division into the sources that touch in them.
//!
//! The semantics are those of photutils (Bradley et al. 2023), whose deblending follows SExtractor (Bertin & Arnouts 1996).

mod deblend;
mod deblend_stage;
mod detect;
mod detect_stage;
mod flood;
mod labels;
mod markers;
mod table;
#[cfg(test)]
mod tests;

pub use deblend::{DeblendMode, DeblendOptions, Deblended, deblend_sources, deblend_with};
pub use deblend_stage::Deblend;
pub use detect::{Threshold, detect_sources};
pub use detect_stage::Detect;
pub use labels::{Connectivity, Labels};
pub use table::{SegmentMeasures, measure_segments};
