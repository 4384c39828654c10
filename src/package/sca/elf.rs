//! What an ELF object needs and is called.
//!
//! Part of stage 5, no scanner itself. Reads the few places that count, each capped, never the
//! whole file: an object of several GiB costs no more than a small one.

use std::io;

use goblin::container::Ctx;
use goblin::elf::header::Header;
use goblin::elf::program_header::{PT_DYNAMIC, PT_INTERP, PT_LOAD, ProgramHeader};
use goblin::elf::section_header::{SHT_DYNAMIC, SHT_NOBITS, SectionHeader};

use crate::package::content::Content;

const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_SONAME: u64 = 14;

/// Caps; each is far above what linkers make.
const MAX_STRING: usize = 1024;
const MAX_NAMES: usize = 4096;
const MAX_DYNAMIC: usize = 1 << 20;
const MAX_SECTION_NAMES: usize = 1 << 20;
const MAX_BUILD_INFO: usize = 1 << 20;

/// `GOEXPERIMENT` values of Go toolchains whose programs load OpenSSL when they run.
const FIPS_EXPERIMENTS: &[&str] = &["boringcrypto", "systemcrypto", "opensslcrypto"];

/// An ELF object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    /// `PT_INTERP`: absolute path of the dynamic linker.
    pub interpreter: Option<String>,
    /// `DT_NEEDED`
    pub needed: Vec<String>,
    /// `DT_SONAME`
    pub sonames: Vec<String>,
    /// A Go program that loads OpenSSL for FIPS.
    pub go_fips: bool,
}

/// Reads an object; `None` if the file is not one that can be understood, or has nothing to say.
pub fn read(content: &Content<'_>) -> io::Result<Option<Elf>> {
    let head = content.range(0, 64)?;
    if !head.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    let Some(object) = Object::open(content, &head)? else { return Ok(None) };
    let mut elf = Elf { interpreter: object.interpreter()?, ..Elf::default() };
    object.dynamic(&mut elf)?;
    elf.go_fips = object.go_settings()?.is_some_and(|settings| is_fips(&settings));
    Ok((elf != Elf::default()).then_some(elf))
}

/// The tables of an object.
struct Object<'a> {
    content: &'a Content<'a>,
    header: Header,
    ctx: Ctx,
    segments: Vec<ProgramHeader>,
    sections: Vec<SectionHeader>,
}

/// A part of the file.
#[derive(Clone, Copy)]
struct Part {
    offset: u64,
    len: u64,
}

impl<'a> Object<'a> {
    fn open(content: &'a Content<'a>, head: &[u8]) -> io::Result<Option<Self>> {
        let Ok(header) = goblin::elf::Elf::parse_header(head) else { return Ok(None) };
        let (Ok(container), Ok(endianness)) = (header.container(), header.endianness()) else {
            return Ok(None);
        };
        let ctx = Ctx::new(container, endianness);
        let count = usize::from(header.e_phnum);
        let table = content.range(header.e_phoff, count * ProgramHeader::size(ctx))?;
        let segments = ProgramHeader::parse(&table, 0, count, ctx).unwrap_or_default();
        let count = usize::from(header.e_shnum);
        let mut sections = Vec::new();
        if header.e_shoff != 0 && count != 0 {
            // The parser takes a table at offset 0 for none.
            let mut table = vec![0];
            table.extend_from_slice(
                &content.range(header.e_shoff, count * SectionHeader::size(ctx))?,
            );
            sections = SectionHeader::parse(&table, 1, count, ctx).unwrap_or_default();
        }
        Ok(Some(Self { content, header, ctx, segments, sections }))
    }

    fn interpreter(&self) -> io::Result<Option<String>> {
        let Some(segment) = self.segments.iter().find(|segment| segment.p_type == PT_INTERP) else {
            return Ok(None);
        };
        // A file of debug information keeps the program headers but not what they point to.
        let is_absent = self
            .sections
            .iter()
            .any(|section| section.sh_addr == segment.p_vaddr && section.sh_type == SHT_NOBITS);
        if is_absent {
            return Ok(None);
        }
        let part = Part { offset: segment.p_offset, len: segment.p_filesz };
        self.string(part, 0)
    }

