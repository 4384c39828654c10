//! Writing apks: a data segment as a stream, then control segment, signature and the whole file.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::Error;
use super::key::Signer;
use super::pkginfo::PkgInfo;
use super::tar::Header;
use crate::digest::{Sha1, Sha256};

/// A data segment that is being written to a temporary file in the directory of the package.
pub struct DataWriter {
    _private: (),
}

/// A finished data segment.
#[derive(Debug)]
pub struct Data {
    /// SHA-256 of the compressed segment: `datahash`.
    pub hash: Sha256,
    /// Bytes, compressed.
    pub compressed: u64,
    /// Bytes when installed: contents of regular files (hard links once) and targets of symlinks.
    pub installed: u64,
}

/// A package that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-1 of the compressed control segment: what the index calls `C:Q1…`.
    pub identity: Sha1,
}

impl DataWriter {
    /// Starts a segment; its temporary file lies in `directory`. `threads` 0 means one per core.
    pub fn create(directory: &Path, threads: usize) -> Result<Self, Error> {
        todo!("{} {threads}", directory.display())
    }

    /// Adds an entry. The caller gives entries in archive order, the header's `mtime`, owner and
    /// xattr records as they shall be written; the checksum record is added here. `sha1` is the
    /// digest of the content of a regular file or hard link (`Sha1::of` the target for a symlink is
    /// computed here).
    pub fn append(
        &mut self,
        header: Header,
        sha1: Option<Sha1>,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let _ = (header, sha1, content);
        todo!()
    }

    /// Ends the segment.
    pub fn finish(self) -> Result<Data, Error> {
        todo!()
    }
}

/// Writes `[signature] control data` to `target` (temporary file, fsync, rename).
///
/// `info.size` and `info.datahash` are filled in from the data segment; `control` are further files
/// of the control segment (name, mode, content), such as `.melange.yaml` (0644) and `.post-install`
/// (0755); they are sorted here.
pub fn write_apk(
    target: &Path,
    data: Data,
    info: &PkgInfo,
    control: &[(String, u32, Vec<u8>)],
    mtime: i64,
    signer: Option<&Signer>,
) -> Result<Written, Error> {
    let _ = (target, data, info, control, mtime, signer);
    todo!()
}

/// Replaces the signature of a package on disk (or adds one), in place by rename.
pub fn sign_apk(path: &Path, signer: &Signer) -> Result<(), Error> {
    todo!("{} {signer:?}", path.display())
}
