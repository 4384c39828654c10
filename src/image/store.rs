//! The store: an OCI layout that many environments and processes share, and what is remembered
//! beside it.
//!
//! Beneath the stages. Everything is named by its content and appears by rename, so a reader needs
//! no lock. Shape:
//!
//! - `oci-layout`, `index.json`, `blobs/sha256/*`: the layout;
//! - `contents/*`: what is in a package, by its data hash ([`super::contents`]);
//! - `layers/*`: which blob a rewritten layer became, by what it was made of;
//! - `requests/*`: which image a request became, by everything that decides it;
//! - `lock`: held by the process that assembles, so that two cold builds do not do the work twice;
//! - `in-use`: held, together, by all who use an image: nothing is deleted meanwhile.
//!
//! All but the layout is a cache: what is missing or unreadable is made again.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::oci::{self, Layer};
use crate::digest::{Sha256, Sha256Writer};
use crate::fsutil::{AtomicFile, FileLock, write_atomic};

/// The directory.
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
}

/// What a request became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The manifest's digest, hex.
    pub(super) manifest: String,
    /// `Layout::programs`.
    pub(super) programs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct LayerRecord {
    digest: String,
    size: u64,
    diff_id: String,
}

impl Store {
    /// Opens a store, and makes it when missing.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let store = Self { dir: dir.to_owned() };
        fs::create_dir_all(store.dir.join("blobs/sha256"))?;
        let layout = store.dir.join("oci-layout");
        if !layout.exists() {
            write_atomic(&layout, oci::LAYOUT_FILE.as_bytes())?;
        }
        Ok(store)
    }

    /// Waits until no other process assembles.
    pub(super) fn lock(&self) -> io::Result<FileLock> {
        FileLock::exclusive(&self.dir.join("lock"))
    }

    /// Becomes a user of the store, together with others: until the lock is let go, nothing is
    /// deleted.
    pub(super) fn enter(&self) -> io::Result<FileLock> {
        FileLock::shared(&self.dir.join("in-use"))
    }

    /// The right to delete, if nobody uses the store.
    pub(super) fn try_alone(&self) -> io::Result<Option<FileLock>> {
        FileLock::try_exclusive(&self.dir.join("in-use"))
    }

    /// One of its directories.
    pub(super) fn directory(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn blob(&self, digest: &Sha256) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.to_string())
    }

    fn has_blob(&self, digest: &Sha256, size: u64) -> bool {
        fs::metadata(self.blob(digest)).is_ok_and(|metadata| metadata.len() == size)
    }

    /// Keeps some bytes.
    pub(super) fn put(&self, bytes: &[u8]) -> io::Result<Sha256> {
        let digest = Sha256::of(bytes);
        if !self.has_blob(&digest, bytes.len() as u64) {
            write_atomic(&self.blob(&digest), bytes)?;
        }
        Ok(digest)
    }

    /// Keeps the end of a file, from `offset` on: a package's data segment. Its digest is checked
    /// again, because nothing may stand under a name that is not its own.
    pub(super) fn put_segment(&self, layer: &Layer, file: &Path, offset: u64) -> io::Result<()> {
        if self.has_blob(&layer.digest, layer.size) {
            return Ok(());
        }
        let mut source = fs::File::open(file)?;
        source.seek(SeekFrom::Start(offset))?;
        let target = AtomicFile::create(&self.blob(&layer.digest))?;
        let mut target = Sha256Writer::new(target);
        io::copy(&mut source.take(layer.size), &mut target)?;
        let (target, digest, size) = target.finish();
        if (digest, size) != (layer.digest, layer.size) {
            let text = format!("`{}` changed while it was read", file.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        target.commit()
    }

    /// Starts a blob whose digest is not known yet.
    pub(super) fn new_blob(&self) -> io::Result<NewBlob> {
        let dir = self.dir.join("blobs/sha256");
        Ok(NewBlob { file: tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir)? })
    }

    /// Gives a blob its name.
    pub(super) fn finish_blob(&self, blob: NewBlob, digest: &Sha256) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let file = blob.file.as_file();
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.sync_all()?;
        blob.file.persist(self.blob(digest)).map_err(|failed| failed.error)?;
        Ok(())
    }

    /// What is remembered of a package, by its data hash.
    pub(super) fn contents(&self, datahash: &Sha256) -> Option<Vec<u8>> {
        read_used(&self.dir.join("contents").join(datahash.to_string()))
    }

    /// Remembers what is in a package.
    pub(super) fn remember_contents(&self, datahash: &Sha256, bytes: &[u8]) -> io::Result<()> {
        write_atomic(&self.dir.join("contents").join(datahash.to_string()), bytes)
    }

    /// The blob of a rewritten layer, if it is still there.
    pub(super) fn layer(&self, identity: &Sha256) -> Option<Layer> {
        let record = read_used(&self.dir.join("layers").join(identity.to_string()))?;
        let record: LayerRecord = serde_json::from_slice(&record).ok()?;
        let layer = Layer {
            digest: record.digest.parse().ok()?,
            size: record.size,
            diff_id: record.diff_id.parse().ok()?,
        };
        self.has_blob(&layer.digest, layer.size).then_some(layer)
    }

    /// Remembers which blob a rewritten layer became.
    pub(super) fn remember_layer(&self, identity: &Sha256, layer: &Layer) -> io::Result<()> {
        let record = LayerRecord {
            digest: layer.digest.to_string(),
            size: layer.size,
            diff_id: layer.diff_id.to_string(),
        };
        let record = serde_json::to_vec(&record)?;
        write_atomic(&self.dir.join("layers").join(identity.to_string()), &record)
    }

    /// The image that a request became, with the number of its layers, if all its blobs are there.
    pub(super) fn answer(&self, request: &Sha256) -> Option<(Answer, Sha256, usize)> {
        let answer = read_used(&self.dir.join("requests").join(request.to_string()))?;
        let answer: Answer = serde_json::from_slice(&answer).ok()?;
        let digest: Sha256 = answer.manifest.parse().ok()?;
        let manifest = fs::read(self.blob(&digest)).ok()?;
        let manifest: oci::Manifest = serde_json::from_slice(&manifest).ok()?;
        let whole = manifest.layers.iter().chain([&manifest.config]).all(|blob| {
            let digest = blob.digest.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
            digest.is_some_and(|digest| self.has_blob(&digest, blob.size))
        });
        whole.then_some((answer, digest, manifest.layers.len()))
    }

    /// Remembers what a request became.
    pub(super) fn remember_answer(&self, request: &Sha256, answer: &Answer) -> io::Result<()> {
        let answer = serde_json::to_vec(answer)?;
        write_atomic(&self.dir.join("requests").join(request.to_string()), &answer)
    }

    /// Takes manifests out of `index.json`, by their digests in hex. The caller holds the lock.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) -> io::Result<()> {
        let path = self.dir.join("index.json");
        let Ok(bytes) = fs::read(&path) else { return Ok(()) };
        let Ok(mut index) = serde_json::from_slice::<oci::Index>(&bytes) else { return Ok(()) };
        index
            .manifests
            .retain(|manifest| manifest.digest.strip_prefix("sha256:").is_some_and(&keep));
        write_atomic(&path, &serde_json::to_vec(&index)?)
    }

    /// Adds a manifest to `index.json`. The caller holds the lock.
    pub(super) fn publish(&self, manifest: &[u8]) -> io::Result<()> {
        let path = self.dir.join("index.json");
        let mut index: oci::Index = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let descriptor = oci::manifest_descriptor(manifest);
        if !index.manifests.contains(&descriptor) {
            index.manifests.push(descriptor);
            write_atomic(&path, &serde_json::to_vec(&index)?)?;
        }
        Ok(())
    }
}