    fn dynamic(&self, elf: &mut Elf) -> io::Result<()> {
        let Some((table, strings)) = self.dynamic_parts()? else { return Ok(()) };
        for (tag, value) in self.dynamic_entries(table)? {
            let names = match tag {
                DT_NEEDED => &mut elf.needed,
                DT_SONAME => &mut elf.sonames,
                _ => continue,
            };
            if names.len() < MAX_NAMES {
                names.extend(self.string(strings, value)?);
            }
        }
        Ok(())
    }

    /// The dynamic table and its strings: by section where there are sections, as linkers and
    /// melange do; by segment in a file whose sections were stripped.
    fn dynamic_parts(&self) -> io::Result<Option<(Part, Part)>> {
        if !self.sections.is_empty() {
            let part =
                |section: &SectionHeader| Part { offset: section.sh_offset, len: section.sh_size };
            let table = self.sections.iter().find(|section| section.sh_type == SHT_DYNAMIC);
            let strings =
                table.and_then(|table| self.sections.get(usize::try_from(table.sh_link).ok()?));
            return Ok(table.zip(strings).map(|(table, strings)| (part(table), part(strings))));
        }
        let Some(segment) = self.segments.iter().find(|segment| segment.p_type == PT_DYNAMIC)
        else {
            return Ok(None);
        };
        let table = Part { offset: segment.p_offset, len: segment.p_filesz };
        let entries = self.dynamic_entries(table)?;
        let value =
            |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
        let offset = value(DT_STRTAB).and_then(|address| self.offset_of(address));
        Ok(offset.zip(value(DT_STRSZ)).map(|(offset, len)| (table, Part { offset, len })))
    }

    fn dynamic_entries(&self, table: Part) -> io::Result<Vec<(u64, u64)>> {
        let len = usize::try_from(table.len).unwrap_or(usize::MAX).min(MAX_DYNAMIC);
        let bytes = self.content.range(table.offset, len)?;
        let word = if self.ctx.is_big() { 8 } else { 4 };
        let entries = bytes.chunks_exact(word * 2).map(|entry| {
            let (tag, value) = entry.split_at(word);
            (self.number(tag), self.number(value))
        });
        Ok(entries.take_while(|(tag, _)| *tag != DT_NULL).collect())
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        let fold = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        if self.ctx.is_little_endian() {
            bytes.iter().rev().fold(0, fold)
        } else {
            bytes.iter().fold(0, fold)
        }
    }

