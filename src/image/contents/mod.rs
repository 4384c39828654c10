//! What is in a package: found by reading its data segment once, remembered for ever.
//!
//! Beneath the stages. Holds what the rest of `image` asks about a package without opening it: each
//! entry's path, owner, mode and checksum, the text of the few files that decide about accounts,
//! libraries and applets, the sonames of libraries, and the diff id of the segment as a layer.
//! Decides nothing.

mod record;

use std::io::{self, Read, Seek as _};

use flate2::read::MultiGzDecoder;
use sha2::Digest as _;

use super::Error;
use super::elf::{self, Library};
use super::oci::Layer;
use super::store::Store;
use crate::apk::reader::Apk;
use crate::apk::tar::{Header, Kind, Reader};
use crate::digest::{Sha1, Sha256};

/// A package unpacks to no more than this many bytes.
const MAX_UNPACKED: u64 = 1 << 36;
/// A package holds no more than this many entries.
const MAX_ENTRIES: usize = 4 << 20;
/// A file whose text is kept is no larger than this.
const MAX_KEPT: u64 = 1 << 20;
/// Up to this size a library is looked at in memory, beyond it in a temporary file.
const LIBRARY_IN_MEMORY: usize = 8 << 20;

/// The PAX record with the SHA-1 of a file's content or of a symlink's target.
const CHECKSUM: &str = "APK-TOOLS.checksum.SHA1";
const XATTR: &str = "SCHILY.xattr.";

/// An entry of a package, in archive order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// As in the archive: no leading or trailing slash, may be empty for the root.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    /// Target of a symbolic or hard link.
    pub(super) link: Vec<u8>,
    /// SHA-1 of a regular file's content or of a symlink's target.
    pub(super) sha1: Option<Sha1>,
    /// Digest of the extended attributes, if it has any.
    pub(super) xattrs: Option<Sha256>,
    /// The content, of the few files whose content matters.
    pub(super) text: Option<Vec<u8>>,
    /// If it is a shared library by name and content.
    pub(super) library: Option<Library>,
}

/// A package's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// The data segment as a layer.
    pub(super) layer: Layer,
    pub(super) entries: Vec<Entry>,
}

impl Contents {
    /// Whether there is anything to unpack.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| entry.path.is_empty())
    }
}

/// What is in a package: from the store, or read now and put there.
pub(super) fn of(apk: &Apk, store: &Store) -> Result<Contents, Error> {
    let datahash = match apk.info.datahash {
        Some(datahash) => datahash,
        None => hash(apk.data().map_err(|error| super::package_error(apk, error))?)?,
    };
    if let Some(contents) = store.contents(&datahash).and_then(|bytes| record::decode(&bytes)) {
        return Ok(contents);
    }
    let contents = read(apk, datahash).map_err(|error| super::package_error(apk, error))?;
    store.remember_contents(&datahash, &record::encode(&contents))?;
    Ok(contents)
}

fn hash(mut data: impl Read) -> io::Result<Sha256> {
    let mut hashing = Hashing::new(&mut data);
    io::copy(&mut hashing, &mut io::sink())?;
    Ok(hashing.finish().0)
}

fn malformed(problem: impl Into<String>) -> crate::apk::Error {
    crate::apk::Error::Malformed { what: "package", problem: problem.into() }
}

fn read(apk: &Apk, datahash: Sha256) -> Result<Contents, crate::apk::Error> {
    let mut entries = Vec::new();
    let mut compressed = Hashing::new(apk.data()?);
    let mut unpacked = Hashing::new(MultiGzDecoder::new(&mut compressed).take(MAX_UNPACKED));
    if apk.data_offset < apk.size {
        let mut archive = Reader::new(&mut unpacked);
        while let Some(header) = archive.next_entry()? {
            entries.push(entry(header, &mut archive.content())?);
            if entries.len() > MAX_ENTRIES {
                return Err(malformed(format!("it has more than {MAX_ENTRIES} entries")));
            }
        }
        // The diff id is of all that unpacks, what follows the end of the archive included.
        io::copy(&mut unpacked, &mut io::sink())?;
    }
    let (diff_id, unpacked) = unpacked.finish();
    if unpacked == MAX_UNPACKED {
        return Err(malformed(format!("it unpacks to {MAX_UNPACKED} bytes or more")));
    }
    io::copy(&mut compressed, &mut io::sink())?;
    let (digest, size) = compressed.finish();
    if digest != datahash {
        let text = format!("its data segment has SHA-256 {digest}, `.PKGINFO` says {datahash}");
        return Err(crate::apk::Error::Untrusted(text));
    }
    Ok(Contents { layer: Layer { digest, size, diff_id }, entries })
}

