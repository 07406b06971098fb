//! What a run would do, and why: keys, records and a simulation of the scheduler.

mod ledger;
mod planner;
mod why;

pub use ledger::Ledger;
pub use planner::{Plan, PlanError, PlanOptions, PlannedFile, PlannedNode, PlannedVerdict};
pub use why::Why;
