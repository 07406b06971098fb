//! Pins: artefacts that garbage collection leaves alone, whatever their age.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::handle::Store;
use super::layout::folder_entries;
use super::sealed::{Unsealed, seal, unseal};
use crate::digest::Digest;

#[derive(Debug, Serialize, Deserialize)]
struct Pin {
    name: String,
    digests: BTreeSet<Digest>,
}

impl Store {
    /// Pins artefacts under a name (`quicklook/flat`), replacing what that name pinned before.
    ///
    /// # Errors
    /// When the list cannot be written.
    pub fn pin(&self, name: &str, digests: &[Digest]) -> Result<(), StoreError> {
        let path = self.layout.pin(name);
        let pin = Pin { name: name.to_owned(), digests: digests.iter().copied().collect() };
        let temp = self.tenant()?.temp("json")?;
        temp.write(&seal(&pin, &path)?)?;
        let _lock = self.layout.shared()?;
        temp.place(&path)
    }

    /// Gives up a pin. Says whether there was one.
    ///
    /// # Errors
    /// When the list cannot be removed.
    pub fn unpin(&self, name: &str) -> Result<bool, StoreError> {
        let path = self.layout.pin(name);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(StoreError::io("giving up a pin", &path, e, 0)),
        }
    }

    /// All pins by name.
    ///
    /// # Errors
    /// When a list is damaged: nobody then knows what must stay, so garbage collection does not start.
    pub fn pins(&self) -> Result<BTreeMap<String, BTreeSet<Digest>>, StoreError> {
        let mut pins = BTreeMap::new();
        for (path, _) in folder_entries(&self.layout.pins())? {
            match unseal::<Pin>(&path) {
                Unsealed::Value(pin, _) => drop(pins.insert(pin.name, pin.digests)),
                Unsealed::Absent => {}
                Unsealed::Damaged => return Err(StoreError::DamagedPins { path }),
                Unsealed::Unreadable(e) => return Err(StoreError::io("reading the pins", &path, e, 0)),
            }
        }
        Ok(pins)
    }
}
