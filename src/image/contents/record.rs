//! A package's content as the bytes that the store remembers.
//!
//! Beneath the stages. Numbers are little-endian 64 bits, strings have their length before them.
//! A record that is cut short, has something after its end, or was written by another version of
//! this format is no record: the package is read again.

use super::{Contents, Entry};
use crate::apk::tar::Kind;
use crate::digest::{Sha1, Sha256};
use crate::image::elf::Library;
use crate::image::oci::Layer;

/// Raised with every change of the format or of what is recorded.
const MAGIC: &[u8] = b"melange2 contents 1\n";

pub(super) fn encode(contents: &Contents) -> Vec<u8> {
    let mut out = Out(MAGIC.to_vec());
    out.0.extend_from_slice(&contents.layer.digest.0);
    out.0.extend_from_slice(&contents.layer.diff_id.0);
    out.number(contents.layer.size);
    out.number(contents.entries.len() as u64);
    for entry in &contents.entries {
        let (kind, major, minor) = kind_number(entry.kind);
        for number in [kind, major, minor, u64::from(entry.mode), entry.uid, entry.gid, entry.size]
        {
            out.number(number);
        }
        out.bytes(&entry.path);
        out.bytes(&entry.link);
        out.option(entry.sha1.as_ref().map(|sha1| sha1.0.as_slice()));
        out.option(entry.xattrs.as_ref().map(|xattrs| xattrs.0.as_slice()));
        out.option(entry.text.as_deref());
        out.number(entry.library.as_ref().map_or(0, |library| u64::from(library.machine) + 1));
        out.option(entry.library.as_ref().and_then(|library| library.soname.as_deref()));
    }
    out.0
}

pub(super) fn decode(bytes: &[u8]) -> Option<Contents> {
    let mut input = In(bytes.strip_prefix(MAGIC)?);
    let digest = Sha256(input.take(32)?.try_into().ok()?);
    let diff_id = Sha256(input.take(32)?.try_into().ok()?);
    let layer = Layer { digest, diff_id, size: input.number()? };
    let count = input.number()?;
    let entries = (0..count).map(|_| entry(&mut input)).collect::<Option<Vec<_>>>()?;
    input.0.is_empty().then_some(Contents { layer, entries })
}

fn entry(input: &mut In<'_>) -> Option<Entry> {
    let kind = number_kind(input.number()?, input.number()?, input.number()?)?;
    let mode = u32::try_from(input.number()?).ok()?;
    let (uid, gid, size) = (input.number()?, input.number()?, input.number()?);
    let path = input.bytes()?.to_vec();
    let link = input.bytes()?.to_vec();
    let sha1 = match input.option()? {
        Some(sha1) => Some(Sha1(sha1.try_into().ok()?)),
        None => None,
    };
    let xattrs = match input.option()? {
        Some(xattrs) => Some(Sha256(xattrs.try_into().ok()?)),
        None => None,
    };
    let text = input.option()?.map(<[u8]>::to_vec);
    let machine = input.number()?;
    let soname = input.option()?.map(<[u8]>::to_vec);
    let library = match machine.checked_sub(1) {
        Some(machine) => Some(Library { machine: u16::try_from(machine).ok()?, soname }),
        None => None,
    };
    Some(Entry { path, kind, mode, uid, gid, size, link, sha1, xattrs, text, library })
}

fn kind_number(kind: Kind) -> (u64, u64, u64) {
    match kind {
        Kind::File => (0, 0, 0),
        Kind::HardLink => (1, 0, 0),
        Kind::Symlink => (2, 0, 0),
        Kind::Directory => (3, 0, 0),
        Kind::CharDevice(major, minor) => (4, major.into(), minor.into()),
        Kind::BlockDevice(major, minor) => (5, major.into(), minor.into()),
        Kind::Fifo => (6, 0, 0),
    }
}

fn number_kind(kind: u64, major: u64, minor: u64) -> Option<Kind> {
    let (major, minor) = (u32::try_from(major).ok()?, u32::try_from(minor).ok()?);
    Some(match kind {
        0 => Kind::File,
        1 => Kind::HardLink,
        2 => Kind::Symlink,
        3 => Kind::Directory,
        4 => Kind::CharDevice(major, minor),
        5 => Kind::BlockDevice(major, minor),
        6 => Kind::Fifo,
        _ => return None,
    })
}

struct Out(Vec<u8>);

impl Out {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn option(&mut self, bytes: Option<&[u8]>) {
        self.number(u64::from(bytes.is_some()));
        self.bytes(bytes.unwrap_or_default());
    }
}

struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn option(&mut self) -> Option<Option<&'a [u8]>> {
        let some = self.number()? == 1;
        let bytes = self.bytes()?;
        Some(some.then_some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> Contents {
        let plain = Entry {
            path: b"usr/lib/libx.so.1".to_vec(),
            kind: Kind::File,
            mode: 0o4755,
            uid: 1,
            gid: 2,
            size: 3,
            link: Vec::new(),
            sha1: Some(Sha1([4; 20])),
            xattrs: Some(Sha256([5; 32])),
            text: Some(b"a\0b".to_vec()),
            library: Some(Library { machine: 62, soname: None }),
        };
        let device = Entry {
            path: b"caf\xe9".to_vec(),
            kind: Kind::CharDevice(1, 300),
            sha1: None,
            xattrs: None,
            text: None,
            library: None,
            ..plain.clone()
        };
        let layer = Layer { digest: Sha256([6; 32]), size: 7, diff_id: Sha256([8; 32]) };
        Contents { layer, entries: vec![plain, device] }
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(decode(&encode(&contents())), Some(contents()));
    }

    #[test]
    fn a_damaged_record_is_no_record() {
        let record = encode(&contents());
        for length in 0..record.len() {
            assert_eq!(decode(&record[..length]), None, "cut at {length}");
        }
        assert_eq!(decode(&[record.as_slice(), b"\0"].concat()), None);
    }
}
