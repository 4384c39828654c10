//! `APKINDEX`: entries, the archive around them, signatures.
//!
//! Beneath the stages. Fields are written in apko's order; of melange's defects none is kept
//! (`install_if` printed as a Go slice, all licences but the first lost, the race of concurrent
//! builds). Where an index comes from, and whether its signature matters, is the repository's
//! matter; which package is chosen, the solver's.

mod archive;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;

use super::Error;
use super::key::Signer;
use crate::fsutil::{AtomicFile, FileLock};

pub use archive::{Opened, Unpacked, is_signed, sign, unpack, unpack_text, verify};

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
    /// `L:`, all licences, joined with ` AND `.
    pub license: String,
    /// `o:`
    pub origin: String,
    /// `m:`
    pub maintainer: String,
    /// `t:` 0 when absent.
    pub build_date: i64,
    /// `c:`
    pub commit: String,
    /// `k:`; only positive ones are written.
    pub provider_priority: Option<i64>,
    /// `D:`
    pub depends: Vec<String>,
    /// `p:`
    pub provides: Vec<String>,
    /// `i:`
    pub install_if: Vec<String>,
    /// `r:`, which neither apk-tools nor apko write or read in an index; kept when present.
    pub replaces: Vec<String>,
}

impl Entry {
    /// Describes a package on disk.
    pub fn of_apk(apk: &super::reader::Apk) -> Self {
        let info = apk.info.clone();
        let identity = base64::engine::general_purpose::STANDARD.encode(apk.identity.0);
        Self {
            checksum: format!("Q1{identity}"),
            name: info.name,
            version: info.version,
            arch: info.arch,
            size: apk.size,
            installed_size: info.size,
            description: info.description,
            url: info.url,
            license: info.licenses.join(" AND "),
            origin: info.origin,
            maintainer: info.maintainer,
            build_date: info.build_date,
            commit: info.commit,
            provider_priority: info.provider_priority,
            depends: info.depends,
            provides: info.provides,
            install_if: info.install_if,
            replaces: Vec::new(),
        }
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
    ///
    /// # Errors
    /// `Malformed` with the line's number.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self { description: String::new(), entries: text::parse(text)? })
    }

    /// The text of `APKINDEX`. Line breaks within values become blanks.
    pub fn to_text(&self) -> String {
        text::write(&self.entries)
    }

    /// Reads `APKINDEX.tar.gz`; does not look at signatures.
    pub fn read(archive: &[u8]) -> Result<Self, Error> {
        let Unpacked { description, text } = unpack(archive)?;
        Ok(Self { description, ..Self::parse(&text)? })
    }

    /// Adds entries: one of the same name and version is replaced in place, others are appended, as
    /// melange does. The order therefore tells in which order packages came, not their names.
    pub fn merge(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let mut places = HashMap::new();
        for (place, entry) in self.entries.iter().enumerate() {
            places.entry((entry.name.clone(), entry.version.clone())).or_insert(place);
        }
        for entry in entries {
            let key = (entry.name.clone(), entry.version.clone());
            let place = *places.entry(key).or_insert(self.entries.len());
            match self.entries.get_mut(place) {
                Some(old) => *old = entry,
                None => self.entries.push(entry),
            }
        }
    }

    /// The bytes of `APKINDEX.tar.gz`, signed if there is a signer.
    pub fn to_archive(&self, signer: Option<&Signer>) -> Result<Vec<u8>, Error> {
        let archive = archive::pack(&self.description, &self.to_text())?;
        match signer {
            Some(signer) => sign(&archive, signer),
            None => Ok(archive),
        }
    }
}

/// What an index that is written is based on.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// Nothing: what was at the path is replaced.
    Empty,
    /// The index that is at the path, if there is one.
    Same,
    /// Another index, if there is one.
    File(&'a Path),
}

/// What happens to an index that is signed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// It stays as it is.
    Keep,
    /// Its signature is replaced.
    Replace,
}

/// Merges entries into the index at `path` under a lock beside it (`APKINDEX.tar.gz.lock`), so that
/// concurrent builds lose nothing; the file is replaced by rename. The lock's file stays.
pub fn update(path: &Path, entries: Vec<Entry>, signer: Option<&Signer>) -> Result<(), Error> {
    write(path, Base::Same, entries, signer)
}

/// Merges entries into `base` and writes that to `path`, under the lock that [`update`] takes.
pub fn write(
    path: &Path,
    base: Base<'_>,
    entries: Vec<Entry>,
    signer: Option<&Signer>,
) -> Result<(), Error> {
    let _lock = FileLock::exclusive(&lock_path(path))?;
    let base = match base {
        Base::Empty => None,
        Base::Same => read_file(path)?,
        Base::File(other) => read_file(other)?,
    };
    let mut index = base.unwrap_or_default();
    index.merge(entries);
    write_file(path, &index.to_archive(signer)?)
}

/// Signs the index at `path` in place under the lock that [`update`] takes; `false` if it was
/// signed already and stays as it is.
pub fn sign_file(path: &Path, signer: &Signer, existing: Signed) -> Result<bool, Error> {
    // Before the lock, which would make the directory of a path that does not exist.
    fs_err::metadata(path)?;
    let _lock = FileLock::exclusive(&lock_path(path))?;
    let archive = fs_err::read(path)?;
    if existing == Signed::Keep && is_signed(&archive).map_err(|error| located(error, path))? {
        return Ok(false);
    }
    // Read whole before it is signed: a signature says that this is an index.
    unpack(&archive).map_err(|error| located(error, path))?;
    write_file(path, &sign(&archive, signer)?)?;
    Ok(true)
}

/// Reads the index at `path`, `None` if there is no such file.
pub fn read_file(path: &Path) -> Result<Option<Index>, Error> {
    let archive = match fs_err::read(path) {
        Ok(archive) => archive,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Index::read(&archive).map(Some).map_err(|error| located(error, path))
}

fn located(error: Error, path: &Path) -> Error {
    match error {
        Error::Malformed { what, problem } => {
            Error::Malformed { what, problem: format!("`{}`: {problem}", path.display()) }
        }
        error => error,
    }
}

fn write_file(path: &Path, archive: &[u8]) -> Result<(), Error> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(archive)?;
    file.commit()?;
    Ok(())
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}
