//! `melange2 daemon`: looks after the private BuildKit daemon.

use crate::error::Result;
use crate::ui::Ui;

/// Look after the private BuildKit daemon.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    todo!("{args:?} {ui:?}")
}
