//! `linux:` provides and dependencies: kernel images and their modules.
//!
//! Part of stage 5. Modules compressed with xz or zstd are not looked into.

use std::io::{self, Read};

use super::{Fact, Generated, Passing, Scanner, Subject, is_below};
use crate::package::content::Content;

/// Where images lie, with everything below.
const IMAGES: &[&[u8]] = &[b"boot/", b"lib/modules/", b"usr/lib/modules/"];

/// Where modules lie, with everything below.
const MODULES: &[&[u8]] = &[b"lib/modules/", b"usr/lib/modules/"];

/// How much of a file is searched, once it is unpacked.
const MAX_SEARCH: u64 = 256 << 20;

/// How long a version line may be.
const MAX_LINE: usize = 1024;

const GZIP: &[u8] = b"\x1f\x8b\x08";

/// See the module.
pub struct Kernel;

impl Scanner for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn makes(&self) -> &'static str {
        "provides `linux:VERSION` for kernel images in `boot`, `lib/modules` and `usr/lib/modules`, and depends on it for kernel modules"
    }

    fn look(&self, file: &Passing<'_>) -> io::Result<Option<Fact>> {
        if !is_below(file.path, IMAGES) {
            return Ok(None);
        }
        if is_below(file.path, MODULES)
            && let Some(version) = line_in(&file.content, 0, file.content.len(), b"vermagic=")?
        {
            return Ok(Some(Fact::KernelModule(version)));
        }
        Ok(image_version(&file.content)?.map(Fact::Kernel))
    }

    fn generate(&self, package: &Subject<'_>, generated: &mut Generated) {
        for (path, file) in package.tree.files() {
            for fact in file.facts.iter() {
                match fact {
                    Fact::Kernel(version) if is_below(path, IMAGES) => {
                        generated.provides.insert(format!("linux:{version}"));
                    }
                    Fact::KernelModule(version) if is_below(path, MODULES) => {
                        generated.needs("linux", version);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The version of a kernel image: bare, compressed, with an x86 boot header, or in an EFI program
/// with a section `.linux`.
fn image_version(content: &Content<'_>) -> io::Result<Option<String>> {
    let (start, len) = linux_section(content)?.unwrap_or((0, content.len()));
    if let Some(version) = boot_header_version(content, start)? {
        return Ok(Some(version));
    }
    let marker = b"Linux version ";
    if let Some(version) = line_in(content, start, len, marker)? {
        return Ok(Some(version));
    }
    // A 32-bit Arm image unpacks itself: the compressed kernel stands somewhere inside.
    let Some(at) = find(&mut content.reader(start, len), GZIP)? else { return Ok(None) };
    line_in(content, start + at, len - at, marker)
}

/// The version in the header of an x86 image.
fn boot_header_version(content: &Content<'_>, start: u64) -> io::Result<Option<String>> {
    let header = content.range(start.saturating_add(514), 14)?;
    let pointer = match header.as_ref() {
        [b'H', b'd', b'r', b'S', .., low, high] => u64::from(u16::from_le_bytes([*low, *high])),
        _ => 0,
    };
    if pointer == 0 {
        return Ok(None);
    }
    let line = content.range(start + 0x200 + pointer, MAX_LINE)?;
    Ok(version_at_start(&line))
}

/// Where the section `.linux` of a PE file lies.
fn linux_section(content: &Content<'_>) -> io::Result<Option<(u64, u64)>> {
    let word = |bytes: &[u8], at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
    };
    let dos = content.range(0, 64)?;
    let Some(at) = word(&dos, 0x3c).filter(|_| dos.starts_with(b"MZ")) else { return Ok(None) };
    let coff = content.range(at, 24)?;
    let [b'P', b'E', 0, 0, _, _, sections_low, sections_high, ..] = coff.as_ref() else {
        return Ok(None);
    };
    let count = usize::from(u16::from_le_bytes([*sections_low, *sections_high]));
    let Some(&[optional_low, optional_high]) = coff.get(20..22) else { return Ok(None) };
    let optional = u64::from(u16::from_le_bytes([optional_low, optional_high]));
    let table = content.range(at + 24 + optional, count * 40)?;
    let found = table.chunks_exact(40).find(|section| section.starts_with(b".linux\0\0"));
    Ok(found.and_then(|section| word(section, 20).zip(word(section, 16))))
}

/// The version behind the first `marker` in a part of a file, which may be compressed with gzip.
fn line_in(
    content: &Content<'_>,
    start: u64,
    len: u64,
    marker: &[u8],
) -> io::Result<Option<String>> {
    let plain = content.reader(start, len.min(MAX_SEARCH));
    if content.range(start, GZIP.len())?.as_ref() != GZIP {
        return line_after(plain, marker);
    }
    let unpacked = flate2::read::GzDecoder::new(plain).take(MAX_SEARCH);
    // Damaged data says nothing. (Only one member: behind that of an Arm image stands other data.)
    Ok(line_after(unpacked, marker).unwrap_or_default())
}

fn line_after(mut from: impl Read, marker: &[u8]) -> io::Result<Option<String>> {
    let mut window = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut chunk)?;
        window.extend_from_slice(&chunk[..count]);
        if let Some(at) = position(&window, marker) {
            let mut line = window.split_off(at + marker.len());
            from.take(MAX_LINE as u64).read_to_end(&mut line)?;
            return Ok(version_at_start(&line));
        }
        if count == 0 {
            return Ok(None);
        }
        window.drain(..window.len().saturating_sub(marker.len() - 1));
    }
}

/// Where some bytes stand in a stream.
fn find(from: &mut impl Read, wanted: &[u8]) -> io::Result<Option<u64>> {
    let mut window = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    let mut passed = 0;
    loop {
        let count = from.read(&mut chunk)?;
        window.extend_from_slice(&chunk[..count]);
        if let Some(at) = position(&window, wanted) {
            return Ok(Some(passed + at as u64));
        }
        if count == 0 {
            return Ok(None);
        }
        let done = window.len().saturating_sub(wanted.len() - 1);
        window.drain(..done);
        passed += done as u64;
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut at = 0;
    while let Some(next) = bytes.get(at..)?.iter().position(|byte| byte == first) {
        if bytes[at + next..].starts_with(wanted) {
            return Some(at + next);
        }
        at += next + 1;
    }
    None
}

/// The version that a line begins with.
fn version_at_start(line: &[u8]) -> Option<String> {
    let text: String = line
        .iter()
        .skip_while(|byte| byte.is_ascii_whitespace() && **byte != b'\n')
        .map(|byte| char::from(*byte))
        .take_while(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c))
        .collect();
    (!text.is_empty() && text.len() < MAX_LINE).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::testing::{Item, run, text};
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The marker across the border of two chunks.
    fn bare() -> Vec<u8> {
        let mut bytes = vec![b'x'; (64 << 10) - 5];
        bytes.extend(b"Linux version 6.12.57-demo (someone@somewhere) SMP\n");
        bytes
    }

    fn with_boot_header() -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        bytes[514..518].copy_from_slice(b"HdrS");
        bytes[526..528].copy_from_slice(&0x100u16.to_le_bytes());
        bytes[0x300..0x310].copy_from_slice(b"6.1.2-x86 (me)\0\0");
        bytes
    }

    fn in_efi_program(image: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 64;
        bytes.extend(b"PE\0\0\x64\x86\x01\0");
        bytes.extend([0; 16]);
        bytes.extend(b".linux\0\0");
        bytes.extend([0; 8]);
        bytes.extend((image.len() as u32).to_le_bytes());
        bytes.extend(128u32.to_le_bytes());
        bytes.extend([0; 16]);
        assert_eq!(bytes.len(), 128);
        bytes.extend(image);
        bytes
    }

    #[test]
    fn images_are_understood() {
        let arm = [b"code that unpacks".as_slice(), &gzip(&bare()), b"a footer"].concat();
        for (image, version) in [
            (bare(), "6.12.57-demo"),
            (gzip(&bare()), "6.12.57-demo"),
            (arm, "6.12.57-demo"),
            (with_boot_header(), "6.1.2-x86"),
            (in_efi_program(&with_boot_header()), "6.1.2-x86"),
            (in_efi_program(&gzip(&bare())), "6.12.57-demo"),
        ] {
            let found = image_version(&Content::Memory(&image)).unwrap();
            assert_eq!(found.as_deref(), Some(version));
        }
        for junk in [b"".as_slice(), b"MZ", b"\x1f\x8b\x08", b"Linux version \n1"] {
            assert_eq!(image_version(&Content::Memory(junk)).unwrap(), None, "{junk:?}");
        }
    }

    #[test]
    fn images_provide_and_modules_need() {
        let (image, module) = (bare(), b"\0vermagic=6.12.57-demo SMP mod_unload\0".as_slice());
        let items = [
            ("boot/config", Item::Text(b"CONFIG=y")),
            ("boot/vmlinuz", Item::Text(&image)),
            ("usr/bin/vmlinuz", Item::Text(&image)),
        ];
        assert_eq!(text(&run(&Kernel, &items, &[])), "provides linux:6.12.57-demo\n");
        let compressed = gzip(module);
        for module in [module, &compressed] {
            let items = [("usr/lib/modules/6.12.57-demo/x.ko", Item::Text(module))];
            assert_eq!(text(&run(&Kernel, &items, &[])), "depend linux:6.12.57-demo\n");
        }
    }
}
