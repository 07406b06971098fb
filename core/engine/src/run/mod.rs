//! Carrying out a plan: node threads, one pool for work inside stages, memory, delivery, the report.

mod closing;
mod coordinator;
mod executor;
mod slot;
mod summary;
mod worker;

pub use executor::{RunError, RunOptions};
