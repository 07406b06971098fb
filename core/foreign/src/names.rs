//! Names that live as long as the process: ports and fields of stages take no others.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The same text with static lifetime, for ports and choices that are not known when they are compiled. Each different text is kept
/// once, and descriptors hold few.
#[must_use]
pub fn keep(text: &str) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text) {
        return known;
    }
    let new: &'static str = Box::leak(text.to_owned().into_boxed_str());
    kept.insert(new);
    new
}
