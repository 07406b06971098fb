//! From a graph file to a checked [`Graph`](crate::Graph): two passes, and all problems at once.
//!
//! 1. *Text*: syntax ([`syntax`]), then the skeleton of every file ([`document`]) with duplicate and unknown names; bases,
//!    overlays, tests and `--set` are merged ([`merge`], [`setting`]).
//! 2. *Meaning*: references ([`reference`]), expansion and `when` ([`instance`]), parameters against the schema and then
//!    by the stage itself ([`build`]), names, ports and types ([`wanted`], [`wiring`]), cycles ([`order`]), and what the
//!    stages infer ([`infer`]).
//!
//! Every value keeps the place where it was written; a step that finds a problem marks what it touches, and later steps
//! are silent about what follows from it.

mod build;
mod check_params;
mod document;
mod duplicates;
mod files;
mod finding;
mod graph_params;
mod infer;
mod instance;
mod load;
mod merge;
mod node_entry;
mod options;
mod order;
mod outputs;
mod plugins;
mod product_name;
mod reference;
mod ron_file;
mod scan;
mod setting;
mod source;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;
mod wanted;
mod wiring;
mod write_params;

pub use load::{load, load_str, load_tests, plugins, plugins_str};
pub use options::{LoadFailure, LoadOptions};
pub use plugins::Plugin;
pub use ron_file::RonFile;
