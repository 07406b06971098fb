//! `skyloom completions`

use clap::CommandFactory;

use super::output;
use crate::args::Cli;
use crate::failure::CommandFailure;

/// Prints a completion script.
pub fn run(shell: clap_complete::Shell) -> Result<(), CommandFailure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "skyloom", &mut script);
    output::text(&String::from_utf8_lossy(&script))
}
