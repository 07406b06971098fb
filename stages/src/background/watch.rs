//! How long-running algorithms report progress and learn that they should stop, without knowing the engine.

/// Told how many more lines or rows are finished; returns whether to go on. Called from several threads.
pub type Watch<'a> = &'a (dyn Fn(u64) -> bool + Sync);
