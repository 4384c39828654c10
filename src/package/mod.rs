//! Stage 5: the output stream as apks: scanned, described, signed, indexed.
//!
//! Streams: a package's files are never a tree on disk, and memory does not grow with the package.

mod content;
mod error;
mod sca;
mod tree;

use std::io::Read;
use std::path::PathBuf;

use crate::apk::key::Signer;
use crate::plan::Plan;

pub use error::Error;

/// What the command line says about emission.
#[derive(Debug)]
pub struct Options<'a> {
    /// `--out-dir`; packages go to its architecture's subdirectory.
    pub out_dir: PathBuf,
    /// The key; none means unsigned packages.
    pub signer: Option<&'a Signer>,
    /// Write and merge `APKINDEX.tar.gz`.
    pub generate_index: bool,
    /// `--namespace`: `maintainer =` and purls.
    pub namespace: String,
    /// `SOURCE_DATE_EPOCH`
    pub source_date_epoch: i64,
    /// Packages keep their own name as origin.
    pub strip_origin_name: bool,
    /// The environment's packages as `name=version`, for `.melange.yaml`.
    pub locked: &'a [String],
    /// `--license`: licence of the recipe file, for the SBOM.
    pub recipe_license: String,
    /// `--git-repo-url`, for the SBOM.
    pub repo_url: String,
}

/// A package that was emitted.
#[derive(Clone, Debug)]
pub struct Built {
    /// The file.
    pub path: PathBuf,
    /// Name.
    pub name: String,
    /// Version with `-rN`.
    pub version: String,
    /// Bytes.
    pub size: u64,
}

/// Reads the tar stream (one top-level directory per package, named after it) and writes all
/// packages, then the index. Packages take their names only when all of them are complete.
pub fn assemble(
    plan: &Plan,
    stream: &mut dyn Read,
    options: &Options<'_>,
) -> Result<Vec<Built>, Error> {
    let _ = (plan, stream, options);
    todo!()
}
