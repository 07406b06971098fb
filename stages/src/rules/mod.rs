//! Rules over table columns.

pub mod cull;
pub mod expression;
