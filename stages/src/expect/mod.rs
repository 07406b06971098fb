//! Expectations of graph tests.

mod rows;

pub use rows::Rows;
