//! Rules over table columns.

pub mod cull;
pub mod expression;
pub(crate) mod row_filter;
