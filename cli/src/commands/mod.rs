//! One file per verb.

pub mod cache;
pub mod check;
pub mod completions;
pub mod diff;
mod diff_graphs;
pub mod graph;
pub mod new;
mod output;
pub mod plan;
pub mod run;
pub mod show;
pub mod stages;
pub mod test;
pub mod why;
