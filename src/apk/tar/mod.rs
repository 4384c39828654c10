//! tar: ustar with PAX records, read and written as streams.
//!
//! Beneath the stages. The writer makes what apk-tools, apko and container runtimes read: ustar
//! headers, PAX records only where ustar has no room, and no end-of-archive blocks unless asked
//! for, since apk's signature and control segments must have none. The reader takes that, GNU tar's
//! long names and Go's PAX archives (BuildKit's `type=tar` export). Neither touches the file
//! system, sparse files are refused, and global PAX headers are passed over, as Go does.

mod block;
mod pax;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;

pub use reader::Reader;
pub use writer::Writer;

/// The size of a header, and what content is padded to.
const BLOCK: usize = 512;

/// The most that the PAX records or a GNU long name of one entry may take. An xattr of Linux has
/// at most 64 KiB; Go has the same limit.
const MAX_EXTENSION: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name for an earlier entry of the archive.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A character device, with major and minor number.
    CharDevice(u32, u32),
    /// A block device, with major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// The header of an entry, PAX records applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The path: no leading `/`, no `.` components, no trailing slash. The root itself (`./`) is
    /// the empty path. The reader refuses `..`.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Owner's name, may be empty.
    pub uname: Vec<u8>,
    /// Group's name, may be empty.
    pub gname: Vec<u8>,
    /// Bytes of content; 0 for all that is not a regular file.
    pub size: u64,
    /// Whole seconds since 1970.
    pub mtime: i64,
    /// Target of a symbolic link as it stands, or of a hard link (then a path like `path`).
    pub link: Vec<u8>,
    /// PAX records other than those that the fields above hold, such as `SCHILY.xattr.user.name`
    /// and `APK-TOOLS.checksum.SHA1`, under their whole key; values are bytes.
    pub pax: BTreeMap<String, Vec<u8>>,
}

impl Header {
    /// A header of root's, with mtime 0, no content and mode 0755 for directories, 0777 for
    /// symbolic links, 0644 for the rest.
    pub fn new(path: impl Into<Vec<u8>>, kind: Kind) -> Self {
        let mode = match kind {
            Kind::Directory => 0o755,
            Kind::Symlink => 0o777,
            _ => 0o644,
        };
        Self {
            path: path.into(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            uname: Vec::new(),
            gname: Vec::new(),
            size: 0,
            mtime: 0,
            link: Vec::new(),
            pax: BTreeMap::new(),
        }
    }

    /// The path for messages.
    pub fn display_path(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }
}
