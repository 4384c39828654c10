//! From the mount into the host's directory.
//!
//! Part of the host cache. What a step stored is not trusted: names were checked when they were
//! listed, nothing that was not asked for is taken, no symbolic link is followed, and of the mode
//! only permission bits are kept. Files are written beside the directory's content and moved into
//! place in the end, whole directories at once, so that nobody finds half of one.
//!
//! Nothing is flushed to disk, file by file: after a loss of power a file may be damaged, as it may
//! be where the tools themselves write into the directory. `fetch` verifies what it finds.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::entry::{Kind, MountEntry, Name, Tree, parent};
use super::merge::topmost;
use super::path;
use crate::apk::tar::{self, Header, Reader};

/// Takes what was asked for.
pub(super) struct Receiver<'a> {
    root: &'a Path,
    /// Where it is written first, on the same file system.
    staging: &'a Path,
    mount: &'a Tree<MountEntry>,
    wanted: BTreeSet<&'a [u8]>,
    staged: BTreeSet<&'a [u8]>,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(
        root: &'a Path,
        staging: &'a Path,
        wanted: &'a [Name],
        mount: &'a Tree<MountEntry>,
    ) -> Self {
        let wanted = wanted.iter().map(Vec::as_slice).collect();
        Self { root, staging, mount, wanted, staged: BTreeSet::new() }
    }

    /// Reads the stream: an archive of archives.
    pub(super) fn read(&mut self, stream: &mut dyn Read) -> Result<(), crate::error::Error> {
        let mut outer = Reader::new(stream);
        while let Some(header) = outer.next_entry()? {
            if header.kind == tar::Kind::File {
                self.archive(outer.content())?;
            }
        }
        Ok(())
    }

    fn archive(&mut self, stream: impl Read) -> io::Result<()> {
        let mut reader = Reader::new(stream);
        loop {
            match reader.next_entry() {
                Ok(Some(header)) => self.entry(&header, &mut reader.content())?,
                Ok(None) => return Ok(()),
                Err(crate::apk::Error::Io(error)) => return Err(error),
                // The program there gave up: a file shrank while it was read. What came is good.
                Err(error) => {
                    tracing::debug!("of the host cache: {error}");
                    return Ok(());
                }
            }
        }
    }

    fn entry(&mut self, header: &Header, content: &mut dyn Read) -> io::Result<()> {
        let Some(&name) = self.wanted.get(header.path.as_slice()) else { return Ok(()) };
        let Some(entry) = self.mount.get(name) else { return Ok(()) };
        let target = path(self.staging, name);
        match (header.kind, entry.kind) {
            (tar::Kind::File, Kind::File)
                if (header.size, header.mtime) == (entry.size, entry.time.seconds) =>
            {
                self.directories(name)?;
                if !file(&target, entry, content)? {
                    return fs::remove_file(&target);
                }
            }
            (tar::Kind::HardLink, Kind::File) => {
                let Some(&first) = self.staged.get(header.link.as_slice()) else { return Ok(()) };
                self.directories(name)?;
                fs::hard_link(path(self.staging, first), &target)?;
            }
            (tar::Kind::Symlink, Kind::Symlink) => {
                self.directories(name)?;
                fs_err::os::unix::fs::symlink(OsStr::from_bytes(&header.link), &target)?;
                set_link_time(&target, entry)?;
            }
            // It is something else by now: next time.
            _ => return Ok(()),
        }
        self.staged.insert(name);
        Ok(())
    }

    /// Makes the directories around a name.
    fn directories(&self, name: &[u8]) -> io::Result<()> {
        match parent(name) {
            Some(directory) => fs::create_dir_all(path(self.staging, directory)),
            None => Ok(()),
        }
    }

    /// Moves all that came into place and returns the names.
    pub(super) fn place(mut self) -> io::Result<Vec<Name>> {
        let mut directories = Vec::new();
        for &name in &self.wanted {
            if self.mount.get(name).is_some_and(|entry| entry.kind == Kind::Directory) {
                fs::create_dir_all(path(self.staging, name))?;
                directories.push(name);
            }
        }
        self.staged.extend(&directories);
        let staged: Vec<&[u8]> = self.staged.iter().copied().collect();
        let mut placed = BTreeSet::new();
        for name in topmost(&staged) {
            if !is_real_directory(self.root, parent(name)) {
                continue;
            }
            let (from, to) = (path(self.staging, name), path(self.root, name));
            match with_writable(&path(self.root, parent(name).unwrap_or_default()), || {
                fs::rename(&from, &to)
            }) {
                Ok(()) => placed.insert(name),
                // Somebody has put something else there.
                Err(error) => {
                    tracing::debug!("of the host cache: {error}");
                    false
                }
            };
        }
        // Modes last, and of the innermost first: a directory may be read-only.
        for &name in directories.iter().rev() {
            let Some(entry) = self.mount.get(name) else { continue };
            let directory = path(self.root, name);
            if is_real_directory(self.root, Some(name)) {
                fs::set_permissions(directory, Permissions::from_mode(entry.mode | 0o500))?;
            }
        }
        let is_placed = |name: &&[u8]| {
            placed.contains(name) || super::entry::ancestors(name).any(|up| placed.contains(up))
        };
        Ok(staged.into_iter().filter(is_placed).map(<[u8]>::to_vec).collect())
    }
}

/// Writes a file; false if less came than was announced.
fn file(target: &Path, entry: &MountEntry, content: &mut dyn Read) -> io::Result<bool> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(target)?;
    match io::copy(content, &mut file) {
        Ok(size) if size == entry.size => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    file.set_permissions(Permissions::from_mode(entry.mode | 0o400))?;
    file.set_modified(system_time(entry.time.seconds))?;
    Ok(true)
}

fn system_time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = match seconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
        _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn set_link_time(target: &Path, entry: &MountEntry) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec { tv_sec: entry.time.seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, target, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Whether everything down to a directory is one, and no link.
fn is_real_directory(root: &Path, name: Option<&[u8]>) -> bool {
    let Some(name) = name else { return true };
    let is_one = |name: &[u8]| {
        fs::symlink_metadata(path(root, name)).is_ok_and(|metadata| metadata.is_dir())
    };
    is_one(name) && super::entry::ancestors(name).all(is_one)
}

/// Does something in a directory that may be read-only, as Go's are.
fn with_writable(directory: &Path, action: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match action() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let before = fs::metadata(directory)?.permissions();
            fs::set_permissions(directory, Permissions::from_mode(before.mode() | 0o200))?;
            let result = action();
            fs::set_permissions(directory, before)?;
            result
        }
        result => result,
    }
}

#[cfg(test)]
mod tests;
