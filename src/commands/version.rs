//! `melange2 version`: tells the program's version.

use crate::error::Result;
use crate::ui::Ui;

/// Tell the program's version.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let text = if args.json {
        format!("{}\n", serde_json::json!({ "name": "melange2", "version": version }))
    } else {
        format!("melange2 {version}\n")
    };
    Ok(ui.data(&text)?)
}
