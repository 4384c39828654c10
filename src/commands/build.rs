//! `melange2 build`: builds the packages of a recipe. How, `build.rs` says.

use super::options::{DaemonArgs, OutputArgs, RecipeArgs};
use crate::build::build;
use crate::buildkit;
use crate::error::Result;
use crate::ui::Ui;

/// Build the packages of a recipe.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let mut config = args.recipe.resolve(ui)?;
    args.output.resolve(&mut config, &args.daemon, ui)?;
    for package in build(&config, ui.reporter().as_mut())? {
        let size = indicatif::BinaryBytes(package.size);
        ui.status(&format!("wrote {} ({size})", package.path.display()));
    }
    if buildkit::cancelled() { Err(buildkit::Error::Cancelled.into()) } else { Ok(()) }
}
