//! The build environment as an OCI image layout.
//!
//! Beneath the stages, of which it knows nothing; stands on `apk`. A package's data segment is a
//! layer as it stands; what apko does after unpacking is the last layer.

mod error;

use std::path::{Path, PathBuf};

use crate::apk::key::KeyRing;
use crate::arch::Arch;
use crate::digest::Sha256;

pub use error::Error;

/// A user that `/etc/passwd` shall name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Login shell; empty means `/bin/sh`.
    pub shell: String,
    /// Home directory; empty means `/home/NAME`.
    pub home: String,
}

/// A group that `/etc/group` shall name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: u32,
    /// Names of its members.
    pub members: Vec<String>,
}

/// apko's `paths:` entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathChange {
    /// `directory`, `empty-file`, `hardlink`, `symlink` or `permissions`.
    pub kind: String,
    /// The path.
    pub path: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub permissions: u32,
    /// Target of a link.
    pub source: String,
    /// Also what lies below.
    pub recursive: bool,
}

/// A verified package to install.
#[derive(Clone, Debug)]
pub struct Package {
    /// The file.
    pub path: PathBuf,
    /// The tag of its repository.
    pub tag: Option<String>,
}

/// What an environment is made of.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Architecture.
    pub arch: Arch,
    /// Packages in installation order.
    pub packages: &'a [Package],
    /// `/etc/apk/world`: the atoms that were asked for.
    pub world: &'a [String],
    /// `/etc/apk/repositories`
    pub repositories: &'a [String],
    /// `/etc/apk/keys`
    pub keys: &'a KeyRing,
    /// Users to add.
    pub users: &'a [User],
    /// Groups to add.
    pub groups: &'a [Group],
    /// Changes to make last.
    pub paths: &'a [PathChange],
    /// How many layers the image may have (BuildKit's limits: leave room for the steps).
    pub max_layers: usize,
    /// Where blobs are kept between builds, shared by concurrent processes.
    pub store: &'a Path,
}

/// An assembled image.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The OCI layout's directory (`--oci-layout env=DIR`).
    pub dir: PathBuf,
    /// The manifest's digest (`oci-layout://env@sha256:…`).
    pub digest: Sha256,
    /// How many layers.
    pub layers: usize,
    /// Absolute paths of all regular files and symlinks under `bin`, `sbin`, `usr/bin` and
    /// `usr/sbin`: what programs the environment has.
    pub programs: Vec<String>,
}

/// Makes the image. The same request gives the same digest, on any machine.
pub fn assemble(request: &Request<'_>) -> Result<Layout, Error> {
    todo!("{request:?}")
}
