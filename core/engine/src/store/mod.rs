//! The content-addressed store: artefacts, records of how they were made, and what living processes lean on.
//!
//! Plain files and renames, advisory locks, no database, no server. Several processes may share one store. Deleting it,
//! whole or in part, costs time and never correctness.
//!
//! # Layout
//!
//! ```text
//! ROOT/CACHEDIR.TAG                 tells backup programs to leave this folder out
//! ROOT/v1/lock                      shared by lookups and commits, exclusive for removals
//! ROOT/v1/artefacts/ab/<digest>.fits   the products, named by the BLAKE3 digest of their bytes
//! ROOT/v1/actions/<action key>.json    one record per way a node was run: ingredients, outputs, times
//! ROOT/v1/recipes/<recipe key>.json    another name of the record that this recipe led to
//! ROOT/v1/last/<graph>/<node>.json  another name of the record that the node had last (`.previous.json`: before that)
//! ROOT/v1/stat/<device>-<inode>     digests of files whose size and times have not changed since
//! ROOT/v1/pins/<name>.json          artefacts that garbage collection leaves alone
//! ROOT/v1/live/<tenancy>            locked by a living process; the digests that it leans on, one per line
//! ROOT/v1/tmp/<tenancy>/            files in the making and scratch space of that process
//! ROOT/v1/runs/                     reports of runs
//! ```
//!
//! `v1` changes when the meaning of keys or files changes; folders of other versions are left alone.
//!
//! # What keeps it right
//!
//! - A file gets its final name by one rename, after it is complete. A killed process leaves its half-made files in its own
//!   `tmp` folder, which the next process removes once the lock on the `live` file is gone.
//! - A node commits by the rename of its record, after all its artefacts are in place. A record without artefacts is
//!   possible and useful: it still says what the node would make.
//! - Nothing is believed: an artefact is verified by its digest when it is read, records carry the digest of their own
//!   text. What is damaged counts as absent, with a warning.
//! - Nothing is synced to disk on purpose: after the death of the process the kernel still writes what was written, and
//!   after a power cut the digests find what the disk lost. A sync per file would cost more than most nodes.
//! - A process that leans on artefacts holds a [`Tenancy`]; garbage collection spares what it noted and whatever was
//!   made since the oldest living tenancy began.

mod artefact;
mod deliver;
mod error;
mod gc;
mod handle;
mod last;
mod layout;
mod lock;
mod pin;
mod place;
mod record;
mod sealed;
mod stat_cache;
mod survey;
mod tenancy;
mod verify;

#[cfg(test)]
mod tests;

pub use artefact::{Artefact, LoadError};
pub use deliver::Delivered;
pub use error::StoreError;
pub use gc::{GcOptions, GcReport, Removed, RemovedKind};
pub use handle::Store;
pub use record::Record;
pub use stat_cache::StatCache;
pub use survey::StoreEntry;
pub use tenancy::Tenancy;
pub use verify::DamageReport;
