//! What a buildkitd that was killed leaves behind: steps that go on running, and their mounts.
//!
//! Part of stage 4. Called by the supervisor when no buildkitd has the root. A step outlives its
//! daemon (runc's init is no child of it any more): it would go on using processors and holding
//! mounts that the next daemon wants. Errors are logged and otherwise ignored: the next build does
//! not depend on any of this.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use crate::buildkit::process;

const RUNC_BOUND: Duration = Duration::from_secs(10);

/// Ends the steps and takes away the mounts below buildkitd's root, and below the directory for what is
/// temporary: there it mounts what it unpacks or packs.
pub(super) fn clear(root: &Path, runtime: &Path) {
    let ended: Vec<PathBuf> = bundles(root).into_iter().filter(|bundle| end(bundle)).collect();
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    // Later mounts lie on earlier ones.
    let below = [root, runtime].map(|directory| mounts_below(&mounts, directory)).concat();
    for mount in below.iter().rev() {
        match rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH) {
            Ok(()) => tracing::info!("unmounted `{}`", mount.display()),
            Err(error) => tracing::warn!("failed to unmount `{}`: {error}", mount.display()),
        }
    }
    for bundle in ended {
        if let Err(error) = fs::remove_dir_all(&bundle) {
            tracing::warn!("{error}");
        }
    }
}

/// Ends the step of a bundle, whose name is the container's id.
fn end(bundle: &Path) -> bool {
    let Some(id) = bundle.file_name() else { return false };
    let argv = ["delete".into(), "--force".into(), id.to_owned()];
    let ended = ["buildkit-runc", "runc"]
        .into_iter()
        .find_map(|name| which::which(name).ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "`runc` is not on `PATH`"))
        .and_then(|runc| process::capture(&runc, &argv, RUNC_BOUND));
    match ended {
        Ok(output) if output.status.success() => {
            tracing::info!("ended the left-over step {}", id.display());
            true
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            tracing::warn!("failed to end the left-over step: {}", said.trim());
            false
        }
        Err(error) => {
            tracing::warn!("failed to end the left-over step: {error}");
            false
        }
    }
}

/// The runc bundles of running steps: `root/runc-*/executor/ID/config.json`.
fn bundles(root: &Path) -> Vec<PathBuf> {
    let mut bundles: Vec<PathBuf> = entries(root)
        .iter()
        .flat_map(|worker| entries(&worker.join("executor")))
        .filter(|bundle| bundle.join("config.json").is_file())
        .collect();
    bundles.sort();
    bundles
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// The mount points below a directory, in the order of mounting.
fn mounts_below(mountinfo: &[u8], root: &Path) -> Vec<PathBuf> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(OsString::from_vec(unescape(field))))
        .filter(|mount| mount.starts_with(root) && mount != root)
        .collect()
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_the_root_are_found() {
        let text = b"20 1 0:1 / / rw - ext4 a b\n\
            21 1 0:2 / /s/my\\040root/runc/executor/x/rootfs rw - overlay a b\n\
            22 1 0:3 / /s/my\\040root2 rw - overlay a b\n";
        let found = mounts_below(text, Path::new("/s/my root"));
        assert_eq!(found, [PathBuf::from("/s/my root/runc/executor/x/rootfs")]);
        assert!(mounts_below(b"short line\n\n", Path::new("/")).is_empty());
    }

    #[test]
    fn nothing_left_over_is_fine() {
        clear(Path::new("/nowhere/at/all"), Path::new("/nor/here"));
    }
}
