//! The caches of one build that outlive its daemon, in buildctl's words.
//!
//! Around the stages: made of the configuration, handed to `buildkit`. Pure. A value may hold
//! credentials (`type=s3,secret_access_key=…`): it is never shown, and its `Debug` says the kind
//! alone.

use std::fmt;
use std::str::FromStr;

use super::registry::{CacheConfig, CacheMode};
use crate::arch::Arch;

/// The kinds that BuildKit can read from and write to.
const KINDS: [&str; 5] = ["registry", "local", "s3", "gha", "azblob"];

/// A cache as `docker buildx` writes it: `type=KIND,NAME=VALUE,…`, or the reference of one in a
/// registry.
///
/// ```
/// use melange2::cache::RemoteCache;
///
/// let cache: RemoteCache = "type=local,src=/var/cache/hello".parse().unwrap();
/// assert_eq!(cache.kind(), "local");
/// assert_eq!("cache.example/c:hello".parse::<RemoteCache>().unwrap().kind(), "registry");
/// assert!("type=floppy".parse::<RemoteCache>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteCache {
    kind: &'static str,
    text: String,
}

impl RemoteCache {
    /// What kind it is of.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// As `buildctl --import-cache` takes it.
    pub(crate) fn import(&self) -> String {
        self.text.clone()
    }

    /// As `buildctl --export-cache` takes it: a failure is told, and fails nothing.
    pub(crate) fn export(&self) -> String {
        if self.text.split(',').any(|field| field.starts_with("ignore-error=")) {
            return self.text.clone();
        }
        format!("{},ignore-error=true", self.text)
    }
}

impl fmt::Debug for RemoteCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteCache").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl FromStr for RemoteCache {
    type Err = String;

    /// The message holds no value that was given.
    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str =
            "expected `type=KIND,NAME=VALUE,…` with registry, local, s3, gha or azblob";
        if !text.contains('=') {
            if text.is_empty() || text.contains(|c: char| c == ',' || c.is_whitespace()) {
                return Err(FORM.to_owned());
            }
            return Self { kind: "registry", text: format!("type=registry,ref={text}") }.checked();
        }
        let given = text.split(',').find_map(|field| field.strip_prefix("type="));
        let kind = KINDS.into_iter().find(|kind| Some(*kind) == given).ok_or(FORM)?;
        Self { kind, text: text.to_owned() }.checked()
    }
}

impl RemoteCache {
    fn checked(self) -> Result<Self, String> {
        let reference = self.text.split(',').find_map(|field| field.strip_prefix("ref="));
        if self.kind == "registry" {
            let reference = reference.ok_or("`ref=` is missing")?;
            let authority = reference.split('/').next().unwrap_or_default();
            if reference.contains("://") || authority.contains('@') {
                return Err("a reference has no scheme and no credentials: log in with \
                            `docker login`, buildctl reads ~/.docker/config.json"
                    .to_owned());
            }
        }
        Ok(self)
    }
}

/// One build's own cache in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryCache {
    /// `REPO:TAG`
    pub reference: String,
    /// How much is kept.
    pub mode: CacheMode,
    /// Plain HTTP, or a certificate that nobody vouches for.
    pub insecure: bool,
}

impl RegistryCache {
    /// The cache of a package's build.
    pub fn new(cache: &CacheConfig, insecure: bool, arch: Arch, package: &str) -> Self {
        // All builds are of one namespace for now.
        let reference = cache.reference("default", arch, package);
        Self { reference, mode: cache.mode, insecure }
    }

    /// As `buildctl --import-cache` takes it.
    pub fn import(&self) -> String {
        let insecure = if self.insecure { ",registry.insecure=true" } else { "" };
        format!("type=registry,ref={}{insecure}", self.reference)
    }

    /// As `buildctl --export-cache` takes it.
    pub fn export(&self) -> String {
        format!(
            "{},mode={},compression=zstd,oci-mediatypes=true,ignore-error=true",
            self.import(),
            self.mode.name()
        )
    }
}

/// All caches of one build that outlive its daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteCaches {
    /// The build's own, in the registry: imported and exported.
    pub registry: Option<RegistryCache>,
    /// More to import from.
    pub from: Vec<RemoteCache>,
    /// More to export to.
    pub to: Vec<RemoteCache>,
}

impl RemoteCaches {
    /// Whether there is nothing to import and nothing to export.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_has_its_tag_in_the_repository() {
        let config = CacheConfig::new("registry:5000/melange-cache");
        let cache = RegistryCache::new(&config, false, Arch::X86_64, "hello");
        assert_eq!(
            cache.import(),
            "type=registry,ref=registry:5000/melange-cache:default-x86_64-hello"
        );
        let min = CacheConfig { mode: CacheMode::Min, ..config };
        assert_eq!(
            RegistryCache::new(&min, true, Arch::Aarch64, "hello").export(),
            "type=registry,ref=registry:5000/melange-cache:default-aarch64-hello,\
             registry.insecure=true,mode=min,compression=zstd,oci-mediatypes=true,ignore-error=true"
        );
    }

    #[test]
    fn other_kinds_are_handed_on_as_they_are() {
        let cache: RemoteCache = "type=local,dest=/c,mode=max".parse().unwrap();
        assert_eq!(cache.import(), "type=local,dest=/c,mode=max");
        assert_eq!(cache.export(), "type=local,dest=/c,mode=max,ignore-error=true");
        let strict: RemoteCache = "type=local,dest=/c,ignore-error=false".parse().unwrap();
        assert_eq!(strict.export(), "type=local,dest=/c,ignore-error=false");
        let reference: RemoteCache = "registry/c:hello".parse().unwrap();
        assert_eq!(reference.import(), "type=registry,ref=registry/c:hello");
    }

    #[test]
    fn credentials_are_never_shown() {
        for wrong in [
            "type=ftp,password=hush",
            "password=hush",
            "",
            "a b",
            "me:hush@registry/c",
            "https://me:hush@r/c",
        ] {
            let problem = wrong.parse::<RemoteCache>().unwrap_err();
            assert!(!problem.contains("hush"), "{wrong}: {problem}");
        }
        let cache: RemoteCache = "type=s3,bucket=b,secret_access_key=hush".parse().unwrap();
        let caches = RemoteCaches { from: vec![cache], ..RemoteCaches::default() };
        assert_eq!(
            format!("{caches:?}"),
            "RemoteCaches { registry: None, from: [RemoteCache { kind: \"s3\", .. }], to: [] }"
        );
    }
}
