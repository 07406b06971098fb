//! Whole tables.

mod stack;

pub use stack::Stack;
