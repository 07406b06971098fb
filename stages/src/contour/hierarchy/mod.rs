//! Isophotes nested in roots: contours at rising levels inside each (Miller et al. 2024, section 7.4).

mod nested_rows;
mod regions;
mod stage;
#[cfg(test)]
mod tests;
mod trace_inside;

pub use regions::{Window, regions_above};
pub use stage::Hierarchy;
pub use trace_inside::{Nested, NestedOptions, Traced, trace_inside};
