//! `melange2 keygen`: makes a signing key.

use crate::error::Result;
use crate::ui::Ui;

/// Make a key to sign packages and indexes with.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    todo!("{args:?} {ui:?}")
}
