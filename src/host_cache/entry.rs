//! What stands under a name, in the directory and in the mount, and the list of what was agreed.
//!
//! Part of the host cache. Names are bytes below the root, as file systems have them: they may hold
//! newlines, and need not be UTF-8.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A path below the root: no leading `/`, no `.` and `..`.
pub(super) type Name = Vec<u8>;

/// All entries of one side. A directory comes before what is in it.
pub(super) type Tree<T> = BTreeMap<Name, T>;

/// What an entry is. Devices, pipes and sockets are no cache's content: they are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Symlink,
    Directory,
}

/// A point in time. Ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time {
    /// Since 1970.
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
}

/// An entry of the host's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostEntry {
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) time: Time,
    /// Permission bits.
    pub(super) mode: u32,
}

/// An entry of the mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MountEntry {
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) time: Time,
    /// Permission bits.
    pub(super) mode: u32,
    /// Inode, size and times as `stat` prints them there: changes with every change.
    pub(super) stamp: String,
}

/// How both sides were when they were last the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    host: (Kind, u64, Time),
    /// Empty for a directory.
    stamp: String,
}

/// The directory that a name is in, `None` at the root.
pub(super) fn parent(name: &[u8]) -> Option<&[u8]> {
    name.iter().rposition(|&byte| byte == b'/').map(|end| &name[..end])
}

/// The directories around a name, the nearest first.
pub(super) fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(parent(name), |directory| parent(directory))
}

/// A name for messages.
pub(super) fn display(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}

impl Agreed {
    /// Both sides are the same.
    pub(super) fn new(host: &HostEntry, mount: &MountEntry) -> Self {
        if host.kind == Kind::Directory {
            let nothing = (Kind::Directory, 0, Time::default());
            return Self { host: nothing, stamp: String::new() };
        }
        Self { host: (host.kind, host.size, host.time), stamp: mount.stamp.clone() }
    }

    /// Whether the host's entry is still that.
    pub(super) fn is_host(&self, entry: &HostEntry) -> bool {
        match entry.kind {
            Kind::Directory => self.host.0 == Kind::Directory,
            kind => self.host == (kind, entry.size, entry.time),
        }
    }

    /// Whether the mount's entry is still that.
    pub(super) fn is_mount(&self, entry: &MountEntry) -> bool {
        match entry.kind {
            Kind::Directory => self.host.0 == Kind::Directory,
            kind => self.host.0 == kind && self.stamp == entry.stamp,
        }
    }
}

/// The first line of a list. A list of another version counts as none: nothing is deleted then.
const HEADER: &str = "melange2 host cache 1\n";

/// The list as text: a line each, names percent-encoded.
pub(super) fn encode(list: &Tree<Agreed>) -> String {
    let mut text = HEADER.to_owned();
    for (name, Agreed { host: (kind, size, time), stamp }) in list {
        let kind = match kind {
            Kind::File => 'f',
            Kind::Symlink => 'l',
            Kind::Directory => 'd',
        };
        let Time { seconds, nanoseconds } = time;
        let _ = write!(text, "{kind}\t{size}\t{seconds}\t{nanoseconds}\t{stamp}\t");
        for &byte in name {
            match byte {
                b'%' | 0..=b' ' | 0x7f.. => {
                    let _ = write!(text, "%{byte:02x}");
                }
                _ => text.push(char::from(byte)),
            }
        }
        text.push('\n');
    }
    text
}

/// Reads a list. What can't be read is not on it.
pub(super) fn decode(text: &[u8]) -> Tree<Agreed> {
    let text = String::from_utf8_lossy(text);
    let Some(lines) = text.strip_prefix(HEADER) else { return Tree::new() };
    lines.lines().filter_map(decode_line).collect()
}

fn decode_line(line: &str) -> Option<(Name, Agreed)> {
    let mut fields = line.split('\t');
    let kind = match fields.next()? {
        "f" => Kind::File,
        "l" => Kind::Symlink,
        "d" => Kind::Directory,
        _ => return None,
    };
    let size = fields.next()?.parse().ok()?;
    let (seconds, nanoseconds) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let stamp = fields.next()?.to_owned();
    let mut name = Name::new();
    let mut encoded = fields.next()?.bytes();
    while let Some(byte) = encoded.next() {
        if byte != b'%' {
            name.push(byte);
            continue;
        }
        let digits = [encoded.next()?, encoded.next()?];
        name.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    Some((name, Agreed { host: (kind, size, Time { seconds, nanoseconds }), stamp }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let entry = |kind, stamp: &str| Agreed {
            host: (kind, 7, Time { seconds: -3, nanoseconds: 5 }),
            stamp: stamp.to_owned(),
        };
        let list: Tree<Agreed> = [
            (b"sha256:ab".to_vec(), entry(Kind::File, "12 7 2026-01-01 00:00:00.5 +0000")),
            (b"a b\n\tc%".to_vec(), entry(Kind::Symlink, "1")),
            (b"\xff\xfe/d".to_vec(), entry(Kind::Directory, "")),
        ]
        .into();
        assert_eq!(decode(encode(&list).as_bytes()), list);
        assert!(decode(b"").is_empty());
        assert!(decode(b"melange2 host cache 2\nf\t1\t1\t1\t1\ta\n").is_empty());
        assert_eq!(decode(format!("{HEADER}x\nf\t1\n").as_bytes()), Tree::new());
    }

    #[test]
    fn names_have_parents() {
        assert_eq!(parent(b"a"), None);
        assert_eq!(ancestors(b"a/b/c").collect::<Vec<_>>(), [&b"a/b"[..], b"a"]);
    }
}