fn entry(header: Header, content: &mut impl Read) -> Result<Entry, crate::apk::Error> {
    let bad = |path: &[u8]| path.split(|byte| *byte == b'/').any(|part| part == b"..");
    if bad(&header.path) || (header.kind == Kind::HardLink && bad(&header.link)) {
        let path = String::from_utf8_lossy(&header.path).into_owned();
        return Err(malformed(format!("the path `{path}` leads out of the package")));
    }
    let mut entry = Entry {
        sha1: checksum(&header),
        xattrs: xattrs(&header),
        path: header.path,
        kind: header.kind,
        mode: header.mode,
        uid: header.uid,
        gid: header.gid,
        size: header.size,
        link: header.link,
        text: None,
        library: None,
    };
    match entry.kind {
        Kind::File => look_inside(&mut entry, content)?,
        Kind::Symlink => entry.sha1 = Some(Sha1::of(&entry.link)),
        _ => {}
    }
    Ok(entry)
}

fn look_inside(entry: &mut Entry, content: &mut impl Read) -> io::Result<()> {
    let mut content = HashingSha1 { inner: content, hasher: sha1::Sha1::new() };
    if is_text_kept(&entry.path) && entry.size <= MAX_KEPT {
        let mut text = Vec::new();
        content.read_to_end(&mut text)?;
        entry.text = Some(text);
    } else if is_library_name(file_name(&entry.path)) {
        let mut spool = tempfile::SpooledTempFile::new(LIBRARY_IN_MEMORY);
        io::copy(&mut content, &mut spool)?;
        spool.rewind()?;
        entry.library = elf::read_library(&mut spool)?;
    } else if entry.sha1.is_none() {
        io::copy(&mut content, &mut io::sink())?;
    }
    // A package that was not made by apk's tools has no checksums.
    if entry.sha1.is_none() {
        entry.sha1 = Some(Sha1(content.hasher.finalize().into()));
    }
    Ok(())
}

/// The part of a path after the last slash.
pub(super) fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// The files whose text decides about accounts, the linker's cache and applets.
fn is_text_kept(path: &[u8]) -> bool {
    let Some(below) = path.strip_prefix(b"etc/") else { return false };
    matches!(below, b"passwd" | b"group" | b"shadow")
        || below.starts_with(b"ld.so.conf")
        || below.starts_with(b"busybox-paths.d/")
}

/// ldconfig's rule: `lib*.so`, `lib*.so.*`, `ld-*.so`, `ld-*.so.*`.
pub(super) fn is_library_name(name: &[u8]) -> bool {
    (name.starts_with(b"lib") || name.starts_with(b"ld-"))
        && (name.ends_with(b".so") || name.windows(4).any(|part| part == b".so."))
}

fn checksum(header: &Header) -> Option<Sha1> {
    let text = std::str::from_utf8(header.pax.get(CHECKSUM)?).ok()?;
    text.parse().ok()
}

fn xattrs(header: &Header) -> Option<Sha256> {
    let mut hasher = sha2::Sha256::new();
    let mut any = false;
    for (key, value) in header.pax.iter().filter(|(key, _)| key.starts_with(XATTR)) {
        any = true;
        for part in [key.as_bytes(), value] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    any.then(|| Sha256(hasher.finalize().into()))
}

/// Passes on what is read and computes its SHA-256 and its length.
struct Hashing<R> {
    inner: R,
    hasher: sha2::Sha256,
    length: u64,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self { inner, hasher: sha2::Sha256::new(), length: 0 }
    }

    fn finish(self) -> (Sha256, u64) {
        (Sha256(self.hasher.finalize().into()), self.length)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.length += count as u64;
        Ok(count)
    }
}

struct HashingSha1<R> {
    inner: R,
    hasher: sha1::Sha1,
}

impl<R: Read> Read for HashingSha1<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_names_are_ldconfigs() {
        for name in ["libc.so.6", "libc.so", "ld-linux-x86-64.so.2", "libfoo-1.2.so"] {
            assert!(is_library_name(name.as_bytes()), "{name}");
        }
        for name in ["libfoo.a", "foo.so", "lib.txt", "libfoo.sox"] {
            assert!(!is_library_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn the_files_that_decide_are_kept() {
        for path in ["etc/passwd", "etc/ld.so.conf.d/x.conf", "etc/busybox-paths.d/busybox"] {
            assert!(is_text_kept(path.as_bytes()), "{path}");
        }
        for path in ["etc/passwd-", "usr/etc/passwd", "etc/ssl/cert.pem"] {
            assert!(!is_text_kept(path.as_bytes()), "{path}");
        }
    }
}
