//! `melange2 sign`: signs packages.

use crate::error::Result;
use crate::ui::Ui;

/// Sign packages, replacing the signature that they have.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    todo!("{args:?} {ui:?}")
}
