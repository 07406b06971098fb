//! For programs that hold Skyloom inside, such as the Python package: what the commands share with them.

use std::path::{Path, PathBuf};

use skyloom_engine::{Artefact, Diagnostic, Digest, Plan, RunReport, StageCrate, Store};

use crate::args::CachePlace;
use crate::failure::CommandFailure;
use crate::{commands, crates, render, setup};

/// Fails when one of the crates did not register a kind that it promises; the message names all that are missing, and what to do.
///
/// # Errors
/// When a kind is missing.
pub fn check_crates(crates: &[StageCrate]) -> Result<(), String> {
    crates::check(crates).map_err(|failure| match failure {
        CommandFailure::Other { message, help: Some(help), .. } => format!("{message}\n  help: {help}"),
        other => message(other),
    })
}

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

/// Writes `run.json` into the output folder, if there is one, and notes the report in the store for `why` and `show`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_report(report: &RunReport, out: Option<&Path>, store: &Store) -> Result<(), String> {
    commands::run::write_report(report, out, store).map_err(message)
}

/// The artefact with this digest, if it is in the store.
///
/// # Errors
/// When the store cannot be listed.
pub fn find_artefact(store: &Store, digest: &Digest) -> Result<Option<Artefact>, String> {
    let found = setup::store_entry(store, digest).map_err(message)?;
    Ok(found.and_then(|entry| {
        let extension = entry.path.extension()?.to_str()?.to_owned();
        Some(Artefact { digest: entry.digest, bytes: entry.bytes, extension, type_name: entry.type_name? })
    }))
}

fn message(failure: CommandFailure) -> String {
    match failure {
        CommandFailure::Other { message, .. } => message,
        other => format!("{other:?}"),
    }
}
