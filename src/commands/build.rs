//! `melange2 build`: builds the packages of a recipe.

use crate::error::Result;
use crate::ui::Ui;

/// Build the packages of a recipe.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    todo!("{args:?} {ui:?}")
}
