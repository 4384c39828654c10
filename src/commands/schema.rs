//! `melange2 schema`: the JSON schema of recipes, for editors.

use crate::config;
use crate::error::Result;
use crate::ui::Ui;

/// Print the JSON schema of recipes, for editors.
///
/// With yaml-language-server, which many editors use: write it to a file, and begin a recipe with
/// `# yaml-language-server: $schema=FILE`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_: &Args, ui: &Ui) -> Result<()> {
    Ok(ui.data(&format!("{:#}\n", config::json_schema()))?)
}
