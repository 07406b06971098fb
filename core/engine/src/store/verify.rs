//! Comparing everything in the store with what its name or seal promises.

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;

use rayon::prelude::*;
use serde::Serialize;

use super::error::StoreError;
use super::handle::Store;
use super::survey::{FoundArtefact, Survey};
use crate::digest::Digest;

/// One damaged file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamageReport {
    /// The file.
    pub path: PathBuf,
    /// Digest that an artefact's name promises; empty for a record.
    pub expected: Option<Digest>,
    /// Digest of its content; empty when it cannot be read.
    pub found: Option<Digest>,
    /// Nodes whose records refer to an artefact, as `graph/node.port`.
    pub nodes: Vec<String>,
}

impl Store {
    /// Reads every artefact and record, and reports the damaged ones in the order of their paths. Nothing is removed: a run
    /// that needs one of them makes it anew.
    ///
    /// # Errors
    /// When a folder or record of the store cannot be read.
    pub fn verify(&self) -> Result<Vec<DamageReport>, StoreError> {
        let survey = Survey::of(&self.layout)?;
        let artefacts: Vec<FoundArtefact> = survey.artefacts.into_values().collect();
        let mut reports: Vec<_> = artefacts.into_par_iter().filter_map(check).collect();
        reports.extend(survey.damaged_records.into_iter().map(|file| DamageReport {
            found: Digest::of_file(&file.path).ok(),
            path: file.path,
            expected: None,
            nodes: Vec::new(),
        }));
        reports.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(reports)
    }
}

/// `None` when the artefact is whole, or was removed meanwhile.
fn check(artefact: FoundArtefact) -> Option<DamageReport> {
    let found = match File::open(&artefact.file.path).and_then(|mut f| Digest::of_reader(&mut f)) {
        Ok(found) if found == artefact.digest => return None,
        Ok(found) => Some(found),
        Err(e) if e.kind() == ErrorKind::NotFound => return None,
        Err(_) => None,
    };
    Some(DamageReport {
        path: artefact.file.path,
        expected: Some(artefact.digest),
        found,
        nodes: artefact.nodes.into_iter().collect(),
    })
}
