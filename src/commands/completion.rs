//! `melange2 completion`: prints a completion script for a shell.

use crate::error::Result;
use crate::ui::Ui;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::command(), "melange2", &mut script);
    Ok(ui.data(&String::from_utf8_lossy(&script))?)
}
