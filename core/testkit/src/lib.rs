//! For stage authors: the conformance suite, a one-stage harness, determinism and golden checks, reference vectors, small files as
//! surveys write them.
//!
//! [`Conformance`] checks in one go what every stage promises; it is all that most crates need beside the tests of their
//! algorithm. [`Harness`] runs one stage without a graph.

mod conformance;
mod determinism;
mod harness;
pub mod surveys;
mod vectors;

pub use conformance::{Check, Conformance, manual_problems};
pub use determinism::{assert_deterministic, golden_digest};
pub use harness::{Harness, Outcome};
pub use vectors::{floats, vector_csv, vector_json, vector_path};

/// Re-exported for [`install_allocator!`].
#[doc(hidden)]
pub use skyloom_engine::memory::CountingAllocator;

/// Counts the memory of a test binary, once at the top of its file: without it no estimate can be checked.
#[macro_export]
macro_rules! install_allocator {
    () => {
        #[global_allocator]
        static SKYLOOM_TEST_ALLOCATOR: $crate::CountingAllocator = $crate::CountingAllocator;
    };
}
