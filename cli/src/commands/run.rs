//! `skyloom run`

use std::path::Path;
use std::sync::Arc;

use skyloom_engine::{Interrupt, Observer, RunError, RunReport, RunStatus, Store, Verdict};

use super::output;
use crate::args::RunArgs;
use crate::failure::{CommandFailure, exit, exit_code};
use crate::progress::{JsonLines, TerminalProgress};
use crate::setup;

/// Runs a graph.
pub fn run(args: &RunArgs) -> Result<(), CommandFailure> {
    let limits = &args.limits;
    let graph = match setup::graph(&args.source, None, limits) {
        Err(CommandFailure::Graph(list)) if args.json => {
            output::text(&format!("{}\n", serde_json::json!({ "event": "graph-problems", "problems": list })))?;
            return Err(CommandFailure::Graph(list));
        }
        other => other?,
    };
    let store = setup::store(&args.cache)?;
    let out = setup::out_folder(args.selection.out.as_deref(), &graph);
    // From here on a garbage collection beside this process spares what the plan finds.
    let _tenancy = store.tenancy().map_err(setup::store_failure)?;
    let plan = setup::plan(graph, Arc::clone(&store), &args.selection)?;
    let interrupt = Interrupt::new();
    listen_for_ctrl_c(&interrupt);
    let observer: Arc<dyn Observer> =
        if args.json { Arc::new(JsonLines) } else { Arc::new(TerminalProgress::default()) };
    let report = plan.run(&setup::run_options(limits, vec![observer], interrupt)).map_err(run_error)?;
    // What failed in the run is said also when its report cannot be written: it has the same cause when the disk is full.
    let written = write_report(&report, Some(&out), &store);
    if !args.json {
        let n = report.files.len() + usize::from(written.is_ok());
        output::text(&format!("{n} file{} in {}\n", if n == 1 { "" } else { "s" }, out.display()))?;
    }
    let concluded = conclude(&report, &continue_command(args));
    written.and(concluded)
}

/// Turns a run that could not start into a message.
pub fn run_error(error: RunError) -> CommandFailure {
    match error {
        RunError::Out { .. } => CommandFailure::io(error).with_help("choose another folder with --out DIR"),
        RunError::Threads { .. } => CommandFailure::Other {
            code: exit::RESOURCES,
            message: error.to_string(),
            help: Some("ask for fewer with --threads N".to_owned()),
        },
        RunError::Store(error) => setup::store_failure(error),
    }
}

/// First Ctrl-C: no new work. Second: stop what runs. Third: end the process at once.
pub fn listen_for_ctrl_c(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    let handler = move || match interrupt.ask() {
        1 => drop(std::io::Write::write_all(
            &mut std::io::stderr(),
            b"\nfinishing what runs; press Ctrl-C again to stop it\n",
        )),
        2 => {}
        _ => {
            skyloom_foreign::stop_all();
            std::process::exit(i32::from(exit::CANCELLED));
        }
    };
    // Without a handler Ctrl-C ends the process at once, which is safe too: nothing half-written is ever used.
    if let Err(error) = ctrlc::set_handler(handler) {
        tracing::debug!("no Ctrl-C handler: {error}");
    }
    take_programs_along();
}

/// A request to end (SIGTERM) ends this process at once, as ever; programs that it runs end with it.
#[cfg(unix)]
fn take_programs_along() {
    use signal_hook::consts::SIGTERM;
    match signal_hook::iterator::Signals::new([SIGTERM]) {
        Ok(mut signals) => drop(std::thread::spawn(move || {
            for signal in signals.forever() {
                skyloom_foreign::stop_all();
                drop(signal_hook::low_level::emulate_default_handler(signal));
            }
        })),
        Err(error) => tracing::debug!("no handler for SIGTERM: {error}"),
    }
}

#[cfg(not(unix))]
fn take_programs_along() {}

/// Writes `run.json` into the output folder, if there is one, and notes the report in the store for `why` and `show`.
pub fn write_report(report: &RunReport, out: Option<&Path>, store: &Store) -> Result<(), CommandFailure> {
    let text = serde_json::to_string_pretty(report).map_err(|e| CommandFailure::io(format!("run.json: {e}")))?;
    setup::remember_report(report, &text, store)?;
    match out {
        Some(out) => store.deliver_bytes(text.as_bytes(), &out.join("run.json")).map_err(setup::store_failure),
        None => Ok(()),
    }
}

/// Says what failed, why, what is finished, what is blocked, and how to go on.
fn conclude(report: &RunReport, continue_command: &str) -> Result<(), CommandFailure> {
    if report.status == RunStatus::Succeeded {
        return Ok(());
    }
    let mut text = String::new();
    for failure in &report.failures {
        let node = failure.node.as_deref().unwrap_or("output folder");
        text.push_str(&format!("\nerror: {node}: {}\n", failure.message));
        if let Some(help) = &failure.help {
            text.push_str(&format!("  help: {help}\n"));
        }
    }
    for (word, verdict) in [("finished", Verdict::Ran), ("reused", Verdict::Reused), ("blocked", Verdict::Blocked)] {
        let names = report.with_verdict(verdict);
        if !names.is_empty() {
            text.push_str(&format!("{word}: {}\n", names.join(", ")));
        }
    }
    text.push_str(&format!("to continue: {continue_command}\n"));
    drop(std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()));
    let code = match report.status {
        RunStatus::Cancelled => exit::CANCELLED,
        _ => report.failures.first().map_or(exit::FOUND, |f| exit_code(f.class)),
    };
    Err(CommandFailure::Quiet(code))
}

/// The same command again: what is finished is reused.
fn continue_command(args: &RunArgs) -> String {
    let mut words = vec!["skyloom run".to_owned(), quote(&args.source.graph.display().to_string())];
    for set in &args.source.set {
        words.push(format!("--set {}", quote(&format!("{}={}", set.key, set.value))));
    }
    for overlay in &args.source.overlay {
        words.push(format!("--overlay {}", quote(&overlay.display().to_string())));
    }
    for folder in &args.source.plugins {
        words.push(format!("--plugins {}", quote(&folder.display().to_string())));
    }
    for node in &args.selection.until {
        words.push(format!("--until {}", quote(node)));
    }
    if let Some(cache) = &args.cache.cache {
        words.push(format!("--cache {}", quote(&cache.display().to_string())));
    }
    if let Some(out) = &args.selection.out {
        words.push(format!("--out {}", quote(&out.display().to_string())));
    }
    words.join(" ")
}

fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
