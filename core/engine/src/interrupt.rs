//! Ctrl-C: the first asks to finish, the second to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::context::CancelToken;

/// A request to end a run. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    level: Arc<AtomicU8>,
    token: CancelToken,
}

impl Interrupt {
    /// Nobody has asked.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks once more: first no new work, then stop what runs. Returns how often was asked.
    pub fn ask(&self) -> u8 {
        let level = self.level.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        if level >= 2 {
            self.token.cancel();
        }
        level
    }

    /// Whether no new work should start.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.level.load(Ordering::SeqCst) > 0
    }

    /// The flag that running stages look at.
    #[must_use]
    pub fn token(&self) -> CancelToken {
        self.token.clone()
    }
}
