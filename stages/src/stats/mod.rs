//! Statistics of candidate tables.

pub mod size_distribution;
