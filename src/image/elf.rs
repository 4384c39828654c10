//! The few facts of a shared library that the dynamic linker's cache needs.
//!
//! Beneath the stages. Reads by seeking and only what it needs (headers, the dynamic section, one
//! string), because libraries of hundreds of megabytes exist; anything that is not a well-formed
//! shared library is simply not one. Knows nothing of caches or trees.

use std::io::{self, Read, Seek, SeekFrom};

/// What is remembered of a shared library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Library {
    /// `e_machine`.
    pub(super) machine: u16,
    /// `DT_SONAME`, if it has one.
    pub(super) soname: Option<Vec<u8>>,
}

const ET_DYN: u16 = 3;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;

/// More dynamic entries than any linker writes; a bound on what a broken file can make us read.
const MAX_DYNAMIC: u64 = 1 << 16;
const MAX_SONAME: u64 = 4096;

/// Reads a shared library; `None` if the file is something else or is malformed.
pub(super) fn read_library(file: &mut (impl Read + Seek)) -> io::Result<Option<Library>> {
    match parse(file) {
        Ok(library) => Ok(library),
        // Offsets that lead outside the file.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Width and byte order of a file's numbers.
#[derive(Clone, Copy)]
struct Shape {
    wide: bool,
    big_endian: bool,
}

impl Shape {
    fn number(self, bytes: &[u8]) -> u64 {
        let step = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
        if self.big_endian { bytes.iter().fold(0, step) } else { bytes.iter().rev().fold(0, step) }
    }

    /// The field at an offset that is given for the 32-bit and for the 64-bit form, of address
    /// width.
    fn address(self, header: &[u8], narrow: usize, wide: usize) -> u64 {
        if self.wide {
            self.number(&header[wide..wide + 8])
        } else {
            self.number(&header[narrow..narrow + 4])
        }
    }

    fn half(self, header: &[u8], narrow: usize, wide: usize) -> u16 {
        let at = if self.wide { wide } else { narrow };
        // Two bytes always fit.
        self.number(&header[at..at + 2]) as u16
    }
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

fn parse(file: &mut (impl Read + Seek)) -> io::Result<Option<Library>> {
    let mut header = [0; 64];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header[..52])?;
    if &header[..4] != b"\x7fELF" || !matches!(header[4], 1 | 2) || !matches!(header[5], 1 | 2) {
        return Ok(None);
    }
    let shape = Shape { wide: header[4] == 2, big_endian: header[5] == 2 };
    if shape.wide {
        file.read_exact(&mut header[52..])?;
    }
    if shape.half(&header, 16, 16) != ET_DYN {
        return Ok(None);
    }
    let machine = shape.half(&header, 18, 18);
    let segments = segments(file, shape, &header)?;
    let Some(dynamic) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) else {
        return Ok(Some(Library { machine, soname: None }));
    };
    let (strings, soname) = dynamic_entries(file, shape, dynamic)?;
    let (Some(strings), Some(soname)) = (strings, soname) else {
        return Ok(Some(Library { machine, soname: None }));
    };
    let at = segments.iter().filter(|segment| segment.kind == PT_LOAD).find_map(|segment| {
        let inside = strings.checked_sub(segment.address).filter(|inside| *inside < segment.size);
        inside?.checked_add(segment.offset)?.checked_add(soname)
    });
    let Some(at) = at else { return Ok(None) };
    Ok(Some(Library { machine, soname: Some(text(file, at)?) }))
}

fn segments(
    file: &mut (impl Read + Seek),
    shape: Shape,
    header: &[u8],
) -> io::Result<Vec<Segment>> {
    let start = shape.address(header, 28, 32);
    let entry_size = shape.half(header, 42, 54);
    let count = shape.half(header, 44, 56);
    let expected: usize = if shape.wide { 56 } else { 32 };
    let mut segments = Vec::new();
    if usize::from(entry_size) < expected {
        return Ok(segments);
    }
    let mut entry = [0; 56];
    for index in 0..u64::from(count) {
        let at = start.saturating_add(index * u64::from(entry_size));
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut entry[..expected])?;
        segments.push(Segment {
            // Four bytes always fit.
            kind: shape.number(&entry[..4]) as u32,
            offset: shape.address(&entry, 4, 8),
            address: shape.address(&entry, 8, 16),
            size: shape.address(&entry, 16, 32),
        });
    }
    Ok(segments)
}