    /// Where in the file an address lies.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|segment| {
            segment.p_type == PT_LOAD
                && address
                    .checked_sub(segment.p_vaddr)
                    .is_some_and(|distance| distance < segment.p_filesz)
        })?;
        segment.p_offset.checked_add(address - segment.p_vaddr)
    }

    /// The text that begins `at` bytes into a part and ends with NUL or the part.
    fn string(&self, part: Part, at: u64) -> io::Result<Option<String>> {
        let Some(offset) = part.offset.checked_add(at).filter(|_| at < part.len) else {
            return Ok(None);
        };
        let len = usize::try_from(part.len - at).unwrap_or(usize::MAX).min(MAX_STRING);
        let bytes = self.content.range(offset, len)?;
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(std::str::from_utf8(text).ok().filter(|text| !text.is_empty()).map(str::to_owned))
    }

    /// The module information of a Go program (1.18 and later, which alone have settings), as text.
    fn go_settings(&self) -> io::Result<Option<String>> {
        const INLINE_STRINGS: u8 = 2;
        const STRINGS_OFFSET: usize = 32;
        /// Before and after the text stand markers of this length.
        const MARKER: usize = 16;
        let Some(section) = self.section(b".go.buildinfo")? else { return Ok(None) };
        let len = usize::try_from(section.len).unwrap_or(usize::MAX).min(MAX_BUILD_INFO);
        let bytes = self.content.range(section.offset, len)?;
        let is_known = bytes.starts_with(b"\xff Go buildinf:")
            && bytes.get(15).is_some_and(|flags| flags & INLINE_STRINGS != 0);
        if !is_known {
            return Ok(None);
        }
        let text = bytes.get(STRINGS_OFFSET..).and_then(|strings| {
            let (_version, rest) = counted(strings)?;
            let (module, _) = counted(rest)?;
            module.get(MARKER..module.len().checked_sub(MARKER)?)
        });
        Ok(text.map(|text| String::from_utf8_lossy(text).into_owned()))
    }

    fn section(&self, name: &[u8]) -> io::Result<Option<Part>> {
        let Some(names) = self.sections.get(usize::from(self.header.e_shstrndx)) else {
            return Ok(None);
        };
        let len = usize::try_from(names.sh_size).unwrap_or(usize::MAX).min(MAX_SECTION_NAMES);
        let names = self.content.range(names.sh_offset, len)?;
        let found = self.sections.iter().find(|section| {
            names
                .get(section.sh_name..)
                .and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.first() == Some(&0))
        });
        Ok(found
            .filter(|section| section.sh_type != SHT_NOBITS)
            .map(|section| Part { offset: section.sh_offset, len: section.sh_size }))
    }
}

/// Cuts a text off whose length stands before it as a base-128 number, lowest digits first.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0usize;
    for (n, byte) in bytes.iter().enumerate().take(4) {
        len |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return bytes.get(n + 1..)?.split_at_checked(len);
        }
    }
    None
}

