//! Stages that are programs in any language: `external.process`.
//!
//! A descriptor (`*.stage.ron`) says what a program is called in a graph, which ports and parameters it has, and how it is
//! started. [`add_plugins`] reads those that a graph or the command line names and adds their kinds to a registry; from then on
//! they are used and checked like any other kind. What the program gets and gives is described in `docs/foreign-programs.md`.
//!
//! The promises: no shell; the environment is cleared but for a declared list; the program and its children run in a process
//! group of their own, and none of them is left when the stage ends; what it prints is kept, up to a size; and what it makes is
//! read and compared with what the descriptor promises before anything of it is a product.

mod descriptor;
mod inputs;
mod job;
mod log;
mod message;
mod names;
mod outputs;
mod params;
mod plugins;
mod port;
#[cfg(unix)]
mod process;
mod program;
mod reader;
mod schema;
mod source;
mod stage;
mod tables;

pub use names::keep;
pub use plugins::add_plugins;

/// Kills every program that runs, with its children: for a process that is about to end without finishing its run.
pub fn stop_all() {
    #[cfg(unix)]
    process::stop_all();
}
