//! Writing tar archives.
//!
//! Beneath the stages, a part of `tar`. Output depends on the headers alone; PAX records are sorted.

use std::io::{Read, Write};

use super::block::{self, Block};
use super::pax::{self, Records};
use super::{BLOCK, Header, Kind};
use crate::apk::Error;

/// Writes entries one after another.
pub struct Writer<W: Write> {
    inner: W,
}

impl<W: Write> Writer<W> {
    /// Starts an archive.
    pub fn new(inner: W) -> Self {
        Self { inner }
    }

    /// Writes a header and as many bytes of content as it announces.
    ///
    /// # Errors
    /// `Invalid` if the header can't be written (a NUL in a name, a size on something other than a
    /// regular file), `Malformed` if `content` ends before the announced size.
    pub fn append(&mut self, header: &Header, content: &mut dyn Read) -> Result<(), Error> {
        check(header)?;
        let (block, mut records) = ustar(header);
        records.extend(header.pax.iter().map(|(key, value)| (key.clone(), value.clone())));
        if !records.is_empty() {
            self.write_records(&header.path, &records)?;
        }
        self.inner.write_all(&block)?;
        let copied = std::io::copy(&mut content.take(header.size), &mut self.inner)?;
        if copied != header.size {
            return Err(Error::Malformed {
                what: "tar archive",
                problem: format!(
                    "`{}` has {copied} bytes instead of the announced {}",
                    header.display_path(),
                    header.size
                ),
            });
        }
        self.pad(copied)
    }

    /// Ends the archive with two zero blocks.
    pub fn finish(mut self) -> Result<W, Error> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }

    /// Ends without a trailer, as apk's signature and control segments do.
    pub fn into_inner(self) -> W {
        self.inner
    }

    fn write_records(&mut self, path: &[u8], records: &Records) -> Result<(), Error> {
        let text = pax::encode(records)?;
        let mut block: Block = [0; BLOCK];
        block::put_text(&mut block, block::NAME, &pax_name(path));
        for field in [block::MODE, block::UID, block::GID, block::MTIME] {
            block::put_number(&mut block, field, 0);
        }
        block::put_number(&mut block, block::SIZE, text.len() as u64);
        block[block::TYPE] = b'x';
        // Device numbers stay empty: so far it is Go's header, byte for byte.
        block[block::MAGIC].copy_from_slice(block::POSIX_MAGIC);
        block::seal(&mut block);
        self.inner.write_all(&block)?;
        self.inner.write_all(&text)?;
        self.pad(text.len() as u64)
    }

    fn pad(&mut self, written: u64) -> Result<(), Error> {
        let beyond = (written % BLOCK as u64) as usize;
        if beyond > 0 {
            self.inner.write_all(&[0; BLOCK][beyond..])?;
        }
        Ok(())
    }
}

fn check(header: &Header) -> Result<(), Error> {
    let refuse = |problem: &str| {
        Err(Error::Invalid(format!(
            "`{}` can't be put into a tar archive: {problem}",
            header.display_path()
        )))
    };
    let texts = [&header.path, &header.link, &header.uname, &header.gname];
    if texts.iter().any(|text| text.contains(&0)) {
        return refuse("a name with a NUL byte");
    }
    if header.path.is_empty() && header.kind != Kind::Directory {
        return refuse("no name");
    }
    if header.size != 0 && header.kind != Kind::File {
        return refuse("only regular files have content");
    }
    Ok(())
}

/// The ustar block, and records for what has no room in it.
fn ustar(header: &Header) -> (Block, Records) {
    let mut block: Block = [0; BLOCK];
    let mut records = Records::new();
    let mut overflow = |fits: bool, key: &str, value: &dyn Fn() -> Vec<u8>| {
        if !fits {
            records.insert(key.to_owned(), value());
        }
    };
    let path = if header.path.is_empty() { b"./".as_slice() } else { header.path.as_slice() };
    for (field, text, key) in [
        (block::NAME, path, "path"),
        (block::LINK, &header.link, "linkpath"),
        (block::UNAME, &header.uname, "uname"),
        (block::GNAME, &header.gname, "gname"),
    ] {
        overflow(put_name(&mut block, field, text), key, &|| text.to_vec());
    }
    for (field, number, key) in [
        (block::UID, header.uid, "uid"),
        (block::GID, header.gid, "gid"),
        (block::SIZE, header.size, "size"),
    ] {
        let fits = block::put_number(&mut block, field, number);
        overflow(fits, key, &|| number.to_string().into_bytes());
    }
    let mtime = u64::try_from(header.mtime).ok();
    let fits = block::put_number(&mut block, block::MTIME, mtime.unwrap_or(u64::MAX));
    overflow(fits, "mtime", &|| header.mtime.to_string().into_bytes());

    block::put_number(&mut block, block::MODE, u64::from(header.mode & 0o7777));
    block[block::MAGIC].copy_from_slice(block::POSIX_MAGIC);
    let (kind, major, minor) = match header.kind {
        Kind::File => (b'0', 0, 0),
        Kind::HardLink => (b'1', 0, 0),
        Kind::Symlink => (b'2', 0, 0),
        Kind::CharDevice(major, minor) => (b'3', major, minor),
        Kind::BlockDevice(major, minor) => (b'4', major, minor),
        Kind::Directory => (b'5', 0, 0),
        Kind::Fifo => (b'6', 0, 0),
    };
    block[block::TYPE] = kind;
    for (field, number, key) in
        [(block::MAJOR, major, "SCHILY.devmajor"), (block::MINOR, minor, "SCHILY.devminor")]
    {
        let fits = block::put_number(&mut block, field, u64::from(number));
        overflow(fits, key, &|| number.to_string().into_bytes());
    }
    block::seal(&mut block);
    (block, records)
}

/// Puts a name into its field; `false` if a record must hold it, which is so for all that is not
/// ASCII (as in Go): what remains of it then stands in the field.
fn put_name(block: &mut Block, field: std::ops::Range<usize>, text: &[u8]) -> bool {
    if !text.is_ascii() {
        let ascii: Vec<u8> = text.iter().copied().filter(u8::is_ascii).collect();
        block::put_text(block, field, &ascii);
        return false;
    }
    match field {
        block::NAME => put_path(block, text),
        // Unlike paths these must end with a NUL.
        block::UNAME | block::GNAME if text.len() == field.len() => false,
        _ => block::put_text(block, field, text),
    }
}

/// Puts a path into the name field, or into name and prefix, cut at a slash.
fn put_path(block: &mut Block, path: &[u8]) -> bool {
    if block::put_text(block, block::NAME, path) {
        return true;
    }
    // The last slash that leaves a prefix of at most 155 bytes.
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let cut = slashes.take_while(|at| *at <= block::PREFIX.len()).last();
    match cut {
        Some(cut) if cut > 0 && (1..=block::NAME.len()).contains(&(path.len() - cut - 1)) => {
            block[block::NAME].fill(0);
            block::put_text(block, block::PREFIX, &path[..cut]);
            block::put_text(block, block::NAME, &path[cut + 1..]);
            true
        }
        _ => false,
    }
}

/// `DIRECTORY/PaxHeaders.0/NAME`, as Go has it, as far as there is room.
fn pax_name(path: &[u8]) -> Vec<u8> {
    let cut = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let name = [&path[..cut], b"PaxHeaders.0/", &path[cut..]].concat();
    let mut name: Vec<u8> = name.into_iter().filter(u8::is_ascii).take(block::NAME.len()).collect();
    while name.last() == Some(&b'/') {
        name.pop();
    }
    name
}
