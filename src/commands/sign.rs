//! `melange2 sign`: signs packages.
//!
//! Around the stages. The work is done by `apk::writer`.

use std::path::PathBuf;

use crate::apk::key::Signer;
use crate::apk::writer::sign_apk;
use crate::error::Result;
use crate::ui::Ui;

/// Sign packages, replacing the signature that they have.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The packages.
    #[arg(value_name = "APK", required = true)]
    packages: Vec<PathBuf>,
    /// The private key to sign with.
    #[arg(short = 'k', long, value_name = "KEY", default_value = "local-melange.rsa")]
    signing_key: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let signer = Signer::from_file(&args.signing_key)?;
    for path in &args.packages {
        sign_apk(path, &signer)?;
        ui.status(&format!("signed `{}`", path.display()));
    }
    Ok(())
}