/// Reads a file, and makes it as old as this use of it.
fn read_used(path: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    let file = fs::OpenOptions::new().append(true).open(path);
    let touched = file.and_then(|file| file.into_parts().0.set_modified(SystemTime::now()));
    if let Err(error) = touched {
        tracing::debug!("failed to touch `{}`: {error}", path.display());
    }
    Some(bytes)
}

/// A blob that is being written; dropped, it leaves nothing.
#[derive(Debug)]
pub(super) struct NewBlob {
    file: tempfile::NamedTempFile,
}

impl Write for NewBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_only_while_its_blobs_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let digest = store.put(b"layer").unwrap();
        let layer = Layer { digest, size: 5, diff_id: Sha256([0; 32]) };
        let documents = oci::documents(crate::arch::Arch::X86_64, &[layer]).unwrap();
        store.put(&documents.config).unwrap();
        let manifest = store.put(&documents.manifest).unwrap();
        store.publish(&documents.manifest).unwrap();
        store.publish(&documents.manifest).unwrap();
        let request = Sha256::of(b"request");
        let answer = Answer { manifest: manifest.to_string(), programs: vec!["/bin/sh".into()] };
        store.remember_answer(&request, &answer).unwrap();
        assert_eq!(store.answer(&request), Some((answer, manifest, 1)));

        fs::write(store.blob(&digest), b"lay").unwrap();
        assert_eq!(store.answer(&request), None, "a blob that was cut short");
        let index = fs::read_to_string(dir.path().join("index.json")).unwrap();
        assert_eq!(index.matches(&manifest.to_string()).count(), 1, "{index}");
    }

    #[test]
    fn a_segment_that_is_not_what_it_says_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"headdata").unwrap();
        let layer = Layer { digest: Sha256::of(b"data"), size: 4, diff_id: Sha256([0; 32]) };
        store.put_segment(&layer, &file, 4).unwrap();
        assert!(store.has_blob(&layer.digest, 4));
        let wrong = Layer { digest: Sha256::of(b"tada"), ..layer };
        let error = store.put_segment(&wrong, &file, 4).unwrap_err().to_string();
        assert!(error.ends_with("changed while it was read"), "{error}");
        assert!(!store.has_blob(&wrong.digest, 4));
    }
}
