//! A directory, copied so that a step finds nothing changed.
//!
//! Part of stage 4, for `script`. Kept are content, modes (whatever the umask), times, symbolic links
//! and hard links. Names, content and the modes of files are in a step's key; BuildKit 0.32 leaves the
//! rest out of it, but a step that runs sees that too.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

/// Copies files, directories and links to `to`, which is made. Other things are left out.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut directories = Vec::new();
    let mut linked = HashMap::new();
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry.map_err(io::Error::from)?;
        let below = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let target = to.join(below);
        let kind = entry.file_type();
        // A context that is a link is what it leads to.
        if kind.is_dir() || entry.depth() == 0 {
            fs::create_dir_all(&target)?;
            directories.push((target, fs::metadata(entry.path())?));
        } else if kind.is_symlink() {
            fs_err::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
            set_times(&target, &fs::symlink_metadata(entry.path())?)?;
        } else if kind.is_file() {
            file(entry.path(), target, &mut linked)?;
        }
    }
    // Each after what lies in it: that changes its time, and a mode may forbid it.
    for (target, metadata) in directories.into_iter().rev() {
        fs::set_permissions(&target, metadata.permissions())?;
        set_times(&target, &metadata)?;
    }
    Ok(())
}

/// A file, or another name of one that was copied.
fn file(from: &Path, target: PathBuf, linked: &mut HashMap<(u64, u64), PathBuf>) -> io::Result<()> {
    let metadata = fs::metadata(from)?;
    let identity = (metadata.dev(), metadata.ino());
    if let Some(first) = linked.get(&identity) {
        return fs::hard_link(first, &target);
    }
    fs::copy(from, &target)?;
    fs::set_permissions(&target, metadata.permissions())?;
    set_times(&target, &metadata)?;
    if metadata.nlink() > 1 {
        linked.insert(identity, target);
    }
    Ok(())
}

/// Gives a path, or a link itself, the times that another has.
fn set_times(target: &Path, metadata: &Metadata) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: metadata.atime(), tv_nsec: metadata.atime_nsec() },
        last_modification: Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() },
    };
    utimensat(CWD, target, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| io::Error::other(format!("`{}`: {error}", target.display())))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, SystemTime};

    use super::*;

    /// Every path with its kind, mode, time, link, and the first name of its file.
    fn listing(root: &Path) -> Vec<String> {
        let mut first = HashMap::new();
        let entries = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
        let line = |entry: walkdir::DirEntry| {
            let metadata = entry.path().symlink_metadata().unwrap();
            let name = entry.path().strip_prefix(root).unwrap().display().to_string();
            let first = first.entry(metadata.ino()).or_insert_with(|| name.clone()).clone();
            let (mode, time) = (metadata.mode(), (metadata.mtime(), metadata.mtime_nsec()));
            let link = entry.path_is_symlink().then(|| fs::read_link(entry.path()).unwrap());
            let content = metadata.is_file().then(|| fs::read(entry.path()).unwrap());
            format!("{name} {mode:o} {time:?} {link:?} {first} {content:?}")
        };
        entries.map(Result::unwrap).map(line).collect()
    }

    #[test]
    fn modes_times_and_links_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("below/to"));
        fs::create_dir_all(from.join("private/empty")).unwrap();
        fs::create_dir(from.join("shared")).unwrap();
        fs::write(from.join("private/one"), "1").unwrap();
        fs::write(from.join("script"), "true").unwrap();
        fs::hard_link(from.join("private/one"), from.join("shared/two")).unwrap();
        fs_err::os::unix::fs::symlink("nowhere", from.join("link")).unwrap();
        for (path, mode) in [
            ("private/one", 0o640),
            ("private/empty", 0o1777),
            ("script", 0o4755),
            // Nothing can be put into it once it has this mode.
            ("shared", 0o2555),
            ("private", 0o700),
            ("", 0o750),
        ] {
            fs::set_permissions(from.join(path), Permissions::from_mode(mode)).unwrap();
        }
        let long_ago = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123);
        for path in ["private/one", "private", "shared", "script", ""] {
            let file = fs::File::open(from.join(path)).unwrap();
            file.file().set_modified(long_ago).unwrap();
        }
        let time = Timespec { tv_sec: 1_000_000_001, tv_nsec: 7 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, from.join("link"), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();

        copy(&from, &to).unwrap();
        assert_eq!(listing(&to), listing(&from));
        // The same, by a name that is a link.
        let link = directory.path().join("as-link");
        fs_err::os::unix::fs::symlink("from", &link).unwrap();
        copy(&link, &directory.path().join("again")).unwrap();
        assert_eq!(listing(&directory.path().join("again")), listing(&from));
    }
}