fn is_fips(settings: &str) -> bool {
    let has = |key: &str, accepted: &[&str]| {
        settings
            .lines()
            .filter_map(|line| line.strip_prefix("build\t")?.split_once('='))
            .any(|(name, value)| name == key && accepted.contains(&value.trim_matches('"')))
    };
    has("CGO_ENABLED", &["1"])
        && (has("GOEXPERIMENT", FIPS_EXPERIMENTS) || has("microsoft_systemcrypto", &["1"]))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Builds a small 64-bit object with the given dynamic strings, with sections or without.
    pub(in crate::package) fn object(
        interpreter: Option<&str>,
        needed: &[&str],
        soname: Option<&str>,
        sections: bool,
    ) -> Vec<u8> {
        const HEADER: usize = 64;
        const SEGMENTS: usize = 3 * 56;
        let mut strings = vec![0];
        let mut intern = |text: &str| {
            let at = strings.len() as u64;
            strings.extend(text.bytes().chain([0]));
            at
        };
        let mut entries: Vec<(u64, u64)> =
            needed.iter().map(|name| (DT_NEEDED, intern(name))).collect();
        entries.extend(soname.map(|name| (DT_SONAME, intern(name))));
        let interpreter = interpreter.map(|path| format!("{path}\0")).unwrap_or_default();
        let strings_at = (HEADER + SEGMENTS + interpreter.len()) as u64;
        entries.extend([(DT_STRTAB, 0x1000 + strings_at), (DT_STRSZ, strings.len() as u64)]);
        entries.push((DT_NULL, 0));
        let dynamic_at = strings_at + strings.len() as u64;
        let dynamic_len = entries.len() as u64 * 16;
        let end = dynamic_at + dynamic_len;

        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(16, 0);
        bytes.extend([3, 0, 62, 0, 1, 0, 0, 0]);
        for word in [0, 64, if sections { end } else { 0 }] {
            bytes.extend(u64::to_le_bytes(word));
        }
        let section_count: u16 = if sections { 3 } else { 0 };
        bytes.extend([0; 4]);
        for half in [64, 56, 3, 64, section_count, 0] {
            bytes.extend(u16::to_le_bytes(half));
        }
        let interpreter_kind = if interpreter.is_empty() { 0 } else { PT_INTERP };
        for (kind, offset, len) in [
            (PT_LOAD, 0, end),
            (interpreter_kind, (HEADER + SEGMENTS) as u64, interpreter.len() as u64),
            (PT_DYNAMIC, dynamic_at, dynamic_len),
        ] {
            bytes.extend(kind.to_le_bytes());
            bytes.extend([5, 0, 0, 0]);
            for word in [offset, 0x1000 + offset, 0x1000 + offset, len, len, 1] {
                bytes.extend(u64::to_le_bytes(word));
            }
        }
        bytes.extend(interpreter.bytes());
        bytes.extend(&strings);
        for (tag, value) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        if sections {
            let mut section = |kind: u32, offset: u64, len: u64, link: u32| {
                bytes.extend([0; 4]);
                bytes.extend(kind.to_le_bytes());
                for word in [0, 0x1000 + offset, offset, len] {
                    bytes.extend(u64::to_le_bytes(word));
                }
                bytes.extend(link.to_le_bytes());
                bytes.extend([0; 4]);
                bytes.extend([0; 16]);
            };
            section(0, 0, 0, 0);
            section(3, strings_at, strings.len() as u64, 0);
            section(SHT_DYNAMIC, dynamic_at, dynamic_len, 1);
        }
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Option<Elf> {
        read(&Content::Memory(bytes)).unwrap()
    }

    #[test]
    fn sections_and_segments_tell_the_same() {
        let expected = Elf {
            interpreter: Some("/lib64/ld.so.2".to_owned()),
            needed: vec!["libc.so.6".to_owned(), "libm.so.6".to_owned()],
            sonames: vec!["libfoo.so.1".to_owned()],
            go_fips: false,
        };
        for sections in [false, true] {
            let bytes = object(
                Some("/lib64/ld.so.2"),
                &["libc.so.6", "libm.so.6"],
                Some("libfoo.so.1"),
                sections,
            );
            assert_eq!(read_bytes(&bytes), Some(expected.clone()), "sections: {sections}");
        }
        assert_eq!(read_bytes(&object(None, &[], None, true)), None);
        assert_eq!(read_bytes(b"#!/bin/sh"), None);
    }

    #[test]
    fn a_program_of_this_machine_is_read() {
        let Ok(bytes) = fs_err::read(std::env::current_exe().unwrap()) else { return };
        let elf = read_bytes(&bytes).unwrap();
        assert!(elf.interpreter.is_some_and(|path| path.starts_with('/')));
        assert!(elf.needed.iter().any(|name| name.starts_with("libc.")), "{:?}", elf.needed);
        assert_eq!(elf.sonames, Vec::<String>::new());
    }

    #[test]
    fn go_settings_are_understood() {
        assert!(is_fips("path\tx\nbuild\tCGO_ENABLED=1\nbuild\tGOEXPERIMENT=systemcrypto\n"));
        assert!(is_fips("build\tmicrosoft_systemcrypto=1\nbuild\tCGO_ENABLED=1\n"));
        assert!(!is_fips("build\tCGO_ENABLED=0\nbuild\tGOEXPERIMENT=boringcrypto\n"));
        assert!(!is_fips("build\tCGO_ENABLED=1\nbuild\tGOEXPERIMENT=rangefunc\n"));
        assert_eq!(counted(b"\x03abcd"), Some((b"abc".as_slice(), b"d".as_slice())));
        assert_eq!(counted(b"\x09abc"), None);
        assert_eq!(counted(b"\xff\xff\xff\xff\xff"), None);
    }

    proptest! {
        #[test]
        fn damaged_objects_are_survived(
            sections: bool,
            changes in proptest::collection::vec((0usize..700, any::<u8>()), 1..8),
            cut in 0usize..700,
        ) {
            let mut bytes = object(Some("/lib/ld.so"), &["libc.so.6"], Some("libx.so.1"), sections);
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            read_bytes(&bytes);
            bytes.truncate(cut);
            read_bytes(&bytes);
        }
    }
}
