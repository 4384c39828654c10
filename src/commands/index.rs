//! `melange2 index`: makes an index of packages.

use crate::error::Result;
use crate::ui::Ui;

/// Make (or extend) a repository index of packages.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    todo!("{args:?} {ui:?}")
}
