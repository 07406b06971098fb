//! For programs that hold Skyloom inside, such as the Python package: what the commands share with them.

use std::path::PathBuf;

use skyloom_engine::{Artefact, Diagnostic, Digest, Plan, RunReport, Store};

use crate::args::CachePlace;
use crate::failure::CommandFailure;
use crate::{commands, render, setup};

/// A drawing of a plan's graph as SVG, coloured by what a run would do.
#[must_use]
pub fn plan_svg(plan: &Plan) -> String {
    commands::graph::plan_svg(plan)
}

/// Problems of a graph with excerpts of its text, without colours.
#[must_use]
pub fn diagnostics(list: &[Diagnostic]) -> String {
    render::diagnostics(list, false)
}

/// The cache folder of this user; `None` when there is none.
#[must_use]
pub fn default_cache() -> Option<PathBuf> {
    setup::cache_folder(&CachePlace { cache: None }).ok()
}

/// Notes a report (`json` is its text) in the store, as the last of its graph and as the last of all.
///
/// # Errors
/// When it cannot be written.
pub fn remember_report(report: &RunReport, json: &str, store: &Store) -> Result<(), String> {
    setup::remember_report(report, json, store).map_err(|failure| match failure {
        CommandFailure::Other { message, .. } => message,
        other => format!("{other:?}"),
    })
}

/// The artefact with this digest, if it is in the store.
///
/// # Errors
/// When the store cannot be listed.
pub fn find_artefact(store: &Store, digest: &Digest) -> Result<Option<Artefact>, String> {
    let entries = store.ls().map_err(|e| e.to_string())?;
    let found = entries.into_iter().find(|entry| entry.digest == *digest);
    Ok(found.and_then(|entry| {
        let extension = entry.path.extension()?.to_str()?.to_owned();
        Some(Artefact { digest: entry.digest, bytes: entry.bytes, extension, type_name: entry.type_name? })
    }))
}
