//! Stage 5: the output stream as apks: scanned, described, signed, indexed.
//!
//! Streams: a package's files are never a tree on disk, and memory does not grow with the package.

mod assemble;
mod capabilities;
mod content;
mod dependencies;
mod error;
mod owners;
mod publish;
mod receive;
mod sbom;
mod sca;
mod segment;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;

use std::path::PathBuf;

use crate::apk::key::Signer;

pub use assemble::{assemble, assemble_with_recipe};
pub use error::Error;
pub(crate) use sbom::license_expression;
pub use sca::{SCANNERS, Scanner};

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
    /// Whether the build shall end: asked for the last time when packages are about to take their
    /// names. Once they have, they stay.
    pub cancelled: fn() -> bool,
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
