//! The skyloom command.

use std::process::ExitCode;

/// Counts memory, so that reports can say what each node needed.
#[global_allocator]
static ALLOCATOR: skyloom_engine::memory::CountingAllocator = skyloom_engine::memory::CountingAllocator;

fn main() -> ExitCode {
    skyloom::main()
}
