//! `melange2 index`: makes an index of packages.
//!
//! Around the stages. The work is done by `apk::index`.

use std::path::{Path, PathBuf};

use crate::apk::index::{self, Entry};
use crate::apk::key::Signer;
use crate::apk::reader::Apk;
use crate::arch::Arch;
use crate::error::Result;
use crate::ui::Ui;

/// Make (or extend) a repository index of packages.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The packages.
    #[arg(value_name = "APK", required = true)]
    packages: Vec<PathBuf>,
    /// The index to write.
    #[arg(short, long, value_name = "FILE", default_value = "APKINDEX.tar.gz")]
    output: PathBuf,
    /// Keep the entries of the index that is there; packages of the same version are replaced.
    #[arg(short, long)]
    merge: bool,
    /// Merge with this index instead of the one at `--output`.
    #[arg(short, long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Leave out packages of other architectures.
    #[arg(short, long)]
    arch: Option<Arch>,
    /// The private key to sign the index with.
    #[arg(long, value_name = "KEY")]
    signing_key: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let signer = args.signing_key.as_deref().map(Signer::from_file).transpose()?;
    if args.source.is_some() && !args.merge {
        ui.warning("`--source` has no effect without `--merge`");
    }
    let mut entries = Vec::new();
    for path in &args.packages {
        entries.extend(describe(path, args.arch, ui)?);
    }
    let (count, output) = (entries.len(), args.output.display());
    let base = match (&args.source, args.merge) {
        (_, false) => index::Base::Empty,
        (Some(source), true) if *source != args.output => index::Base::File(source),
        _ => index::Base::Same,
    };
    index::write(&args.output, base, entries, signer.as_ref())?;
    ui.status(&format!("wrote {count} of {} packages to `{output}`", args.packages.len()));
    Ok(())
}

/// The entry of a package, unless it is one of another architecture.
fn describe(path: &Path, arch: Option<Arch>, ui: &Ui) -> Result<Option<Entry>> {
    let apk = Apk::open(path)?;
    // Whoever installs from the index would be the first to notice.
    apk.verify_data()?;
    let found = apk.info.arch.as_str();
    match arch {
        // Packages for every architecture stand in each one's index.
        Some(arch) if found != arch.apk() && found != "noarch" => {
            let path = path.display();
            ui.warning(&format!("`{path}` is left out: its architecture is `{found}`"));
            Ok(None)
        }
        _ => Ok(Some(Entry::of_apk(&apk))),
    }
}
