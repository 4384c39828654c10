//! What a spec does around cache mounts, so that steps with and without them leave the same files.
//!
//! Part of stage 3. Which step has which mount is decided in `cache_mounts.rs`. Facts of BuildKit
//! and of the tools that this rests on:
//!
//! - BuildKit makes missing parents of a mount as root, and removes what it made when nothing else
//!   is in it. `COPY` of a directory over one that exists changes the latter's mode. So parents are
//!   made by a `RUN` before the step, by the user of the steps, where they are missing.
//! - A directory that was made so has the sticky bit. A later step that has no mount there removes
//!   it again if it is empty, and takes the bit away if it is not; an empty directory of the
//!   recipe's own is never taken for one of ours.
//! - Go takes a directory with a `go.mod` for a module of its own, which `./...` around it leaves
//!   alone: an empty one in the module cache's root keeps a checkout around it whole.
//! - cargo locks a file beside the two directories that are mounted, which steps of two builds do
//!   not share. A link puts it into the mount; without, one build unpacks a crate over another's.

use std::collections::BTreeSet;

use crate::cache::CacheMount;

use super::cache_mounts::Decision;
use super::quote;
use super::workspace_data::WORKSPACE;

/// Where Go's module cache lies.
const MODULE_CACHE: &str = "/home/build/go/pkg/mod";

/// Where cargo keeps its locks, and where they are put instead, one below the other.
const CARGO: &str = "/home/build/.cargo";
const CARGO_REGISTRY: &str = "registry";
const CARGO_LOCKS: [&str; 2] = [".package-cache", ".package-cache-mutate"];

/// A target's path below the workspace, if it lies there.
pub(super) fn below_workspace(target: &str) -> Option<&str> {
    target.strip_prefix(WORKSPACE)?.strip_prefix('/')
}

/// The directories between the workspace and a step's mounts, outermost first.
pub(super) fn parents(mounts: &[&CacheMount]) -> BTreeSet<String> {
    let mut parents = BTreeSet::new();
    for mount in mounts {
        let Some(below) = below_workspace(&mount.target) else { continue };
        let mut path = WORKSPACE.to_owned();
        let directories = below.trim_end_matches('/').rsplit_once('/').map_or("", |(dir, _)| dir);
        for part in directories.split('/').filter(|part| !part.is_empty()) {
            path = format!("{path}/{part}");
            parents.insert(path.clone());
        }
    }
    parents
}

/// What is said where something else stands in a mount's way, after its path.
const IN_THE_WAY: &str = " is no directory, and cache mounts of this step lie below it";

/// The script that makes parents where they are missing.
pub(super) fn make(parents: &BTreeSet<String>) -> String {
    format!(
        "for directory in {}; do\n  if [ -d \"$directory\" ]; then continue; fi\n  \
         if [ -e \"$directory\" ] || [ -L \"$directory\" ]; then\n    \
         echo \"$directory{IN_THE_WAY}\" >&2\n    exit 1\n  fi\n  \
         mkdir -m 1755 \"$directory\" || exit 1\ndone\n",
        list(parents.iter())
    )
}

/// What a step that failed says stood in its mounts' way.
pub fn obstacle(log: &[String]) -> Option<&str> {
    log.last()?.strip_suffix(IN_THE_WAY).filter(|path| path.starts_with(WORKSPACE))
}

/// What a step does first: takes away what earlier steps' mounts needed and its own do not, and
/// prepares its own.
pub(super) fn prepare(decision: &Decision<'_>, leftovers: &[String]) -> String {
    let mut text = String::new();
    let has = |target: &str| decision.mounts.iter().any(|mount| mount.target == target);
    if leftovers.iter().any(|directory| directory == CARGO) {
        let locks = CARGO_LOCKS.map(|lock| format!("{CARGO}/{lock}"));
        text.push_str(&format!(
            "for lock in {}; do [ ! -L \"$lock\" ] || rm \"$lock\"; done\n",
            locks.join(" ")
        ));
    }
    if !leftovers.is_empty() {
        text.push_str(&format!(
            "for directory in {}; do\n  [ ! -k \"$directory\" ] || rmdir \"$directory\" 2>/dev/null || \
             chmod -t \"$directory\"\ndone\n",
            list(leftovers.iter())
        ));
    }
    if has(MODULE_CACHE) {
        text.push_str(&format!("[ -e {MODULE_CACHE}/go.mod ] || touch {MODULE_CACHE}/go.mod\n"));
    }
    if has(&format!("{CARGO}/{CARGO_REGISTRY}")) {
        text.push_str(&format!(
            "for lock in {}; do ln -sf {CARGO_REGISTRY}/$lock {CARGO}/$lock; done\n",
            CARGO_LOCKS.join(" ")
        ));
    }
    text
}

fn list<'a>(paths: impl Iterator<Item = &'a String>) -> String {
    paths.map(|path| quote::shell(path)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_those_of_mounts_in_the_workspace_outermost_first() {
        let mounts = crate::cache::default_cache_mounts();
        let mounts: Vec<&CacheMount> = mounts.iter().collect();
        let found = parents(&mounts);
        let found: Vec<&str> = found.iter().filter_map(|path| below_workspace(path)).collect();
        assert_eq!(found, [".cache", ".cargo", "go", "go/pkg"]);
    }
}
