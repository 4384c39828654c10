//! From the host's directory into the mount: archives of bounded size.
//!
//! Part of the host cache. A file that changes while it is read is left for the next time.

use std::collections::HashMap;
use std::io::{self, BufWriter, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fs_err as fs;

use super::Error;
use super::entry::{HostEntry, Kind, Name, Tree};
use super::listing::host_entry;
use super::path;
use crate::apk::tar::{self, Header, Writer};
use crate::dockerfile::HostCacheMount;

/// From this size on an archive is sent, and another one begun: bounds what is on disk twice.
const ARCHIVE: u64 = 256 << 20;

/// Packs files for their owner in the mount.
pub(super) struct Packer<'a> {
    root: &'a Path,
    host: &'a Tree<HostEntry>,
    owner: &'a HostCacheMount,
    rest: &'a [Name],
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Name>,
    /// What changed while it was read: must not be put in place.
    pub(super) bad: Vec<Name>,
}

impl<'a> Packer<'a> {
    pub(super) fn new(
        root: &'a Path,
        names: &'a [Name],
        host: &'a Tree<HostEntry>,
        owner: &'a HostCacheMount,
    ) -> Self {
        Self { root, host, owner, rest: names, links: HashMap::new(), bad: Vec::new() }
    }

    /// Writes the next archive; false when nothing is left.
    pub(super) fn archive(&mut self, file: &Path) -> Result<bool, Error> {
        if self.rest.is_empty() {
            return Ok(false);
        }
        let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, fs::File::create(file)?));
        let mut written = 0;
        while written < ARCHIVE
            && let Some((name, rest)) = self.rest.split_first()
        {
            self.rest = rest;
            written += self.append(name, &mut writer)?;
        }
        // A link leads to an earlier entry of the same archive only.
        self.links.clear();
        let archive = writer.finish().map_err(tar_error)?;
        archive.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(true)
    }

    fn append(&mut self, name: &Name, writer: &mut Writer<impl io::Write>) -> Result<u64, Error> {
        let path = path(self.root, name);
        let known = self.host.get(name).copied();
        let now = fs::symlink_metadata(&path).ok();
        let (Some(known), Some(now)) = (known, now) else {
            self.bad.push(name.clone());
            return Ok(0);
        };
        if host_entry(&now) != Some(known) && known.kind != Kind::Directory {
            self.bad.push(name.clone());
            return Ok(0);
        }
        let kind = match known.kind {
            Kind::File => tar::Kind::File,
            Kind::Symlink => tar::Kind::Symlink,
            Kind::Directory => tar::Kind::Directory,
        };
        let mut header = Header::new(name.as_slice(), kind);
        (header.mode, header.mtime) = (known.mode, known.time.seconds);
        (header.uid, header.gid) = (self.owner.uid.into(), self.owner.gid.into());
        match known.kind {
            Kind::Directory => {}
            Kind::Symlink => match fs::read_link(&path) {
                Ok(target) => header.link = target.as_os_str().as_bytes().to_vec(),
                Err(_) => {
                    self.bad.push(name.clone());
                    return Ok(0);
                }
            },
            Kind::File => return self.append_file(name, &path, &now, header, writer),
        }
        writer.append(&header, &mut io::empty()).map_err(tar_error)?;
        Ok(512)
    }

    fn append_file(
        &mut self,
        name: &Name,
        path: &Path,
        now: &std::fs::Metadata,
        mut header: Header,
        writer: &mut Writer<impl io::Write>,
    ) -> Result<u64, Error> {
        if now.nlink() > 1 {
            let identity = (now.dev(), now.ino());
            if let Some(first) = self.links.get(&identity) {
                header.kind = tar::Kind::HardLink;
                header.link.clone_from(first);
                writer.append(&header, &mut io::empty()).map_err(tar_error)?;
                return Ok(512);
            }
            self.links.insert(identity, name.clone());
        }
        // This user may not read it: the steps do without.
        let Ok(file) = fs::File::open(path) else {
            self.bad.push(name.clone());
            return Ok(0);
        };
        header.size = now.size();
        let mut content = Counted { inner: file, count: 0 };
        writer.append(&header, &mut (&mut content).chain(io::repeat(0))).map_err(tar_error)?;
        let same = fs::symlink_metadata(path)
            .is_ok_and(|after| host_entry(&after) == host_entry(now) && after.ino() == now.ino());
        if content.count != header.size || !same {
            self.bad.push(name.clone());
        }
        Ok(512 + header.size)
    }
}

fn tar_error(error: crate::apk::Error) -> Error {
    match error {
        crate::apk::Error::Io(error) => Error::Io(error),
        error => Error::Broken(error.to_string()),
    }
}

struct Counted {
    inner: fs::File,
    count: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> HostCacheMount {
        HostCacheMount { id: "id".to_owned(), uid: 1000, gid: 1000 }
    }

    #[test]
    fn files_are_packed_for_their_owner() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("d")).unwrap();
        fs::write(root.join("d/a:b"), "content").unwrap();
        fs::hard_link(root.join("d/a:b"), root.join("d/link")).unwrap();
        fs_err::os::unix::fs::symlink("/etc", root.join("sym")).unwrap();
        fs::write(root.join("gone"), "x").unwrap();
        fs::write(root.join("longer"), "x").unwrap();
        let host = super::super::listing::host(&root).unwrap();
        fs::remove_file(root.join("gone")).unwrap();
        fs::write(root.join("longer"), "xyz").unwrap();
        let names: Vec<Name> = host.keys().cloned().collect();
        let owner = owner();
        let mut packer = Packer::new(&root, &names, &host, &owner);
        let archive = directory.path().join("tar");
        assert!(packer.archive(&archive).unwrap());
        assert!(!packer.archive(&archive).unwrap());
        assert_eq!(packer.bad, [b"gone".to_vec(), b"longer".to_vec()]);
        let mut reader = tar::Reader::new(fs::File::open(&archive).unwrap());
        let mut seen = Vec::new();
        while let Some(header) = reader.next_entry().unwrap() {
            assert_eq!((header.uid, header.gid), (1000, 1000));
            seen.push((header.display_path(), header.kind, header.size));
        }
        assert_eq!(
            seen,
            [
                ("d".to_owned(), tar::Kind::Directory, 0),
                ("d/a:b".to_owned(), tar::Kind::File, 7),
                ("d/link".to_owned(), tar::Kind::HardLink, 0),
                ("sym".to_owned(), tar::Kind::Symlink, 0),
            ]
        );
    }
}
