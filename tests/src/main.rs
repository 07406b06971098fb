//! The skyloom command as a third party would build it.

mod stages;

use std::process::ExitCode;

/// Counts memory, as the shipped program does.
#[global_allocator]
static ALLOCATOR: skyloom_engine::memory::CountingAllocator = skyloom_engine::memory::CountingAllocator;

fn main() -> ExitCode {
    skyloom::main()
}
