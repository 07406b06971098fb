//! Which node may do what next: a state machine without threads, clocks or files.

mod crowding;
mod lineage;
mod scheduler;
mod state;
#[cfg(test)]
mod tests;

pub use scheduler::Scheduler;
pub use state::{Finish, Lookup, Phase, SchedulerNode, Task};
