//! The two listings: the directory as this process sees it, the mount as `find` and `stat` print it.
//!
//! Part of the host cache.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::entry::{HostEntry, Kind, MountEntry, Name, Time, Tree};

/// Our own files, on both sides: identity and lock on the host, what is on its way in both. Names
/// that only begin so are ours too (`fetch` writes such).
pub(super) const CONTROL: &str = ".melange2";

/// What `stat` prints of an entry. A path that `find` prints never holds two slashes in a row, so
/// `//` ends a record even where names hold newlines.
pub(super) const FORMAT: &str = "%f %s %Y|%i %s %y %z|%n//";

/// What `stat` prints for [`MountEntry::stamp`].
pub(super) const STAMP: &str = "%i %s %y %z";

/// Lists the host's directory, without our own files. What this user may not read is left out.
pub(super) fn host(root: &Path) -> io::Result<Tree<HostEntry>> {
    let mut tree = Tree::new();
    let walk = walkdir::WalkDir::new(root).min_depth(1).follow_links(false);
    let ours = |entry: &walkdir::DirEntry| {
        entry.depth() == 1 && entry.file_name().as_bytes().starts_with(CONTROL.as_bytes())
    };
    for entry in walk.into_iter().filter_entry(|entry| !ours(entry)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                tracing::debug!("left out of the host cache: {error}");
                continue;
            }
        };
        // It may be gone by now.
        let Ok(metadata) = entry.metadata() else { continue };
        let Some(known) = host_entry(&metadata) else { continue };
        let Ok(name) = entry.path().strip_prefix(root) else { continue };
        tree.insert(name.as_os_str().as_bytes().to_vec(), known);
    }
    Ok(tree)
}

/// What is kept of a file's metadata; `None` for devices, pipes and sockets.
pub(super) fn host_entry(metadata: &std::fs::Metadata) -> Option<HostEntry> {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_symlink() => Kind::Symlink,
        kind if kind.is_dir() => Kind::Directory,
        _ => return None,
    };
    let nanoseconds = u32::try_from(metadata.mtime_nsec()).unwrap_or_default();
    Some(HostEntry {
        kind,
        size: metadata.size(),
        time: Time { seconds: metadata.mtime(), nanoseconds },
        mode: metadata.mode() & 0o777,
    })
}

/// Reads what `find . -exec stat -c FORMAT {} +` printed. Entries that make no sense are left out:
/// steps may have made them, and nothing is done about what is not listed.
pub(super) fn mount(text: &[u8]) -> Tree<MountEntry> {
    let mut tree = Tree::new();
    let mut rest = text;
    while let Some(end) = rest.windows(3).position(|window| window == b"//\n") {
        if let Some((name, entry)) = mount_entry(&rest[..end]) {
            tree.insert(name, entry);
        }
        rest = &rest[end + 3..];
    }
    tree
}

fn mount_entry(record: &[u8]) -> Option<(Name, MountEntry)> {
    let mut fields = record.splitn(3, |&byte| byte == b'|');
    let mut numbers = std::str::from_utf8(fields.next()?).ok()?.split(' ');
    let stamp = std::str::from_utf8(fields.next()?).ok()?;
    let name = fields.next()?.strip_prefix(b"./")?;
    let sane = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
    if !name.split(|&byte| byte == b'/').all(sane) || name.contains(&0) {
        return None;
    }
    let mode = u32::from_str_radix(numbers.next()?, 16).ok()?;
    let kind = match mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o120_000 => Kind::Symlink,
        0o040_000 => Kind::Directory,
        _ => return None,
    };
    let size = numbers.next()?.parse().ok()?;
    let seconds = numbers.next()?.parse().ok()?;
    let entry = MountEntry {
        kind,
        size,
        time: Time { seconds, nanoseconds: nanoseconds(stamp) },
        mode: mode & 0o777,
        stamp: stamp.to_owned(),
    };
    Some((name.to_vec(), entry))
}

/// Those of `INODE SIZE DATE HH:MM:SS.NNNNNNNNN ZONE …`; older programs print none.
fn nanoseconds(stamp: &str) -> u32 {
    let clock = stamp.split(' ').nth(3).unwrap_or_default();
    clock.split_once('.').and_then(|(_, fraction)| fraction.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mounts_listing_is_what_stat_prints() {
        let text = b"41ed 4096 1|5 4096 x x|.//\n\
            81a4 2 1795770889|7 2 2026-11-27 09:14:49.000000521 +0000 x|./a\nb|c//\n\
            a1ff 3 -1|8 3 x|./\xff/l//\n\
            c1ff 0 1|8 0 x|./socket//\n\
            81a4 1 1|9 1 x|./../etc//\n\
            garbage//\n81a4 1 1|9 1 x|./cut";
        let tree = mount(text);
        assert_eq!(tree.keys().collect::<Vec<_>>(), [&b"a\nb|c"[..], b"\xff/l"]);
        let entry = &tree[&b"a\nb|c"[..]];
        let time = Time { seconds: 1_795_770_889, nanoseconds: 521 };
        assert_eq!((entry.kind, entry.size, entry.time, entry.mode), (Kind::File, 2, time, 0o644));
        assert_eq!(entry.stamp, "7 2 2026-11-27 09:14:49.000000521 +0000 x");
        assert_eq!(tree[&b"\xff/l"[..]].kind, Kind::Symlink);
    }

    #[test]
    fn the_hosts_listing_is_without_ours() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs_err::create_dir_all(root.join(CONTROL)).unwrap();
        fs_err::write(root.join(CONTROL).join("identity"), "x").unwrap();
        fs_err::create_dir_all(root.join("d").join(CONTROL)).unwrap();
        fs_err::write(root.join("d/sha256:ab"), "abc").unwrap();
        fs_err::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let tree = host(root).unwrap();
        let names: Vec<_> = tree.keys().map(|name| String::from_utf8_lossy(name)).collect();
        assert_eq!(names, ["d", "d/.melange2", "d/sha256:ab", "link"]);
        assert_eq!(tree[&b"d/sha256:ab"[..]].size, 3);
        assert_eq!(tree[&b"link"[..]].kind, Kind::Symlink);
    }
}
