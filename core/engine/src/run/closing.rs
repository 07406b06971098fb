//! What remains when nothing runs: files for the user, and what the next run compares with.

use std::sync::Arc;

use rayon::prelude::*;

use super::coordinator::Run;
use crate::digest::Digest;
use crate::event::Event;
use crate::graph::Keep;
use crate::report::{DeliveredFile, Failure};
use crate::schedule::Phase;
use crate::stage::StageError;
use crate::store::{Delivered, StoreError};

impl Run<'_> {
    /// Remembers what reused nodes rest on, so that the next run compares with this one.
    pub(super) fn remember_reused(&self) {
        let graph = &self.plan.ledger.graph;
        graph.nodes().par_iter().zip(&self.plan.ledger.entries).enumerate().for_each(|(i, (node, entry))| {
            let is_reused = self.plan.is_included[i] && !self.notes[i].has_run && self.notes[i].error.is_none();
            if let (true, Some(record)) = (is_reused, &entry.record)
                && let Err(e) = self.plan.ledger.store.remember(graph.name(), &node.name, record)
            {
                tracing::warn!("what {} rests on was not noted: {e}", node.name);
            }
        });
    }

    /// Pins the artefacts of `keep: always`, under the name of the graph.
    pub(super) fn pin_kept(&mut self) {
        let graph = Arc::clone(&self.plan.ledger.graph);
        let kept = graph.nodes().iter().zip(&self.plan.ledger.entries).filter(|(node, _)| node.keep == Keep::Always);
        let artefacts = kept.filter_map(|(_, entry)| entry.outputs.as_ref()).flat_map(|outputs| outputs.values());
        let digests: Vec<Digest> = artefacts.map(|a| a.digest).collect();
        if digests.is_empty() {
            return;
        }
        if let Err(e) = self.plan.ledger.store.pin(&format!("graph {}", graph.name()), &digests) {
            self.warn(format!("what the graph wants kept is not pinned: {e}"));
        }
    }

    /// Places files in the output folder. `true` when an artefact was lost and must be made again first.
    pub(super) fn deliver(&mut self) -> bool {
        let Some(out) = self.plan.options.out.clone() else { return false };
        let mut must_continue = false;
        for d in 0..self.plan.deliveries.len() {
            let (file, node, port) = self.plan.deliveries[d].clone();
            if self.is_delivered[d]
                || !self.scheduler.phase(node).is_known() && self.scheduler.phase(node) != Phase::Idle
            {
                continue;
            }
            let Some(artefact) = self.plan.ledger.entries[node].outputs.as_ref().and_then(|o| o.get(&port)).cloned()
            else {
                continue;
            };
            let source = format!("{}.{port}", self.plan.ledger.graph.nodes()[node].name);
            match self.plan.ledger.store.deliver(&artefact, &out.join(&file)) {
                Ok(how) => {
                    let is_new = how == Delivered::Copied;
                    self.is_delivered[d] = true;
                    self.workshop.tell(&Event::FileDelivered { file: file.clone(), is_new });
                    let (digest, bytes) = (artefact.digest, artefact.bytes);
                    self.files.push(DeliveredFile { file, product: source, digest, bytes, is_new });
                }
                Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) if self.options.interrupt.is_asked() => {}
                Err(error @ (StoreError::Missing { .. } | StoreError::Damaged { .. })) => {
                    if let StoreError::Damaged { .. } = error {
                        self.warn(format!("artefact of {source}: {error}; it is made again"));
                    }
                    self.scheduler.lost(node);
                    self.scheduler.want_data(node);
                    must_continue = true;
                }
                Err(error) => {
                    self.is_delivered[d] = true;
                    let StageError { class, message, help } = StageError::from(error);
                    self.failures.push(Failure { node: None, class, message, help });
                }
            }
        }
        must_continue
    }
}
