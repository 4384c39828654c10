//! `melange2 sign-index`: signs an index.

use crate::error::Result;
use crate::ui::Ui;

/// Sign a repository index.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    todo!("{args:?} {ui:?}")
}
