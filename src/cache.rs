//! The caches that users know, as configuration: cache mounts and the registry cache.
//!
//! Around the stages: `BuildConfig` holds them, `dockerfile` and `buildkit` use them.

/// How a cache mount is shared between steps that run at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// One after another.
    Locked,
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
