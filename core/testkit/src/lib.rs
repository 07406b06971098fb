//! For stage authors: a one-stage harness, determinism and golden checks, reference vectors, small files as surveys write them.

mod determinism;
mod harness;
pub mod surveys;
mod vectors;

pub use determinism::{assert_deterministic, golden_digest};
pub use harness::{Harness, Outcome};
pub use vectors::{floats, vector_csv, vector_json, vector_path};
