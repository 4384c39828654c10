//! `melange2 render`: shows the Dockerfile of a recipe.

use crate::error::Result;
use crate::ui::Ui;

/// Show the Dockerfile that a recipe becomes, or write it with all that belongs to it.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    todo!("{args:?} {ui:?}")
}
