//! What the benchmarks measure: a made sky, and every kernel as one call.

pub mod kernels;
pub mod sky;
