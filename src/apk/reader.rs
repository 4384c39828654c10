//! Reading apks: cutting the gzip members apart, verifying signature and data hash.

use std::path::{Path, PathBuf};

use super::Error;
use super::key::{Algorithm, KeyRing};
use super::pkginfo::PkgInfo;
use crate::digest::Sha1;

/// A signature found in a package or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The public key's file name.
    pub key: String,
    /// How it was made.
    pub algorithm: Algorithm,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// A package on disk, its control segment read.
#[derive(Clone, Debug)]
pub struct Apk {
    /// The file.
    pub path: PathBuf,
    /// Bytes of the whole file.
    pub size: u64,
    /// The signatures, none if it is not signed.
    pub signatures: Vec<Signature>,
    /// The control segment, compressed as it stands.
    pub control: Vec<u8>,
    /// What the index calls `C:Q1…`: SHA-1 of the compressed control segment.
    pub identity: Sha1,
    /// `.PKGINFO`
    pub info: PkgInfo,
    /// The other files of the control segment: name and content.
    pub control_files: Vec<(String, Vec<u8>)>,
    /// Where the compressed data segment begins; it goes to the end of the file.
    pub data_offset: u64,
}

impl Apk {
    /// Opens a package and reads all but its data. Limits guard against decompression bombs.
    pub fn open(path: &Path) -> Result<Self, Error> {
        todo!("{}", path.display())
    }

    /// Verifies that one of the signatures was made by a key of the ring, and names the key.
    pub fn verify_signature(&self, keys: &KeyRing) -> Result<&str, Error> {
        todo!("{keys:?}")
    }

    /// Verifies the data segment against `datahash`.
    pub fn verify_data(&self) -> Result<(), Error> {
        todo!()
    }

    /// The compressed data segment.
    pub fn data(&self) -> Result<impl std::io::Read + use<>, Error> {
        Ok(std::io::empty())
    }
}
