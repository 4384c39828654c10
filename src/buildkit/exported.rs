//! Which build this machine last knew to be in which registry cache, and whether the daemon's own
//! results are all that is there: so that a build in which nothing ran need not export again what is
//! there, and others need not import it first.
//!
//! Part of stage 4. Only a memory: when it is lost the cache is exported once more, when another
//! machine has replaced the cache since, that one's stays.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::cache::RegistryCache;
use crate::digest::Sha256;
use crate::dockerfile::{Context, Spec};
use crate::fsutil::AtomicFile;

/// The memory of one cache's reference.
#[derive(Debug)]
pub(super) struct Exported {
    file: PathBuf,
}

impl Exported {
    /// Kept below `directory`.
    pub(super) fn new(directory: &Path, cache: &RegistryCache) -> Self {
        let name = Sha256::of(cache.reference.as_bytes()).to_string();
        Self { file: directory.join(name) }
    }

    /// Whether the cache is known to hold this build. What lies in a directory of the host is not
    /// part of a spec, so that a build with such a context is never known.
    pub(super) fn knows(&self, spec: &Spec, cache: &RegistryCache) -> bool {
        let local = |context: &Context| matches!(context, Context::Local { .. });
        !spec.contexts.iter().any(local) && self.read().0 == identity(spec, cache)
    }

    /// Whether all that the cache holds is what this worker of a daemon had itself.
    pub(super) fn is_of(&self, worker: &str) -> bool {
        !worker.is_empty() && self.read().1 == worker
    }

    /// The build's identity, and the worker or nothing.
    fn read(&self) -> (String, String) {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let (build, worker) = text.split_once('\n').unwrap_or_default();
        (build.to_owned(), worker.to_owned())
    }

    /// Something of the cache came from elsewhere: the daemon has it, but not all that led to it.
    pub(super) fn disown(&self) {
        let (build, worker) = self.read();
        if !worker.is_empty() {
            self.write(&build, "");
        }
    }

    /// The cache holds this build; of a `worker`'s own results alone, if one is named.
    pub(super) fn remember(&self, spec: &Spec, cache: &RegistryCache, worker: Option<&str>) {
        self.write(&identity(spec, cache), worker.unwrap_or_default());
    }

    fn write(&self, build: &str, worker: &str) {
        let write = || -> std::io::Result<()> {
            if let Some(parent) = self.file.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = AtomicFile::create(&self.file)?;
            std::io::Write::write_all(&mut file, format!("{build}\n{worker}").as_bytes())?;
            file.commit()
        };
        if let Err(error) = write() {
            tracing::debug!("failed to remember an export: {error}");
        }
    }
}

/// The text of a spec without the ids of its cache mounts, which are in no step's key: that of the
/// host cache is another one for each directory, and for one that is not there yet each time.
fn without_ids(text: &str) -> String {
    let mut parts = text.split("--mount=type=cache,id=");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str("--mount=type=cache,");
        kept.push_str(part.split_once(',').map_or(part, |(_, rest)| rest));
    }
    kept
}

/// Differs whenever something differs that makes another cache.
fn identity(spec: &Spec, cache: &RegistryCache) -> String {
    let contexts = spec.contexts.iter().filter_map(|context| match context {
        Context::OciLayout { name, digest, .. } => Some((name, digest.oci())),
        Context::Local { .. } => None,
    });
    let contexts: Vec<_> = contexts.collect();
    let text = without_ids(&spec.text);
    let parts = (cache.export(), text, contexts, &spec.files, &spec.target, &spec.platform);
    Sha256::of(format!("{parts:?}").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CacheMode;

    #[test]
    fn ids_of_mounts_make_no_other_build() {
        let run = |id: &str| format!("RUN --mount=type=cache,id={id},target=/c a,b\nRUN c\n");
        assert_eq!(without_ids(&run("one")), without_ids(&run("two")));
        assert_eq!(without_ids(&run("one")), "RUN --mount=type=cache,target=/c a,b\nRUN c\n");
        assert_eq!(without_ids("RUN a\n"), "RUN a\n");
    }

    #[test]
    fn another_spec_mode_or_reference_is_not_known() {
        let spec = Spec {
            text: "FROM scratch\n".into(),
            contexts: Vec::new(),
            stages: Vec::new(),
            target: "out".into(),
            secrets: Vec::new(),
            entitlements: Vec::new(),
            platform: "linux/amd64".into(),
            files: Vec::new(),
            notes: Vec::new(),
            ssh: Vec::new(),
        };
        let cache = |reference: &str, mode| RegistryCache {
            reference: reference.into(),
            mode,
            insecure: false,
        };
        let (max, directory) = (cache("r/c:a", CacheMode::Max), tempfile::tempdir().unwrap());
        let exported = Exported::new(&directory.path().join("deep"), &max);
        assert!(!exported.knows(&spec, &max));
        assert!(!exported.is_of("worker"));
        exported.remember(&spec, &max, Some("worker"));
        assert!(exported.knows(&spec, &max) && exported.is_of("worker"));
        assert!(!exported.is_of("other"));
        exported.disown();
        assert!(exported.knows(&spec, &max) && !exported.is_of("worker"));
        assert!(!exported.knows(&spec, &cache("r/c:a", CacheMode::Min)));
        let other = cache("r/c:b", CacheMode::Max);
        assert!(!Exported::new(&directory.path().join("deep"), &other).knows(&spec, &other));
        let edited = Spec { text: "FROM scratch AS x\n".into(), ..spec.clone() };
        assert!(!exported.knows(&edited, &max));
        let source = Context::Local { name: "source".into(), dir: "/x".into() };
        let local = Spec { contexts: vec![source], ..spec };
        exported.remember(&local, &max, None);
        assert!(!exported.knows(&local, &max));
    }
}
