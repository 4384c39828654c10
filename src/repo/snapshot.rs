//! Catalogs kept on disk, so that an index that was seen before need not be unpacked again.
//!
//! A snapshot only spares the parsing. The archive it was made from is fetched (or confirmed), and
//! its signature verified every time; the digest over which the signature is made is the snapshot's
//! name and goes into its authentication code. The code's key belongs to this user and lies outside
//! the cache: whoever can write to the cache, or brings one along from elsewhere, can't make a
//! snapshot that is believed.
//!
//! ```text
//! the catalog's head
//! groups × SHA-256      of the lines of some packages each
//! code (32)             over the index's digest and all of the above
//! the catalog's text
//! ```
//!
//! Solving meets few of the packages. So the code is verified when a snapshot is opened, and lines
//! when they are met, each time: what is used is in memory by then, and nobody can change it.
//! What does not fit is read as absent, and made again.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use fs_err as fs;

use super::catalog::{self, Catalog, Layout};
use crate::digest::Sha256;
use crate::fsutil::{AtomicFile, FileLock};

const CODE: usize = 32;
const DIGEST: usize = 32;
/// Snapshots older than this are removed when a new one is written.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Snapshots in a directory.
#[derive(Clone)]
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

    /// The catalog of an index, if it is there and its head is whole. `parse` makes the catalog
    /// anew should lines turn out to be damaged later.
    pub(super) fn load(
        &self,
        index: &Sha256,
        parse: impl Fn() -> Option<Catalog> + Send + Sync + 'static,
    ) -> Option<Catalog> {
        let key = self.key.as_ref()?;
        let (mut file, _) = fs::File::open(self.path(index)).ok()?.into_parts();
        let size = file.metadata().ok()?.len();
        let mut head = vec![0; catalog::HEADER];
        file.read_exact(&mut head).ok()?;
        let layout = Layout::of(&head)?;
        let digests = layout.groups() * DIGEST;
        let text = layout.head + digests + CODE;
        // Before anything is believed, and before memory is taken for it.
        (text as u64 + layout.text as u64 == size).then_some(())?;
        head.resize(text, 0);
        file.read_exact(head.get_mut(catalog::HEADER..)?).ok()?;
        let code = head.split_off(layout.head + digests);
        (code == authentication(key, index, &head).as_ref()).then_some(())?;
        let digests = head.split_off(layout.head);
        let (text, again, parse) = (text as u64, OnceLock::new(), Box::new(parse));
        Catalog::kept(head, Lines { file, text, digests, again, parse })
    }

    /// Keeps the catalog of an index. Failing to is not worth more than a note.
    pub(super) fn store(&self, index: &Sha256, catalog: &Catalog) {
        let (Some(key), Some(text)) = (&self.key, catalog.text()) else { return };
        let written = (|| {
            fs::create_dir_all(&self.directory)?;
            // Not an `AtomicFile`: whoever waits for a solution should not also wait for the disk.
            // If the machine dies before it is written, the digests show that it is damaged.
            let file = tempfile::NamedTempFile::new_in(&self.directory)?;
            let start = catalog.head().len() + catalog.groups().count() * DIGEST + CODE;
            // Hashing takes about as long as writing.
            std::thread::scope(|scope| {
                let writing = scope.spawn(|| file.as_file().write_all_at(text, start as u64));
                let head = sealed(key, index, catalog, text);
                file.as_file().write_all_at(&head, 0)?;
                writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
            file.persist(self.path(index)).map_err(|failed| failed.error)?;
            self.remove_old()
        })();
        if let Err(error) = written {
            tracing::debug!("failed to keep a parsed index: {error}");
        }
    }

    fn path(&self, index: &Sha256) -> PathBuf {
        self.directory.join(index.to_string())
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

/// The text of a snapshot.
struct Lines {
    file: std::fs::File,
    /// Where it begins in the file.
    text: u64,
    /// Of the lines of each group of packages.
    digests: Vec<u8>,
    /// Made from the index when lines were found damaged.
    again: OnceLock<Option<Catalog>>,
    parse: Box<dyn Fn() -> Option<Catalog> + Send + Sync>,
}

impl Lines {
    fn read(&self, group: usize, range: &Range<usize>) -> Option<Vec<u8>> {
        let mut lines = vec![0; range.len()];
        self.file.read_exact_at(&mut lines, self.text + range.start as u64).ok()?;
        let digest = self.digests.get(group * DIGEST..(group + 1) * DIGEST)?;
        (digest == Sha256::of(&lines).0).then_some(lines)
    }
}

impl catalog::Kept for Lines {
    fn lines(&self, group: usize, range: Range<usize>) -> Cow<'_, [u8]> {
        if self.again.get().is_none()
            && let Some(lines) = self.read(group, &range)
        {
            return Cow::Owned(lines);
        }
        // The same index has the same text: the head, which was verified, says where lines are.
        let again = self.again.get_or_init(|| {
            tracing::debug!("a parsed index is damaged: parsing it again");
            (self.parse)()
        });
        let text = again.as_ref().and_then(Catalog::text).unwrap_or_default();
        Cow::Borrowed(text.get(range).unwrap_or_default())
    }
}

/// What stands before the text.
fn sealed(key: &hmac::Key, index: &Sha256, catalog: &Catalog, text: &[u8]) -> Vec<u8> {
    let mut head = catalog.head().to_vec();
    for range in catalog.groups() {
        head.extend_from_slice(&Sha256::of(text.get(range).unwrap_or_default()).0);
    }
    let code = authentication(key, index, &head);
    head.extend_from_slice(code.as_ref());
    head
}

fn authentication(key: &hmac::Key, index: &Sha256, content: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(&index.0);
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn catalog() -> Catalog {
        catalog::build(b"P:a\nV:1\n").unwrap()
    }

    fn load(snapshots: &Snapshots, index: &Sha256) -> Option<Catalog> {
        snapshots.load(index, || None)
    }

    #[test]
    fn only_what_was_kept_here_is_believed() {
        let root = tempfile::tempdir().unwrap();
        let open =
            |state: &str| Snapshots::new(root.path().join("snapshots"), &root.path().join(state));
        let index = Sha256::of(b"index");
        open("mine").store(&index, &catalog());
        let kept = load(&open("mine"), &index).unwrap();
        assert_eq!((kept.len(), kept.package(0).label().as_str()), (1, "a-1"));
        assert!(load(&open("mine"), &Sha256::of(b"other")).is_none());
        assert!(load(&open("others"), &index).is_none());

        // Under another index's name it is not taken either.
        let other = Sha256::of(b"other");
        fs::copy(open("mine").path(&index), open("mine").path(&other)).unwrap();
        assert!(load(&open("mine"), &other).is_none());
    }

    #[test]
    fn any_damage_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(root.path().join("snapshots"), root.path());
        let index = Sha256::of(b"index");
        snapshots.store(&index, &catalog());
        let path = snapshots.path(&index);
        let whole = fs::read(&path).unwrap();
        let text = whole.len() - catalog().text().unwrap().len();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            let found = load(&snapshots, &index);
            assert_eq!(found.is_some(), at >= text, "{at}");
            // Damaged lines are not there, if they can't be had anew.
            assert!(found.is_none_or(|catalog| catalog.package(0).name.is_empty()), "{at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(load(&snapshots, &index).is_none(), "{at}");
        }
        let key = fs::metadata(root.path().join("snapshot.key")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&key) & 0o777, 0o600);
    }

    #[test]
    fn damaged_lines_are_made_anew_when_they_are_met() {
        let root = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(root.path().join("snapshots"), root.path());
        let index = Sha256::of(b"index");
        let many = || {
            let text: String = (0..100).map(|number| format!("P:p{number}\nV:1\n\n")).collect();
            catalog::build(text.as_bytes())
        };
        snapshots.store(&index, &many().unwrap());
        let parsed = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&parsed);
        let load = || {
            let counter = Arc::clone(&counter);
            let parse = move || {
                counter.fetch_add(1, Ordering::Relaxed);
                many()
            };
            snapshots.load(&index, parse).unwrap()
        };

        let sound = load();
        assert_eq!(sound.package(99).label(), "p99-1");
        let path = snapshots.path(&index);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        // Into the very file that is open: what was verified once is verified again.
        fs::write(&path, bytes).unwrap();
        assert_eq!(sound.package(0).label(), "p0-1");
        assert_eq!(parsed.load(Ordering::Relaxed), 0);
        assert_eq!(sound.package(99).label(), "p99-1");
        assert_eq!(parsed.load(Ordering::Relaxed), 1);

        let mut names = 0;
        load().each_name(|_| names += 1);
        assert_eq!(names, 100);
        assert_eq!(parsed.load(Ordering::Relaxed), 2);
    }
}
