//! `melange2 solve`: tells which packages a request installs.

use crate::error::Result;
use crate::ui::Ui;

/// Tell which packages a request installs, in installation order.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    todo!("{args:?} {ui:?}")
}
