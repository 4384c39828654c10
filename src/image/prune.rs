//! What the store forgets: environments that nobody has asked for in a while.
//!
//! Beneath the stages. Each request's file is as old as its last use. Those of the last two weeks
//! stay, with all blobs that they need; everything else goes. Nothing goes while a process uses an
//! environment of the store ([`Store::enter`]), nor while another assembles.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::oci;
use super::store::{Answer, Store};

/// How long an environment stays that is not used.
pub(super) const KEEP: Duration = Duration::from_secs(14 * 24 * 3600);

/// Deletes what was not used for `keep`. The caller holds the store's lock.
///
/// Returns whether it was done: not where somebody uses the store.
pub(super) fn prune(store: &Store, keep: Duration) -> io::Result<bool> {
    let Some(_alone) = store.try_alone()? else { return Ok(false) };
    let Some(limit) = SystemTime::now().checked_sub(keep) else { return Ok(true) };
    let is_old = |path: &Path| {
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| modified < limit)
    };
    let (old, kept): (Vec<_>, Vec<_>) =
        files(&store.directory("requests")).into_iter().partition(|path| is_old(path));
    if old.is_empty() {
        return Ok(true);
    }
    let manifests: HashSet<String> = kept.iter().filter_map(|path| manifest_of(path)).collect();
    let mut needed = manifests.clone();
    for digest in &manifests {
        let manifest = fs::read(store.directory("blobs/sha256").join(digest)).unwrap_or_default();
        if let Ok(manifest) = serde_json::from_slice::<oci::Manifest>(&manifest) {
            let blobs = manifest.layers.iter().chain([&manifest.config]);
            let digests = blobs.filter_map(|blob| blob.digest.strip_prefix("sha256:"));
            needed.extend(digests.map(str::to_owned));
        }
    }
    // First what leads to the blobs: whoever is interrupted here leaves nothing that is half there.
    old.iter().for_each(remove);
    store.retain(|digest| manifests.contains(digest))?;
    for path in files(&store.directory("blobs/sha256")) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // One that was made a moment ago may yet get its request.
        if !needed.contains(&*name) && is_old(&path) {
            remove(&path);
        }
    }
    // What is remembered of packages is as old as its last use, too.
    files(&store.directory("contents")).iter().filter(|path| is_old(path)).for_each(remove);
    files(&store.directory("layers")).iter().filter(|path| is_old(path)).for_each(remove);
    Ok(true)
}

fn manifest_of(request: &Path) -> Option<String> {
    let answer: Answer = serde_json::from_slice(&fs::read(request).ok()?).ok()?;
    Some(answer.manifest)
}

/// The files of a directory, in order of their names.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}

fn remove(path: impl AsRef<Path>) {
    if let Err(error) = fs::remove_file(path.as_ref()) {
        tracing::debug!("failed to delete what is not used any more: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::oci::{Layer, documents};
    use super::*;
    use crate::arch::Arch;
    use crate::digest::Sha256;

    /// An environment of two layers, one of which all have.
    fn environment(store: &Store, name: &str) -> Sha256 {
        let layer = |text: &str| {
            let digest = store.put(text.as_bytes()).unwrap();
            Layer { digest, size: text.len() as u64, diff_id: digest }
        };
        let documents = documents(Arch::X86_64, &[layer("shared"), layer(name)]).unwrap();
        store.put(&documents.config).unwrap();
        let manifest = store.put(&documents.manifest).unwrap();
        store.publish(&documents.manifest).unwrap();
        let request = Sha256::of(name.as_bytes());
        let answer = Answer { manifest: manifest.to_string(), programs: Vec::new() };
        store.remember_answer(&request, &answer).unwrap();
        request
    }

    /// Makes every file of the store older than what is kept.
    fn age(directory: &Path) {
        let long_ago = SystemTime::now() - 2 * KEEP;
        for entry in walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let file = fs::OpenOptions::new().write(true).open(entry.path()).unwrap();
                file.into_parts().0.set_modified(long_ago).unwrap();
            }
        }
    }

    #[test]
    fn what_was_not_used_for_long_goes_and_what_was_used_stays_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let [unused, used] = ["unused", "used"].map(|name| environment(&store, name));
        age(dir.path());
        // Its use is what keeps it.
        store.answer(&used).unwrap();
        let new = environment(&store, "new");
        assert!(prune(&store, KEEP).unwrap());
        assert_eq!(store.answer(&unused), None);
        assert!(store.answer(&used).is_some() && store.answer(&new).is_some());
        // Three layers, two configurations, two manifests.
        assert_eq!(files(&store.directory("blobs/sha256")).len(), 7);
        let index = fs::read_to_string(dir.path().join("index.json")).unwrap();
        assert_eq!(index.matches("sha256:").count(), 2, "{index}");
        assert!(prune(&store, KEEP).unwrap());
        assert!(store.answer(&used).is_some(), "nothing to do is nothing done");
    }

    #[test]
    fn nothing_goes_while_somebody_uses_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        environment(&store, "old");
        age(dir.path());
        let in_use = store.enter().unwrap();
        assert!(!prune(&store, KEEP).unwrap());
        assert_eq!(files(&store.directory("requests")).len(), 1);
        drop(in_use);
        assert!(prune(&store, KEEP).unwrap());
        assert_eq!(files(&store.directory("blobs/sha256")), [""; 0].map(std::path::PathBuf::from));
    }
}
