//! The 512 bytes of a ustar header: where fields lie, how numbers are written.
//!
//! Beneath the stages, a part of `tar`. Knows nothing of PAX.

use std::ops::Range;

use super::BLOCK;

pub(super) const NAME: Range<usize> = 0..100;
pub(super) const MODE: Range<usize> = 100..108;
pub(super) const UID: Range<usize> = 108..116;
pub(super) const GID: Range<usize> = 116..124;
pub(super) const SIZE: Range<usize> = 124..136;
pub(super) const MTIME: Range<usize> = 136..148;
pub(super) const CHECKSUM: Range<usize> = 148..156;
pub(super) const TYPE: usize = 156;
pub(super) const LINK: Range<usize> = 157..257;
pub(super) const MAGIC: Range<usize> = 257..265;
pub(super) const UNAME: Range<usize> = 265..297;
pub(super) const GNAME: Range<usize> = 297..329;
pub(super) const MAJOR: Range<usize> = 329..337;
pub(super) const MINOR: Range<usize> = 337..345;
pub(super) const PREFIX: Range<usize> = 345..500;

/// POSIX's magic and version; GNU's is `ustar  \0` and has no prefix field.
pub(super) const POSIX_MAGIC: &[u8] = b"ustar\x0000";

/// A header.
pub(super) type Block = [u8; BLOCK];

/// Copies text into a field; `false` if there was no room, and then as much as fits is there.
pub(super) fn put_text(block: &mut Block, field: Range<usize>, text: &[u8]) -> bool {
    let room = field.len();
    let fits = text.len() <= room;
    let text = &text[..text.len().min(room)];
    block[field.start..field.start + text.len()].copy_from_slice(text);
    fits
}

/// Writes an octal number that fills its field but for a NUL; `false` if it did not fit, and then
/// a zero is there.
pub(super) fn put_number(block: &mut Block, field: Range<usize>, number: u64) -> bool {
    let digits = field.len() - 1;
    // Twelve bytes at most: 33 bits.
    let fits = number < 1 << (3 * digits);
    let text = format!("{:0digits$o}", if fits { number } else { 0 });
    put_text(block, field, text.as_bytes());
    fits
}

/// Writes the checksum, which is the last thing to be written.
pub(super) fn seal(block: &mut Block) {
    block[CHECKSUM].copy_from_slice(b"        ");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    put_text(block, CHECKSUM, format!("{sum:06o}\0 ").as_bytes());
}

/// Whether the checksum is right, summed up as unsigned bytes or (as old programs did) as signed.
pub(super) fn is_sealed(block: &Block) -> bool {
    let Some(wanted) = number(&block[CHECKSUM]) else { return false };
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (index, byte) in block.iter().enumerate() {
        let byte = if CHECKSUM.contains(&index) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    wanted == unsigned || wanted == signed
}

/// The text of a field, up to a NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number: octal with blanks or NULs around it (nothing at all is zero), or, where the first bit
/// is set, GNU's big-endian binary. `None` if it is neither or too large.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    match field.first()? {
        first if first & 0x80 != 0 => binary(field),
        _ => {
            let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
            let start = field.iter().position(|byte| !is_padding(byte));
            let Some(start) = start else { return Some(0) };
            let digits = text(&field[start..]).trim_ascii_end();
            let text = std::str::from_utf8(digits).ok()?;
            if text.starts_with('+') {
                return None;
            }
            i64::from_str_radix(text, 8).ok().filter(|number| *number >= 0)
        }
    }
}

fn binary(field: &[u8]) -> Option<i64> {
    let negative = field.first()? & 0x40 != 0;
    let mut value: i128 = if negative { -1 } else { 0 };
    for (index, byte) in field.iter().enumerate() {
        let byte = match (index, negative) {
            (0, false) => byte & 0x7f,
            _ => *byte,
        };
        // Twelve bytes fit.
        value = (value << 8) | i128::from(byte);
    }
    i64::try_from(value).ok()
}
