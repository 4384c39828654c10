//! `melange2 package-version`: the name and the whole version of a recipe's package, without a newline,
//! as scripts that were written for melange take it.

use std::path::PathBuf;

use crate::error::Result;
use crate::ui::Ui;

/// Print name, version and epoch of a recipe's package, `hello-2.12-r0`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recipe.
    #[arg(value_name = "RECIPE")]
    recipe: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let template = "{{ .Package.Name }}-{{ .Package.Version }}-r{{ .Package.Epoch }}";
    Ok(ui.data(&super::query::query(&args.recipe, template)?)?)
}
