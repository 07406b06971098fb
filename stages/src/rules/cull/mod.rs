//! Disposal of candidates by ordered, named rules.

mod algorithm;
mod rule_list;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{Culled, Rule, cull};
pub(crate) use rule_list::with_rule_columns;
pub use rule_list::{Divided, RuleList};
pub use stage::Cull;
