//! SHA-1 and SHA-256 digests, and a writer that computes them on the way.
//!
//! A leaf: knows nothing of stages or formats.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use sha1::Digest as _;

/// A SHA-256 digest. `Display` is lowercase hex without a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

/// A SHA-1 digest, which apk uses as an identity. `Display` is lowercase hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha1(pub [u8; 20]);

/// The text was not a digest in lowercase hex.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a digest of {1} hex digits")]
pub struct BadDigest(pub String, pub usize);

impl Sha256 {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// OCI's form: `sha256:` and 64 hex digits.
    pub fn oci(&self) -> String {
        format!("sha256:{self}")
    }
}

impl Sha1 {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha1::Sha1::digest(bytes).into())
    }
}

/// Lowercase hex of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex<const N: usize>(text: &str) -> Result<[u8; N], BadDigest> {
    let bad = || BadDigest(text.to_owned(), N * 2);
    if text.len() != N * 2 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
    }
    Ok(bytes)
}

macro_rules! digest_traits {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = BadDigest;

            fn from_str(text: &str) -> Result<Self, BadDigest> {
                unhex(text).map(Self)
            }
        }
    };
}

digest_traits!(Sha256);
digest_traits!(Sha1);

/// Passes bytes on and computes their SHA-256 and their number.
pub struct Sha256Writer<W> {
    inner: W,
    hasher: sha2::Sha256,
    written: u64,
}

impl<W: Write> Sha256Writer<W> {
    /// Wraps a writer.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: sha2::Sha256::new(), written: 0 }
    }

    /// The writer, the digest of what went through, and how many bytes that was.
    pub fn finish(self) -> (W, Sha256, u64) {
        (self.inner, Sha256(self.hasher.finalize().into()), self.written)
    }
}

impl<W: Write> Write for Sha256Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_and_written() {
        let digest = Sha256::of(b"");
        assert_eq!(
            digest.to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(digest.to_string().parse::<Sha256>().unwrap(), digest);
        assert!("e3b0".parse::<Sha256>().is_err());
        assert!("é".repeat(20).parse::<Sha1>().is_err());
    }

    #[test]
    fn the_writer_sees_every_byte() {
        let mut writer = Sha256Writer::new(Vec::new());
        writer.write_all(b"ab").unwrap();
        writer.write_all(b"c").unwrap();
        let (bytes, digest, count) = writer.finish();
        assert_eq!((bytes.as_slice(), count), (b"abc".as_slice(), 3));
        assert_eq!(digest, Sha256::of(b"abc"));
    }
}
