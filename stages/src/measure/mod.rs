//! Measures of isophotes.

pub mod polygon;
pub(crate) mod shape;
