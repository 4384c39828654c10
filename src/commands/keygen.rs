//! `melange2 keygen`: makes a signing key.
//!
//! Around the stages. The key itself is made by `apk::key`.

use std::path::PathBuf;

use crate::apk::key::{Existing, Signer};
use crate::error::{Error, Result};
use crate::ui::Ui;

/// Make a key to sign packages and indexes with.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The private key's file; the public key is written beside it as KEY.pub.
    #[arg(value_name = "KEY", default_value = "melange.rsa")]
    path: PathBuf,
    /// Bits: 2048, 3072, 4096 or 8192.
    #[arg(long, default_value_t = 4096)]
    key_size: u32,
    /// Replace files that exist.
    #[arg(short, long)]
    force: bool,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let path = &args.path;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| Error::config(format!("`{}` is not a file's name", path.display())))?;
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    if !args.force && path.exists() {
        // Before the seconds that a key takes.
        let error = Error::config(format!("`{}` exists already", path.display()));
        return Err(error.hint("give another name, or `--force` to replace it"));
    }
    if !name.ends_with(".rsa") {
        ui.warning(&format!("apko passes over signatures of keys not named `*.rsa`, as `{name}`"));
    }
    let signer = Signer::generate(args.key_size, &format!("{name}.pub"))?;
    let public = signer.write_files(path, existing)?;
    ui.status(&format!("wrote `{}` (keep it secret) and `{}`", path.display(), public.display()));
    Ok(())
}
