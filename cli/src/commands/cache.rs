//! `skyloom cache`

use std::time::SystemTime;

use skyloom_engine::GcOptions;

use super::output;
use crate::args::{CacheArgs, CacheCommand};
use crate::failure::{CommandFailure, exit};
use crate::setup;
use crate::size::{show_bytes, show_seconds};

/// Lists, collects, verifies, pins.
pub fn run(args: &CacheArgs) -> Result<(), CommandFailure> {
    match &args.what {
        CacheCommand::Ls { cache, format } => {
            let entries = setup::store(cache)?.ls().map_err(setup::store_failure)?;
            if format.json {
                return output::json(&entries);
            }
            let rows: Vec<Vec<String>> = entries
                .iter()
                .map(|e| {
                    let type_name = e.type_name.clone().unwrap_or_default();
                    let state = match (e.is_pinned, e.is_in_use) {
                        (true, _) => "pinned",
                        (_, true) => "in use",
                        _ => "",
                    };
                    let nodes = e.nodes.join(", ");
                    vec![e.digest.short(), type_name, show_bytes(e.bytes), ago(e.last_used), state.to_owned(), nodes]
                })
                .collect();
            let total: u64 = entries.iter().map(|e| e.bytes).sum();
            let mut text =
                output::columns(&["digest", "type", "size", "last used", "", "made by"], &[false, false, true], &rows);
            text.push_str(&format!("{} artefacts, {}\n", entries.len(), show_bytes(total)));
            output::text(&text)
        }
        CacheCommand::Gc { max_size, dry_run, cache, format } => {
            let options = GcOptions { max_size: Some(*max_size), dry_run: *dry_run, ..GcOptions::default() };
            let report = setup::store(cache)?.gc(&options).map_err(setup::store_failure)?;
            if format.json {
                return output::json(&report);
            }
            let verb = if *dry_run { "would remove" } else { "removed" };
            let mut text = String::new();
            for gone in &report.removed {
                let name = gone.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                text.push_str(&format!("{verb} {name}  {}  {}\n", show_bytes(gone.bytes), gone.nodes.join(", ")));
            }
            text.push_str(&format!(
                "{verb} {} files, {}; {} stay\n",
                report.removed.len(),
                show_bytes(report.freed),
                show_bytes(report.kept)
            ));
            if !report.spared_live.is_empty() || !report.spared_pinned.is_empty() {
                text.push_str(&format!(
                    "{} artefacts are pinned, {} in use by running processes\n",
                    report.spared_pinned.len(),
                    report.spared_live.len()
                ));
            }
            if report.over > 0 {
                text.push_str(&format!("still {} more than asked for\n", show_bytes(report.over)));
            }
            output::text(&text)
        }
        CacheCommand::Verify { cache, format } => {
            let damaged = setup::store(cache)?.verify().map_err(setup::store_failure)?;
            if format.json {
                output::json(&damaged)?;
            } else {
                let mut text = String::new();
                for d in &damaged {
                    text.push_str(&format!("damaged {}  made by {}\n", d.path.display(), d.nodes.join(", ")));
                }
                text.push_str(&match damaged.len() {
                    0 => "every artefact is what its name says\n".to_owned(),
                    n => format!("{n} damaged; a run that needs them makes them again\n"),
                });
                output::text(&text)?;
            }
            if damaged.is_empty() { Ok(()) } else { Err(CommandFailure::Quiet(exit::FOUND)) }
        }
        CacheCommand::Pin { name, place } => {
            let store = setup::store(&place.cache)?;
            let report = setup::report(place, &store)?;
            let digests: Vec<_> = report.nodes.iter().flat_map(|n| n.outputs.values().copied()).collect();
            store.pin(name, &digests).map_err(setup::store_failure)?;
            output::text(&format!("{} artefacts of {} pinned as {name:?}\n", digests.len(), report.graph))
        }
        CacheCommand::Unpin { name, cache } => {
            let store = setup::store(cache)?;
            if store.unpin(name).map_err(setup::store_failure)? {
                output::text(&format!("pin {name:?} removed\n"))
            } else {
                let names: Vec<String> = store.pins().map_err(setup::store_failure)?.into_keys().collect();
                Err(CommandFailure::usage(format!("no pin {name:?}")).with_help(format!("pins: {}", names.join(", "))))
            }
        }
    }
}

/// How long ago, for people.
fn ago(time: SystemTime) -> String {
    match time.elapsed() {
        Ok(d) if d.as_secs() < 86_400 => format!("{} ago", show_seconds(d.as_secs_f64().max(1.0).round())),
        Ok(d) => format!("{} days ago", d.as_secs() / 86_400),
        Err(_) => "now".to_owned(),
    }
}
