//! Reading tar archives.
//!
//! Beneath the stages, a part of `tar`. Reads forward only and keeps no more than one header and
//! its extensions (at most `MAX_EXTENSION` each) in memory.

use std::io::{self, Read};

use super::block::{self, Block};
use super::pax::{self, Records};
use super::{BLOCK, Header, Kind, MAX_EXTENSION};
use crate::apk::Error;

/// Reads entries one after another.
pub struct Reader<R: Read> {
    inner: R,
    /// Bytes of the current entry's content that were not read.
    content: u64,
    /// Zeros after the content.
    padding: u64,
    ended: bool,
}

/// What stood before the header that it belongs to.
#[derive(Default)]
struct Extensions {
    records: Records,
    gnu_path: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
}

fn malformed(problem: impl Into<String>) -> Error {
    Error::Malformed { what: "tar archive", problem: problem.into() }
}

impl<R: Read> Reader<R> {
    /// Reads an archive from a stream.
    pub fn new(inner: R) -> Self {
        Self { inner, content: 0, padding: 0, ended: false }
    }

    /// The next entry, or `None` at the end (a trailer, or the end of the stream on a block
    /// boundary). Content of the entry before that was not read is skipped. The reader itself then
    /// reads the content, through [`Reader::content`].
    ///
    /// # Errors
    /// `Malformed` if a header is damaged or of an unknown kind, if a path holds `..`, or if the
    /// stream ends within an entry.
    pub fn next_entry(&mut self) -> Result<Option<Header>, Error> {
        let mut extensions = Extensions::default();
        let mut extended = false;
        loop {
            let Some(block) = self.next_block()? else {
                if extended {
                    return Err(malformed("extended headers that belong to no entry"));
                }
                return Ok(None);
            };
            let size = u64::try_from(number(&block, block::SIZE, "size")?)
                .map_err(|_| malformed("a negative size"))?;
            self.expect_content(size)?;
            match block[block::TYPE] {
                b'x' => {
                    let text = self.extension("PAX records")?;
                    pax::decode(&text, &mut extensions.records)?;
                }
                b'g' => {
                    self.extension("global PAX records")?;
                    continue;
                }
                b'L' => extensions.gnu_path = Some(self.long_name()?),
                b'K' => extensions.gnu_link = Some(self.long_name()?),
                _ => return self.entry(&block, extensions).map(Some),
            }
            extended = true;
        }
    }

    /// The content of the current entry. A stream that ends within it is an error of kind
    /// `UnexpectedEof`.
    pub fn content(&mut self) -> impl Read + '_ {
        Content { reader: self }
    }

    /// The stream behind the archive, wherever reading has come to.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// The next header, `None` at the end.
    fn next_block(&mut self) -> Result<Option<Block>, Error> {
        if self.ended {
            return Ok(None);
        }
        let rest = self.content + self.padding;
        (self.content, self.padding) = (0, 0);
        if io::copy(&mut (&mut self.inner).take(rest), &mut io::sink())? != rest {
            return Err(malformed("it ends within an entry"));
        }
        let mut block: Block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.inner.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if filled == 0 || block == [0; BLOCK] {
            self.ended = true;
        }
        match filled {
            0 => Ok(None),
            BLOCK if self.ended => Ok(None),
            BLOCK if block::is_sealed(&block) => Ok(Some(block)),
            BLOCK => Err(malformed("a header with a wrong checksum")),
            _ => Err(malformed("it ends within a header")),
        }
    }

    fn expect_content(&mut self, size: u64) -> Result<(), Error> {
        let blocks = size.checked_next_multiple_of(BLOCK as u64);
        // Both together must be countable.
        self.padding = blocks.ok_or_else(|| malformed("a size beyond all measure"))? - size;
        self.content = size;
        Ok(())
    }

    fn extension(&mut self, what: &str) -> Result<Vec<u8>, Error> {
        if self.content > MAX_EXTENSION {
            return Err(malformed(format!("{what} of {} bytes", self.content)));
        }
        let mut text = Vec::new();
        self.content().read_to_end(&mut text)?;
        Ok(text)
    }

    fn long_name(&mut self) -> Result<Vec<u8>, Error> {
        Ok(block::text(&self.extension("a name")?).to_vec())
    }

    fn entry(&mut self, block: &Block, extensions: Extensions) -> Result<Header, Error> {
        let mut header = ustar(block)?;
        if let Some(path) = extensions.gnu_path {
            header.path = path;
        }
        if let Some(link) = extensions.gnu_link {
            header.link = link;
        }
        apply(extensions.records, &mut header)?;
        if header.kind == Kind::File && header.path.ends_with(b"/") {
            // Archives from before POSIX mark directories by the slash alone.
            header.kind = Kind::Directory;
        }
        header.path = clean(&header.path)?;
        if header.kind == Kind::HardLink {
            header.link = clean(&header.link)?;
        }
        if header.path.is_empty() && header.kind != Kind::Directory {
            return Err(malformed("an entry without a name"));
        }
        if header.kind != Kind::File {
            // Where an archive gives them a size nevertheless, no content follows.
            header.size = 0;
        }
        self.expect_content(header.size)?;
        Ok(header)
    }
}

