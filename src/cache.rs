//! The caches that users know, as configuration: cache mounts and the registry cache.
//!
//! Around the stages: `BuildConfig` holds them, `dockerfile` and `buildkit` use them. Which step
//! gets which mount is decided in `dockerfile`, not here.

pub mod registry;
pub mod remote;

use std::fmt;

pub use registry::{CacheConfig, CacheMode};
pub use remote::{RegistryCache, RemoteCache, RemoteCaches};

/// How a cache mount is shared between steps that run at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// One after another.
    Locked,
}

impl Sharing {
    /// BuildKit's word.
    pub fn name(self) -> &'static str {
        match self {
            Sharing::Shared => "shared",
            Sharing::Locked => "locked",
        }
    }
}

/// The group of tools that a cache mount serves; decides which steps get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Go modules and build cache.
    Go,
    /// pip.
    Python,
    /// Cargo.
    Rust,
    /// npm.
    Node,
    /// ccache.
    Ccache,
    /// apk called by a step.
    Apk,
    /// Named on the command line: every step gets it.
    Custom,
}

impl Group {
    /// The word for it on the command line and in a spec's comments.
    pub fn name(self) -> &'static str {
        match self {
            Group::Go => "go",
            Group::Python => "python",
            Group::Rust => "rust",
            Group::Node => "node",
            Group::Ccache => "ccache",
            Group::Apk => "apk",
            Group::Custom => "custom",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A directory that outlives the build on its daemon, owned by the build user, mode 0755.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMount {
    /// The id: mounts of one id are one directory per daemon.
    pub id: String,
    /// Where steps see it.
    pub target: String,
    /// How it is shared.
    pub sharing: Sharing,
    /// Whom it serves.
    pub group: Group,
}

impl CacheMount {
    /// A mount that every step gets: `--cache-mount id=…,target=…`.
    pub fn custom(id: impl Into<String>, target: impl Into<String>, sharing: Sharing) -> Self {
        Self { id: id.into(), target: target.into(), sharing, group: Group::Custom }
    }
}

impl std::str::FromStr for CacheMount {
    type Err = String;

    /// Reads `id=…,target=…[,sharing=shared|locked]`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut id, mut target, mut sharing) = (None, None, Sharing::Shared);
        for field in text.split(',') {
            match field.split_once('=') {
                Some(("id", value)) => id = Some(value),
                Some(("target" | "dst" | "destination", value)) => target = Some(value),
                Some(("sharing", "shared")) => sharing = Sharing::Shared,
                Some(("sharing", "locked")) => sharing = Sharing::Locked,
                _ => {
                    return Err(format!(
                        "`{field}` is not understood: expected `id=…,target=…[,sharing=locked]`"
                    ));
                }
            }
        }
        let id = id.filter(|id| !id.is_empty()).ok_or("`id=` is missing")?;
        if !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Err(format!("the id `{id}` holds more than letters, digits, `-`, `_` and `.`"));
        }
        let target = target.ok_or("`target=` is missing")?;
        if !target.starts_with('/') || target.split('/').any(|part| part == "..") {
            return Err(format!("the target `{target}` is not an absolute path"));
        }
        Ok(Self::custom(id, target, sharing))
    }
}

/// The mounts that are on by default. Ids and targets are fixed for ever: a mount whose id changes
/// is a new and empty one.
const BUILT_IN: [(&str, &str, Group); 8] = [
    ("melange-go-mod-cache", "/home/build/go/pkg/mod", Group::Go),
    ("melange-go-build-cache", "/home/build/.cache/go-build", Group::Go),
    ("melange-pip-cache", "/home/build/.cache/pip", Group::Python),
    ("melange-npm-cache", "/home/build/.npm", Group::Node),
    ("melange-cargo-registry-cache", "/home/build/.cargo/registry", Group::Rust),
    ("melange-cargo-build-cache", "/home/build/.cargo/git", Group::Rust),
    ("melange-ccache-cache", "/home/build/.ccache", Group::Ccache),
    ("melange-apk-cache", "/var/cache/apk", Group::Apk),
];

fn built_in(wanted: impl Fn(Group) -> bool) -> Vec<CacheMount> {
    BUILT_IN
        .into_iter()
        .filter(|&(_, _, group)| wanted(group))
        .map(|(id, target, group)| CacheMount {
            id: id.to_owned(),
            target: target.to_owned(),
            sharing: Sharing::Shared,
            group,
        })
        .collect()
}

