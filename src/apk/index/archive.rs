//! `APKINDEX.tar.gz`: `[signature] index`, both gzip members.
//!
//! Beneath the stages, a part of `index`. What is verified is exactly what is unpacked: everything
//! after the signature's member.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use crate::apk::key::{KeyRing, Message, Signer};
use crate::apk::reader::{Signature, any_fits, signatures};
use crate::apk::tar::{Reader, Writer};
use crate::apk::writer::{append_root, signature_member};
use crate::apk::{Error, gzip};
use crate::digest::Sha256;

/// The most that an index may have, unpacked: some 600,000 packages.
const MAX_INDEX: u64 = 512 << 20;

/// The most that the signature's member may have, unpacked.
const MAX_SIGNATURES: u64 = 1 << 20;

/// How much of a text is handed out at once: what fits the processor's caches, and what the
/// allocator takes from memory that was used before.
const PIECE: usize = 64 << 10;

/// What is in an index's archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// The `DESCRIPTION` file, empty if there is none.
    pub description: String,
    /// The `APKINDEX` file.
    pub text: String,
}

/// The bytes of an unsigned archive.
pub(super) fn pack(description: &str, text: &str) -> Result<Vec<u8>, Error> {
    let mut tar = Writer::new(gzip::Encoder::new(Vec::new(), 1));
    append_root(&mut tar, "DESCRIPTION", 0o644, description.as_bytes(), 0)?;
    append_root(&mut tar, "APKINDEX", 0o644, text.as_bytes(), 0)?;
    Ok(tar.finish()?.finish()?)
}

/// Unpacks `APKINDEX.tar.gz`; does not look at signatures. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// `Malformed` if it is not an index, or if it has more than 512 MiB.
pub fn unpack(archive: &[u8]) -> Result<Unpacked, Error> {
    let mut unpacked = Unpacked::default();
    read_files(archive, |file, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        match file {
            File::Description => unpacked.description = text,
            File::Text => unpacked.text = text,
        }
        Ok(())
    })?;
    Ok(unpacked)
}

/// Unpacks the `APKINDEX` file alone, as it stands, and hands it out in pieces while the rest is
/// still packed. What was handed out counts only if this succeeds.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_text(archive: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), Error> {
    let mut piece = vec![0; PIECE];
    read_files(archive, |file, content| {
        if file == File::Description {
            return Ok(());
        }
        loop {
            match content.read(&mut piece)? {
                0 => return Ok(()),
                count => take(piece.get(..count).unwrap_or_default()),
            }
        }
    })
}

/// The files that an index's archive has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum File {
    Description,
    Text,
}

/// Reads an archive to its end; `take` gets each of the files, once.
fn read_files(
    archive: &[u8],
    mut take: impl FnMut(File, &mut dyn Read) -> std::io::Result<()>,
) -> Result<(), Error> {
    let (_, index) = split(archive)?;
    // One byte more than allowed, to tell the end from the limit.
    let content = MultiGzDecoder::new(index).take(MAX_INDEX + 1);
    let mut reader = Reader::new(content);
    let mut seen = Vec::new();
    while let Some(header) = reader.next_entry().map_err(read_error)? {
        let file = match header.path.as_slice() {
            b"DESCRIPTION" => File::Description,
            b"APKINDEX" => File::Text,
            _ => continue,
        };
        if header.size > MAX_INDEX {
            return Err(malformed(format!("`{}` is too long", header.display_path())));
        }
        if seen.contains(&file) {
            return Err(malformed(format!("it has two files `{}`", header.display_path())));
        }
        seen.push(file);
        take(file, &mut reader.content()).map_err(|error| read_error(error.into()))?;
    }
    // To the end, where the checksum is.
    let mut content = reader.into_inner();
    std::io::copy(&mut content, &mut std::io::sink()).map_err(|error| read_error(error.into()))?;
    if content.limit() == 0 {
        return Err(malformed(format!("it has more than {MAX_INDEX} bytes")));
    }
    if !seen.contains(&File::Text) {
        return Err(malformed("there is no `APKINDEX`"));
    }
    Ok(())
}

/// Whether the archive has a signature (of whatever worth).
pub fn is_signed(archive: &[u8]) -> Result<bool, Error> {
    Ok(split(archive)?.0.is_some())
}

/// Signs an archive; signatures that it has are replaced, the index itself stays as it is.
pub fn sign(archive: &[u8], signer: &Signer) -> Result<Vec<u8>, Error> {
    let (_, index) = split(archive)?;
    let mut signed = signature_member(signer, index, 0)?;
    signed.extend_from_slice(index);
    Ok(signed)
}

/// Verifies `APKINDEX.tar.gz`: one of its signatures was made by a key of the ring, whose name is
/// returned. An index without signature is an error.
pub fn verify(archive: &[u8], keys: &KeyRing) -> Result<String, Error> {
    Opened::new(archive)?.verify(keys)
}

/// An archive whose signatures were read, and the index not yet.
#[derive(Debug)]
pub struct Opened<'a> {
    signatures: Vec<Signature>,
    index: Message<'a>,
}

impl<'a> Opened<'a> {
    /// Reads the signatures.
    ///
    /// # Errors
    /// `Malformed` if the archive does not begin as an index does.
    pub fn new(archive: &'a [u8]) -> Result<Self, Error> {
        let (signatures, index) = split(archive)?;
        Ok(Self { signatures: signatures.unwrap_or_default(), index: Message::new(index) })
    }

    /// As [`verify()`].
    pub fn verify(&self, keys: &KeyRing) -> Result<String, Error> {
        any_fits(&self.signatures, keys, &self.index)
            .map(|signature| signature.key.clone())
            .map_err(|problem| Error::Untrusted(format!("the index is not trusted: {problem}")))
    }

    /// The digest of what signatures are made over and what is unpacked: the archive without its
    /// signatures. Verifying takes the same digest, so it is computed once.
    pub fn digest(&self) -> Sha256 {
        self.index.sha256()
    }
}

/// The signatures, `None` if it is not signed, and the index without them.
fn split(archive: &[u8]) -> Result<(Option<Vec<Signature>>, &[u8]), Error> {
    // Only the beginning is unpacked: a signature's member is small, an index's need not be.
    let mut beginning = Vec::new();
    flate2::bufread::GzDecoder::new(archive)
        .take(6)
        .read_to_end(&mut beginning)
        .map_err(|error| read_error(error.into()))?;
    if beginning != b".SIGN." {
        return Ok((None, archive));
    }
    let mut rest = archive;
    let member =
        gzip::read_member(&mut rest, MAX_SIGNATURES).map_err(|error| read_error(error.into()))?;
    Ok((signatures(&member.content).map_err(read_error)?, rest))
}

fn malformed(problem: impl Into<String>) -> Error {
    Error::Malformed { what: "index", problem: problem.into() }
}

/// Reading from memory fails only because of what is read.
fn read_error(error: Error) -> Error {
    match error {
        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            malformed("it is cut short")
        }
        Error::Io(error) => malformed(error.to_string()),
        Error::Malformed { what: "index" | "apk", problem } => malformed(problem),
        error @ Error::Malformed { .. } => malformed(error.to_string()),
        error => error,
    }
}