struct Content<'a, R: Read> {
    reader: &'a mut Reader<R>,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.reader.content).unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 {
            return Ok(0);
        }
        let count = self.reader.inner.read(&mut buffer[..room])?;
        if count == 0 {
            let problem = "malformed tar archive: it ends within an entry";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        self.reader.content -= count as u64;
        Ok(count)
    }
}

fn number(block: &Block, field: std::ops::Range<usize>, what: &str) -> Result<i64, Error> {
    block::number(&block[field])
        .ok_or_else(|| malformed(format!("a header whose {what} is no number")))
}

fn unsigned<T: TryFrom<i64>>(
    block: &Block,
    field: std::ops::Range<usize>,
    what: &str,
) -> Result<T, Error> {
    T::try_from(number(block, field, what)?)
        .map_err(|_| malformed(format!("a header whose {what} is out of range")))
}

fn ustar(block: &Block) -> Result<Header, Error> {
    let magic = &block[block::MAGIC];
    let has_names = magic.starts_with(b"ustar");
    let device = || -> Result<(u32, u32), Error> {
        let major = unsigned(block, block::MAJOR, "device number")?;
        Ok((major, unsigned(block, block::MINOR, "device number")?))
    };
    let kind = match block[block::TYPE] {
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => device().map(|(major, minor)| Kind::CharDevice(major, minor))?,
        b'4' => device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        b'S' => return Err(malformed("a sparse file, which is not supported")),
        other => {
            return Err(malformed(format!("an entry of unknown type `{}`", other.escape_ascii())));
        }
    };
    let mut path = block::text(&block[block::NAME]).to_vec();
    let prefix = block::text(&block[block::PREFIX]);
    if magic.starts_with(b"ustar\0") && !prefix.is_empty() {
        path = [prefix, b"/", &path].concat();
    }
    let name = |field| if has_names { block::text(&block[field]).to_vec() } else { Vec::new() };
    Ok(Header {
        path,
        kind,
        mode: unsigned::<u32>(block, block::MODE, "mode")? & 0o7777,
        uid: unsigned(block, block::UID, "owner")?,
        gid: unsigned(block, block::GID, "group")?,
        uname: name(block::UNAME),
        gname: name(block::GNAME),
        size: unsigned(block, block::SIZE, "size")?,
        mtime: number(block, block::MTIME, "time")?,
        link: block::text(&block[block::LINK]).to_vec(),
        pax: Records::new(),
    })
}

/// Applies PAX records. An empty value of a field that the header has leaves the header's, as in Go.
fn apply(records: Records, header: &mut Header) -> Result<(), Error> {
    for (key, value) in records {
        let field = match key.as_str() {
            "path" => &mut header.path,
            "linkpath" => &mut header.link,
            "uname" => &mut header.uname,
            "gname" => &mut header.gname,
            "size" | "uid" | "gid" | "mtime" | "SCHILY.devmajor" | "SCHILY.devminor" => {
                apply_number(&key, &value, header)?;
                continue;
            }
            // Times that apk does not have, and remarks.
            "atime" | "ctime" | "comment" | "hdrcharset" => continue,
            _ if key.starts_with("GNU.sparse.") => {
                return Err(malformed("a sparse file, which is not supported"));
            }
            _ => {
                header.pax.insert(key, value);
                continue;
            }
        };
        if value.contains(&0) {
            return Err(malformed(format!("a `{key}` record with a NUL byte")));
        }
        if !value.is_empty() {
            *field = value;
        }
    }
    Ok(())
}

fn apply_number(key: &str, value: &[u8], header: &mut Header) -> Result<(), Error> {
    if value.is_empty() {
        return Ok(());
    }
    let bad = || malformed(format!("a `{key}` record that is no number"));
    let text = std::str::from_utf8(value).map_err(|_| bad())?;
    let unsigned = || match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().map_err(|_| bad()),
        false => Err(bad()),
    };
    match (key, &mut header.kind) {
        ("size", _) => header.size = unsigned()?,
        ("uid", _) => header.uid = unsigned()?,
        ("gid", _) => header.gid = unsigned()?,
        ("mtime", _) => header.mtime = seconds(text).ok_or_else(bad)?,
        ("SCHILY.devmajor", Kind::CharDevice(major, _) | Kind::BlockDevice(major, _)) => {
            *major = u32::try_from(unsigned()?).map_err(|_| bad())?;
        }
        ("SCHILY.devminor", Kind::CharDevice(_, minor) | Kind::BlockDevice(_, minor)) => {
            *minor = u32::try_from(unsigned()?).map_err(|_| bad())?;
        }
        _ => {}
    }
    Ok(())
}

/// Whole seconds of `SECONDS[.FRACTION]`, rounded down.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || whole.starts_with('+') {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let beyond = whole.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    seconds.checked_sub(i64::from(beyond))
}

/// A path without empty and `.` components and slashes at its ends. `..` is refused: no archive
/// that this program reads has a reason to climb.
fn clean(path: &[u8]) -> Result<Vec<u8>, Error> {
    let mut cleaned = Vec::with_capacity(path.len());
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => continue,
            b".." => {
                let path = String::from_utf8_lossy(path);
                return Err(malformed(format!("the path `{path}` holds `..`")));
            }
            _ => {}
        }
        if !cleaned.is_empty() {
            cleaned.push(b'/');
        }
        cleaned.extend_from_slice(component);
    }
    Ok(cleaned)
}
