//! The content of one file while it passes: in memory when small, in one temporary file when large.
//!
//! Part of stage 5. The checksum of a file stands before its content in the archive, so the content
//! has to wait somewhere until it was hashed; that is all this is for. Knows no formats.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use sha1::Digest as _;

use crate::digest::Sha1;

/// Files up to this many bytes stay in memory.
const MEMORY_LIMIT: u64 = 4 << 20;

/// How much is moved at once to and from the temporary file.
const CHUNK: usize = 256 << 10;

/// Where the content of the current file waits. One is used for all files of a stream.
pub struct Spool {
    directory: PathBuf,
    memory: Vec<u8>,
    file: Option<File>,
    len: u64,
    limit: u64,
}

impl Spool {
    /// A spool whose temporary file, made when the first large file comes, has no name and lies in
    /// `directory`.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, memory: Vec::new(), file: None, len: 0, limit: MEMORY_LIMIT }
    }

    /// Like [`Spool::new`], with another limit for what stays in memory.
    #[cfg(test)]
    pub fn with_limit(directory: PathBuf, limit: u64) -> Self {
        Self { limit, ..Self::new(directory) }
    }

    /// Takes in the next file, `size` bytes, in place of the previous one. Fewer bytes are an error
    /// of kind `UnexpectedEof`.
    pub fn fill(&mut self, content: &mut dyn Read, size: u64) -> io::Result<Sha1> {
        let mut content = content.take(size);
        self.memory.clear();
        let hash = if size <= self.limit {
            content.read_to_end(&mut self.memory)?;
            self.len = self.memory.len() as u64;
            Sha1::of(&self.memory)
        } else {
            let mut hasher = sha1::Sha1::new();
            self.len = self.spill(&mut content, &mut hasher)?;
            Sha1(hasher.finalize().into())
        };
        if self.len != size {
            let text = format!("content ends after {} of {size} bytes", self.len);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        Ok(hash)
    }

    fn spill(&mut self, content: &mut dyn Read, hasher: &mut sha1::Sha1) -> io::Result<u64> {
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&self.directory)?);
        }
        let Some(file) = &mut self.file else { return Ok(0) };
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        self.memory.resize(CHUNK, 0);
        let mut total = 0;
        loop {
            let count = content.read(&mut self.memory)?;
            if count == 0 {
                return Ok(total);
            }
            hasher.update(&self.memory[..count]);
            file.write_all(&self.memory[..count])?;
            total += count as u64;
        }
    }

    /// The file that was taken in last.
    pub fn content(&self) -> Content<'_> {
        match &self.file {
            Some(file) if self.len > self.limit => Content::Spooled { file, len: self.len },
            _ => Content::Memory(&self.memory),
        }
    }
}

/// The content of a file, readable at any place.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// All of it.
    Memory(&'a [u8]),
    /// Too large for that.
    Spooled {
        /// The temporary file.
        file: &'a File,
        /// Bytes.
        len: u64,
    },
}

impl<'a> Content<'a> {
    /// Bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spooled { len, .. } => *len,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `len` bytes from `offset` on: fewer at the end, none behind it. `len` must be one that
    /// memory can hold; callers cap what they found in a file.
    pub fn range(&self, offset: u64, len: usize) -> io::Result<Cow<'a, [u8]>> {
        let len = len.min(usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX));
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(Cow::Borrowed(&bytes[start..start + len]))
            }
            Self::Spooled { file, .. } => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// A reader from `offset` on, for `len` bytes at most.
    pub fn reader(&self, offset: u64, len: u64) -> ContentReader<'a> {
        let end = offset.saturating_add(len).min(self.len());
        ContentReader { content: *self, offset: offset.min(end), end }
    }

    /// A reader of everything.
    pub fn reader_of_all(&self) -> ContentReader<'a> {
        self.reader(0, self.len())
    }
}

/// Reads a [`Content`] from front to back.
pub struct ContentReader<'a> {
    content: Content<'a>,
    offset: u64,
    end: u64,
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        let count = match &self.content {
            Content::Memory(bytes) => {
                // The offset never exceeds the length of what is in memory.
                let start = usize::try_from(self.offset).unwrap_or(usize::MAX).min(bytes.len());
                let part = &bytes[start..start + len];
                buffer[..len].copy_from_slice(part);
                len
            }
            Content::Spooled { file, .. } => file.read_at(&mut buffer[..len], self.offset)?,
        };
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(limit: u64) -> (tempfile::TempDir, Spool) {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::with_limit(directory.path().to_owned(), limit);
        (directory, spool)
    }

    #[test]
    fn memory_and_file_read_alike() {
        let bytes: Vec<u8> = (0..u32::from(u16::MAX) * 8).map(|n| (n % 251) as u8).collect();
        for limit in [0, 10, bytes.len() as u64] {
            let (_directory, mut spool) = spool(limit);
            // What was there before must not shine through.
            spool.fill(&mut vec![7; bytes.len() + 5].as_slice(), bytes.len() as u64 + 5).unwrap();
            let sha1 = spool.fill(&mut bytes.as_slice(), bytes.len() as u64).unwrap();
            assert_eq!(sha1, Sha1::of(&bytes));
            let content = spool.content();
            assert_eq!(content.len(), bytes.len() as u64);
            let mut read = Vec::new();
            content.reader_of_all().read_to_end(&mut read).unwrap();
            assert!(read == bytes);
            assert_eq!(content.range(3, 4).unwrap().as_ref(), &bytes[3..7]);
            let end = content.range(bytes.len() as u64 - 2, 100).unwrap();
            assert_eq!(end.as_ref(), &bytes[bytes.len() - 2..]);
            assert!(content.range(u64::MAX, 100).unwrap().is_empty());
            let mut part = Vec::new();
            content.reader(5, 3).read_to_end(&mut part).unwrap();
            assert_eq!(part, &bytes[5..8]);
        }
    }

    #[test]
    fn a_small_file_after_a_large_one_is_read_from_memory() {
        let (_directory, mut spool) = spool(4);
        spool.fill(&mut b"larger".as_slice(), 6).unwrap();
        spool.fill(&mut b"abc".as_slice(), 3).unwrap();
        assert_eq!(spool.content().range(0, 10).unwrap().as_ref(), b"abc");
    }

    #[test]
    fn too_few_bytes_are_an_error_and_no_file_has_a_name() {
        let (directory, mut spool) = spool(4);
        for size in [4, 9] {
            let error = spool.fill(&mut b"abc".as_slice(), size).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        assert!(fs_err::read_dir(directory.path()).unwrap().next().is_none());
    }
}
