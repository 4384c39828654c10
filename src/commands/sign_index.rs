//! `melange2 sign-index`: signs an index.
//!
//! Around the stages. The work is done by `apk::index`.

use std::path::PathBuf;

use crate::apk::index;
use crate::apk::key::Signer;
use crate::error::Result;
use crate::ui::Ui;

/// Sign a repository index.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The indexes, `APKINDEX.tar.gz`.
    #[arg(value_name = "INDEX", required = true)]
    indexes: Vec<PathBuf>,
    /// The private key to sign with.
    #[arg(long, value_name = "KEY", default_value = "melange.rsa")]
    signing_key: PathBuf,
    /// Replace the signature of an index that is signed already.
    #[arg(short, long)]
    force: bool,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let signer = Signer::from_file(&args.signing_key)?;
    let existing = if args.force { index::Signed::Replace } else { index::Signed::Keep };
    for path in &args.indexes {
        ui.status(&match index::sign_file(path, &signer, existing)? {
            true => format!("signed `{}`", path.display()),
            false => format!("`{}` is signed already (`--force` replaces it)", path.display()),
        });
    }
    Ok(())
}
