//! The output stream, measured on its way into stage 5: its digest, and how long it was waited for.
//!
//! Part of stage 4.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use sha2::Digest as _;

use crate::digest::Sha256;

/// Passes a stream on, byte for byte.
pub struct Metered<'a> {
    stream: &'a mut dyn Read,
    hasher: Option<sha2::Sha256>,
    waited: Duration,
    bytes: u64,
}

impl<'a> Metered<'a> {
    /// Measures a stream from here on; its digest takes time, and is computed only where asked for.
    pub fn new(stream: &'a mut dyn Read, digest: bool) -> Self {
        let hasher = digest.then(sha2::Sha256::new);
        Self { stream, hasher, waited: Duration::ZERO, bytes: 0 }
    }

    /// Reads what is left, and tells the digest of everything, the number of bytes, and for how
    /// long reading blocked.
    pub fn finish(mut self) -> io::Result<Measures> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Measures {
            digest: self.hasher.map(|hasher| Sha256(hasher.finalize().into())),
            bytes: self.bytes,
            waited: self.waited,
        })
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measures {
    /// SHA-256 of the stream, if it was asked for.
    pub digest: Option<Sha256>,
    /// Its length.
    pub bytes: u64,
    /// For how long reading blocked.
    pub waited: Duration,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = Instant::now();
        let count = self.stream.read(buffer)?;
        self.waited += before.elapsed();
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_all_bytes() {
        let mut bytes = &b"all of it"[..];
        let mut metered = Metered::new(&mut bytes, true);
        metered.read_exact(&mut [0; 3]).unwrap();
        let measures = metered.finish().unwrap();
        assert_eq!((measures.digest, measures.bytes), (Some(Sha256::of(b"all of it")), 9));
        let mut bytes = &b"all of it"[..];
        assert_eq!(Metered::new(&mut bytes, false).finish().unwrap().digest, None);
    }
}