/// The address of the string table and the offset of the soname in it.
fn dynamic_entries(
    file: &mut (impl Read + Seek),
    shape: Shape,
    dynamic: &Segment,
) -> io::Result<(Option<u64>, Option<u64>)> {
    let width: usize = if shape.wide { 8 } else { 4 };
    let (mut strings, mut soname) = (None, None);
    file.seek(SeekFrom::Start(dynamic.offset))?;
    let mut reader = io::BufReader::new(file);
    let mut entry = [0; 16];
    for _ in 0..(dynamic.size / (2 * width as u64)).min(MAX_DYNAMIC) {
        reader.read_exact(&mut entry[..2 * width])?;
        let value = shape.number(&entry[width..2 * width]);
        match shape.number(&entry[..width]) {
            DT_NULL => break,
            DT_STRTAB => strings = Some(value),
            DT_SONAME => soname = Some(value),
            _ => {}
        }
    }
    Ok((strings, soname))
}

fn text(file: &mut (impl Read + Seek), at: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    io::BufRead::read_until(&mut io::BufReader::new(file).take(MAX_SONAME), 0, &mut bytes)?;
    if bytes.pop() != Some(0) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// A shared library of nothing but headers, a dynamic section and a string table.
    pub(crate) fn library(machine: u16, soname: &str) -> Vec<u8> {
        let mut file = vec![0; 64 + 2 * 56 + 3 * 16];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(16, &3u16.to_le_bytes());
        put(18, &machine.to_le_bytes());
        put(32, &64u64.to_le_bytes());
        put(54, &56u16.to_le_bytes());
        put(56, &2u16.to_le_bytes());
        let base = 0x1000u64;
        put(64, &PT_LOAD.to_le_bytes());
        put(64 + 16, &base.to_le_bytes());
        put(64 + 32, &0x10000u64.to_le_bytes());
        let dynamic = 64 + 2 * 56;
        put(120, &PT_DYNAMIC.to_le_bytes());
        put(120 + 8, &(dynamic as u64).to_le_bytes());
        put(120 + 32, &48u64.to_le_bytes());
        put(dynamic, &DT_STRTAB.to_le_bytes());
        put(dynamic + 8, &(base + dynamic as u64 + 48).to_le_bytes());
        put(dynamic + 16, &DT_SONAME.to_le_bytes());
        put(dynamic + 24, &1u64.to_le_bytes());
        file.push(0);
        file.extend_from_slice(soname.as_bytes());
        file.push(0);
        file
    }

    #[test]
    fn a_soname_is_found() {
        let file = library(62, "libx.so.1");
        let library = read_library(&mut Cursor::new(file)).unwrap().unwrap();
        assert_eq!(library, Library { machine: 62, soname: Some(b"libx.so.1".to_vec()) });
    }

    #[test]
    fn a_program_is_not_a_library() {
        let mut file = library(62, "x");
        file[16] = 2;
        assert_eq!(read_library(&mut Cursor::new(file)).unwrap(), None);
        assert_eq!(read_library(&mut Cursor::new(b"#!/bin/sh\n")).unwrap(), None);
    }

    proptest! {
        #[test]
        fn broken_files_are_survived(at in 0usize..64, byte: u8, cut in 0usize..200) {
            let mut file = library(62, "libx.so.1");
            file[at] = byte;
            file.truncate(file.len().saturating_sub(cut));
            read_library(&mut Cursor::new(file)).unwrap();
        }
    }
}
