//! Whole tables.

pub mod concat_unique;
mod stack;

pub use stack::Stack;
