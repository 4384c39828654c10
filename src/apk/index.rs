//! `APKINDEX`: entries, the archive around them, signatures.

use std::path::Path;

use super::Error;
use super::key::{KeyRing, Signer};

/// A package in an index. Fields are as in the text, lists split at blanks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `C:` as it stands (`Q1` and base64 of a SHA-1).
    pub checksum: String,
    /// `P:`
    pub name: String,
    /// `V:`
    pub version: String,
    /// `A:`
    pub arch: String,
    /// `S:` bytes of the file.
    pub size: u64,
    /// `I:` bytes when installed.
    pub installed_size: u64,
    /// `T:`
    pub description: String,
    /// `U:`
    pub url: String,
    /// `L:`
    pub license: String,
    /// `o:`
    pub origin: String,
    /// `m:`
    pub maintainer: String,
    /// `t:` 0 when absent.
    pub build_date: i64,
    /// `c:`
    pub commit: String,
    /// `k:`
    pub provider_priority: Option<i64>,
    /// `D:`
    pub depends: Vec<String>,
    /// `p:`
    pub provides: Vec<String>,
    /// `i:`
    pub install_if: Vec<String>,
    /// `r:` (apk-tools writes none; kept when present).
    pub replaces: Vec<String>,
}

impl Entry {
    /// Describes a package on disk.
    pub fn of_apk(apk: &super::reader::Apk) -> Self {
        todo!("{apk:?}")
    }
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The `DESCRIPTION` file.
    pub description: String,
    /// The packages, in file order.
    pub entries: Vec<Entry>,
}

impl Index {
    /// Reads the text of `APKINDEX` (not the archive).
    pub fn parse(text: &str) -> Result<Self, Error> {
        todo!("{text}")
    }

    /// The text of `APKINDEX`.
    pub fn to_text(&self) -> String {
        todo!()
    }

    /// Reads `APKINDEX.tar.gz`; does not look at signatures.
    pub fn read(archive: &[u8]) -> Result<Self, Error> {
        todo!("{}", archive.len())
    }

    /// Adds entries: one of the same name and version is replaced in place, others are appended.
    pub fn merge(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let _ = entries.into_iter().count();
        todo!()
    }

    /// The bytes of `APKINDEX.tar.gz`, signed if there is a signer.
    pub fn to_archive(&self, signer: Option<&Signer>) -> Result<Vec<u8>, Error> {
        todo!("{signer:?}")
    }
}

/// Verifies `APKINDEX.tar.gz`: one of its signatures was made by a key of the ring, whose name is
/// returned. An index without signature is an error.
pub fn verify(archive: &[u8], keys: &KeyRing) -> Result<String, Error> {
    todo!("{} {keys:?}", archive.len())
}

/// Merges entries into the index at `path` under a lock beside it (`APKINDEX.tar.gz.lock`), so that
/// concurrent builds lose nothing; the file is replaced by rename.
pub fn update(path: &Path, entries: Vec<Entry>, signer: Option<&Signer>) -> Result<(), Error> {
    todo!("{} {} {signer:?}", path.display(), entries.len())
}
