//! The skyloom command with the stage `acme.unsharp`. Crates of other people are added to the list.

use std::process::ExitCode;

/// Counts memory, so that reports can say what each node needed.
#[global_allocator]
static ALLOCATOR: skyloom::CountingAllocator = skyloom::CountingAllocator;

fn main() -> ExitCode {
    skyloom::main_with(&[acme_unsharp::STAGE_CRATE])
}
