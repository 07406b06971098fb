//! The library behind the `skyloom` command.
//!
//! A program with stages of its own names their crates to [`main_with`]; `skyloom new stage` writes one:
//!
//! ```ignore
//! use std::process::ExitCode;
//!
//! /// Counts memory, so that reports can say what each node needed.
//! #[global_allocator]
//! static ALLOCATOR: skyloom::CountingAllocator = skyloom::CountingAllocator;
//!
//! fn main() -> ExitCode {
//!     skyloom::main_with(&[acme_halo::STAGE_CRATE])
//! }
//! ```

mod args;
mod commands;
mod crates;
pub mod embed;
mod failure;
mod progress;
mod render;
mod setup;
mod size;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
// Nothing else refers to the stages: without this line the linker would drop them and their registration.
use skyloom_stages as _;

use args::{Cli, Command};
use failure::{CommandFailure, exit};

pub use skyloom_engine::StageCrate;
pub use skyloom_engine::memory::CountingAllocator;

/// The command with the stages of Skyloom alone.
///
/// Stages of crates that the program links otherwise (`use acme_halo as _;`) are there too, but nothing notices when one of
/// them got lost: use [`main_with`].
#[must_use]
pub fn main() -> ExitCode {
    main_with(&[])
}

/// The command with the stages of Skyloom and of these crates: reads the command line, does what it asks, and returns the exit
/// code.
///
/// A crate that nothing names is not linked, and its stages do not register. Naming it here links it; a kind that it promises
/// and that is missing all the same is reported before anything else is done.
#[must_use]
pub fn main_with(crates: &[StageCrate]) -> ExitCode {
    if let Err(failure) = crates::check(crates) {
        return ExitCode::from(report_failure(&failure));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    start_logging();
    survive_size_limits();
    let result = match cli.command {
        Command::Check(args) => commands::check::run(&args),
        Command::Test(args) => commands::test::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Run(args) => commands::run::run(&args),
        Command::Why(args) => commands::why::run(&args),
        Command::Graph(args) => commands::graph::run(&args),
        Command::Stages(args) => commands::stages::run(&args),
        Command::Show(args) => commands::show::run(&args),
        Command::Cache(args) => commands::cache::run(&args),
        Command::Diff(args) => commands::diff::run(&args),
        Command::New(args) => commands::new::run(&args),
        Command::Completions { shell } => commands::completions::run(shell),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(report_failure(&failure)),
    }
}

/// Log lines go to standard error; `SKYLOOM_LOG=debug` shows more.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SKYLOOM_LOG").unwrap_or_else(|_| "warn".into());
    // A second call in one process (tests) keeps the first subscriber.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().try_init());
}

/// A limit on the size of files (`ulimit -f`) ends a process by a signal unless somebody listens; then the write fails with
/// an error that is reported like a full disk.
#[cfg(unix)]
fn survive_size_limits() {
    let is_hit = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, is_hit) {
        tracing::debug!("no handler for the limit on file sizes: {error}");
    }
}

#[cfg(not(unix))]
fn survive_size_limits() {}

fn report_failure(failure: &CommandFailure) -> u8 {
    let mut err = std::io::stderr().lock();
    match failure {
        CommandFailure::Graph(list) => {
            let text = render::diagnostics(list, std::io::stderr().is_terminal());
            drop(err.write_all(text.as_bytes()));
            exit::GRAPH
        }
        CommandFailure::Other { code, message, help } => {
            drop(writeln!(err, "error: {message}"));
            if let Some(help) = help {
                drop(writeln!(err, "  help: {help}"));
            }
            *code
        }
        CommandFailure::Quiet(code) => *code,
    }
}
