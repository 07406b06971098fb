//! Expansive isophotes: the roots drawn again with the stars left in (Miller et al. 2024, sections 7.5 and 7.6).

mod counterparts;
mod join;
mod stage;
#[cfg(test)]
mod tests;

pub use counterparts::{Counterparts, Outline, Relation, find_counterparts};
pub use stage::Expansive;
