//! Catalogs kept on disk, so that an index that was seen before need not be unpacked again.
//!
//! A snapshot only spares the parsing. The archive it was made from is fetched (or confirmed), and
//! its signature verified every time; the digest over which the signature is made is the snapshot's
//! name and goes into its authentication code. The code's key belongs to this user and lies outside
//! the cache: whoever can write to the cache, or brings one along from elsewhere, can't make a
//! snapshot that is believed. What does not fit is read as absent, and made again.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use fs_err as fs;

use super::catalog::Catalog;
use crate::digest::Sha256;
use crate::fsutil::{AtomicFile, FileLock};

const CODE: usize = 32;
/// Snapshots older than this are removed when a new one is written.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Snapshots in a directory.
pub(super) struct Snapshots {
    directory: PathBuf,
    /// `None`: without a key of one's own nothing is kept.
    key: Option<hmac::Key>,
}

impl Snapshots {
    /// Snapshots in `directory`, with the key in `state_dir`, which is made when missing.
    pub(super) fn new(directory: PathBuf, state_dir: &Path) -> Self {
        let key = key(&state_dir.join("snapshot.key"));
        if let Err(error) = &key {
            tracing::debug!("indexes are parsed each time: {error}");
        }
        Self { directory, key: key.ok() }
    }

    /// The catalog of an archive, if it is there and whole.
    pub(super) fn load(&self, archive: &Sha256) -> Option<Catalog> {
        let key = self.key.as_ref()?;
        let mut bytes = fs::read(self.path(archive)).ok()?;
        let content = bytes.len().checked_sub(CODE)?;
        let code = bytes.split_off(content);
        (code == authentication(key, archive, &bytes).as_ref()).then_some(())?;
        Catalog::from_bytes(bytes)
    }

    /// Keeps the catalog of an archive. Failing to is not worth more than a note.
    pub(super) fn store(&self, archive: &Sha256, catalog: &Catalog) {
        let Some(key) = &self.key else { return };
        let written = (|| {
            fs::create_dir_all(&self.directory)?;
            // Not an `AtomicFile`: whoever waits for a solution should not also wait for the disk.
            // If the machine dies before it is written, the code shows that it is damaged.
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            file.write_all(catalog.as_bytes())?;
            file.write_all(authentication(key, archive, catalog.as_bytes()).as_ref())?;
            file.persist(self.path(archive)).map_err(|failed| failed.error)?;
            self.remove_old()
        })();
        if let Err(error) = written {
            tracing::debug!("failed to keep a parsed index: {error}");
        }
    }

    fn path(&self, archive: &Sha256) -> PathBuf {
        self.directory.join(archive.to_string())
    }

    fn remove_old(&self) -> std::io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let age = SystemTime::now().duration_since(entry.metadata()?.modified()?);
            if age.is_ok_and(|age| age > KEPT) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn authentication(key: &hmac::Key, archive: &Sha256, content: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(&archive.0);
    context.update(content);
    context.sign()
}

fn key(path: &Path) -> std::io::Result<hmac::Key> {
    let read = || {
        let bytes = fs::read(path).ok().filter(|bytes| bytes.len() == CODE)?;
        Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    };
    if let Some(key) = read() {
        return Ok(key);
    }
    let _lock = FileLock::exclusive(&path.with_extension("lock"))?;
    if let Some(key) = read() {
        return Ok(key);
    }
    let mut bytes = [0; CODE];
    aws_lc_rs::rand::fill(&mut bytes).map_err(std::io::Error::other)?;
    let mut file = AtomicFile::create_with_mode(path, 0o600)?;
    file.write_all(&bytes)?;
    file.commit()?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::catalog;

    fn catalog() -> Catalog {
        catalog::build(b"P:a\nV:1\n").unwrap()
    }

    #[test]
    fn only_what_was_kept_here_is_believed() {
        let root = tempfile::tempdir().unwrap();
        let open =
            |state: &str| Snapshots::new(root.path().join("snapshots"), &root.path().join(state));
        let archive = Sha256::of(b"archive");
        open("mine").store(&archive, &catalog());
        assert_eq!(open("mine").load(&archive).unwrap().len(), 1);
        assert!(open("mine").load(&Sha256::of(b"other")).is_none());
        assert!(open("others").load(&archive).is_none());

        // Under another archive's name it is not taken either.
        let other = Sha256::of(b"other");
        fs::copy(open("mine").path(&archive), open("mine").path(&other)).unwrap();
        assert!(open("mine").load(&other).is_none());
    }

    #[test]
    fn any_damage_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(root.path().join("snapshots"), root.path());
        let archive = Sha256::of(b"archive");
        snapshots.store(&archive, &catalog());
        let path = snapshots.path(&archive);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert!(snapshots.load(&archive).is_none(), "{at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(snapshots.load(&archive).is_none(), "{at}");
        }
        let key = fs::metadata(root.path().join("snapshot.key")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&key) & 0o777, 0o600);
    }
}
