//! Repositories: fetched, verified, cached, and asked what to install.
//!
//! Beneath the stages, of which it knows nothing; stands on `apk`.

mod catalog;
mod error;
mod solver;

use std::path::PathBuf;
use std::str::FromStr;

use crate::apk::dependency::Atom;
use crate::apk::key::KeyRing;
use crate::arch::Arch;

pub use error::Error;

/// A repository as named on a command line or in a recipe: `https://…`, a directory, `@tag …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// `@tag`, without the `@`.
    pub tag: Option<String>,
    /// URL or directory, as written.
    pub location: String,
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        todo!("{text}")
    }
}

/// How repositories are reached and trusted.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where indexes, keys and packages are kept, shared by concurrent processes.
    pub cache_dir: PathBuf,
    /// Keys: files or URLs.
    pub keys: Vec<String>,
    /// Take indexes and packages without checking signatures (checksums are still checked).
    pub ignore_signatures: bool,
    /// A bundle of certificates in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// A package that was chosen, in installation order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The package's name.
    pub name: String,
    /// Its version, with `-rN`.
    pub version: String,
    /// `C:` of the index.
    pub checksum: String,
    /// Bytes of the file.
    pub size: u64,
    /// The tag of its repository.
    pub tag: Option<String>,
    /// URL or path of the package file.
    pub location: String,
    /// The index's `origin`.
    pub origin: String,
}

/// A package on disk whose checksum, signature and data hash were verified.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What was chosen.
    pub choice: Choice,
    /// The file in the cache (or in the local repository).
    pub path: PathBuf,
}

/// The indexes of some repositories for one architecture.
#[derive(Debug)]
pub struct Universe {
    _private: (),
}

impl Universe {
    /// Fetches (or finds in the cache) and verifies the indexes.
    pub fn open(specs: &[Spec], arch: Arch, options: &Options) -> Result<Self, Error> {
        todo!("{specs:?} {arch} {options:?}")
    }

    /// What to install so that all atoms are met, dependencies first.
    pub fn solve(&self, request: &[Atom]) -> Result<Vec<Choice>, Error> {
        todo!("{request:?}")
    }

    /// Fetches packages, several at once; each is verified before it is returned. Order is kept.
    pub fn fetch(&self, choices: &[Choice]) -> Result<Vec<Fetched>, Error> {
        todo!("{choices:?}")
    }

    /// The keys that were loaded (they are installed in the environment's `/etc/apk/keys`).
    pub fn keys(&self) -> &KeyRing {
        todo!()
    }
}