/// The mounts that do not lie below a directory. A group of which one does goes as a whole, because
/// its variables do; a mount of one's own goes alone.
pub(crate) fn without(mounts: &[CacheMount], directory: &str) -> Vec<CacheMount> {
    let is_below = |mount: &CacheMount| {
        mount.target.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
    };
    let goes = |mount: &CacheMount| {
        is_below(mount)
            || mount.group != Group::Custom
                && mounts.iter().any(|other| other.group == mount.group && is_below(other))
    };
    mounts.iter().filter(|mount| !goes(mount)).cloned().collect()
}

/// All eight cache mounts.
///
/// ```
/// let mounts = melange2::cache::default_cache_mounts();
/// assert_eq!(mounts.len(), 8);
/// assert!(mounts.iter().all(|mount| mount.id.starts_with("melange-")));
/// ```
pub fn default_cache_mounts() -> Vec<CacheMount> {
    built_in(|_| true)
}

/// Go's module cache and build cache.
///
/// ```
/// let [modules, builds] = melange2::cache::go_cache_mounts().try_into().unwrap();
/// assert_eq!(modules.target, "/home/build/go/pkg/mod");
/// assert_eq!(builds.target, "/home/build/.cache/go-build");
/// ```
pub fn go_cache_mounts() -> Vec<CacheMount> {
    built_in(|group| group == Group::Go)
}

/// pip's cache.
///
/// ```
/// assert_eq!(melange2::cache::python_cache_mounts()[0].target, "/home/build/.cache/pip");
/// ```
pub fn python_cache_mounts() -> Vec<CacheMount> {
    built_in(|group| group == Group::Python)
}

/// Cargo's registry and git checkouts.
///
/// ```
/// let [registry, git] = melange2::cache::rust_cache_mounts().try_into().unwrap();
/// assert_eq!(registry.target, "/home/build/.cargo/registry");
/// assert_eq!(git.target, "/home/build/.cargo/git");
/// ```
pub fn rust_cache_mounts() -> Vec<CacheMount> {
    built_in(|group| group == Group::Rust)
}

/// npm's cache.
///
/// ```
/// assert_eq!(melange2::cache::node_cache_mounts()[0].target, "/home/build/.npm");
/// ```
pub fn node_cache_mounts() -> Vec<CacheMount> {
    built_in(|group| group == Group::Node)
}

/// ccache's cache.
///
/// ```
/// assert_eq!(melange2::cache::ccache_cache_mounts()[0].target, "/home/build/.ccache");
/// ```
pub fn ccache_cache_mounts() -> Vec<CacheMount> {
    built_in(|group| group == Group::Ccache)
}

/// apk's cache, for steps that call apk.
///
/// ```
/// assert_eq!(melange2::cache::apk_cache_mounts()[0].target, "/var/cache/apk");
/// ```
pub fn apk_cache_mounts() -> Vec<CacheMount> {
    built_in(|group| group == Group::Apk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_ones_own_is_read_from_text() {
        let mount: CacheMount = "id=gems,target=/home/build/.gem,sharing=locked".parse().unwrap();
        assert_eq!(mount, CacheMount::custom("gems", "/home/build/.gem", Sharing::Locked));
        for wrong in [
            "",
            "id=a",
            "target=/a",
            "id=a,target=b",
            "id=a,target=/../b",
            "id=a b,target=/c",
            "id=a,target=/b,sharing=private",
        ] {
            assert!(wrong.parse::<CacheMount>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_group_goes_as_a_whole_and_a_mount_of_ones_own_alone() {
        let mut mounts = default_cache_mounts();
        let mine = |target: &str| CacheMount::custom(target, target, Sharing::Shared);
        mounts.extend([mine("/home/build/go/mine"), mine("/home/build/gone"), mine("/mine")]);
        let left = |directory: &str| {
            let left = without(&mounts, directory);
            let mut names: Vec<String> = left
                .iter()
                .map(|mount| match mount.group {
                    Group::Custom => mount.id.clone(),
                    group => group.to_string(),
                })
                .collect();
            names.dedup();
            names.join(" ")
        };
        assert_eq!(left("/home/build/go"), "python node rust ccache apk /home/build/gone /mine");
        assert_eq!(
            left("/home/build/.cache"),
            "node rust ccache apk /home/build/go/mine /home/build/gone /mine"
        );
    }

    #[test]
    fn the_groups_add_up_to_all() {
        let mut parts = go_cache_mounts();
        parts.extend(python_cache_mounts());
        parts.extend(node_cache_mounts());
        parts.extend(rust_cache_mounts());
        parts.extend(ccache_cache_mounts());
        parts.extend(apk_cache_mounts());
        assert_eq!(parts, default_cache_mounts());
    }
}
