//! Reading apks: cutting the gzip members apart, verifying signature and data hash.
//!
//! Beneath the stages. An apk is two or three gzip members: signature (if it is signed), control,
//! data. Opening one reads the first two, which have limits; the data segment is only ever
//! streamed. Whose keys are trusted is the caller's decision.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::key::{Algorithm, KeyRing, Message};
use super::pkginfo::PkgInfo;
use super::tar::{Kind, Reader};
use super::{Error, gzip};
use crate::digest::{Sha1, Sha256Writer};

/// The most that a signature or control segment may have, unpacked. A control segment holds
/// `.PKGINFO`, scripts and a recipe.
const MAX_CONTROL: u64 = 64 << 20;

/// The most signatures that are looked at.
const MAX_SIGNATURES: usize = 16;

/// The most that one signature may have: an RSA key of 16384 bits makes 2 KiB.
const MAX_SIGNATURE: u64 = 16 << 10;

/// A signature found in a package or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The public key's file name.
    pub key: String,
    /// How it was made.
    pub algorithm: Algorithm,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// A package on disk, its control segment read.
#[derive(Clone, Debug)]
pub struct Apk {
    /// The file.
    pub path: PathBuf,
    /// Bytes of the whole file.
    pub size: u64,
    /// The signatures, none if it is not signed.
    pub signatures: Vec<Signature>,
    /// The control segment, compressed as it stands.
    pub control: Vec<u8>,
    /// What the index calls `C:Q1…`: SHA-1 of the compressed control segment.
    pub identity: Sha1,
    /// `.PKGINFO`
    pub info: PkgInfo,
    /// The other files of the control segment: name and content.
    pub control_files: Vec<(String, Vec<u8>)>,
    /// Where the compressed data segment begins; it goes to the end of the file.
    pub data_offset: u64,
    /// The time of `.PKGINFO` in the control segment, seconds since 1970.
    pub mtime: i64,
}

impl Apk {
    /// Opens a package and reads all but its data. Limits guard against decompression bombs.
    ///
    /// # Errors
    /// `Malformed`, with the path, if the file is not two or three gzip members of the right
    /// content, or has no data segment.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = fs_err::File::open(path)?;
        let size = file.metadata()?.len();
        let read = Self::read(path, size, &mut BufReader::new(file));
        read.map_err(|error| match content_problem(error) {
            Ok(problem) => malformed(format!("`{}`: {problem}", path.display())),
            Err(error) => error,
        })
    }

    fn read(path: &Path, size: u64, reader: &mut impl io::BufRead) -> Result<Self, Error> {
        let mut first = gzip::read_member(reader, MAX_CONTROL)?;
        let mut data_offset = first.compressed.len() as u64;
        let signatures = signatures(&first.content)?;
        if let Some(signatures) = &signatures {
            if signatures.len() > MAX_SIGNATURES {
                return Err(malformed(format!("it has more than {MAX_SIGNATURES} signatures")));
            }
            first = gzip::read_member(reader, MAX_CONTROL)?;
            data_offset += first.compressed.len() as u64;
        }
        let (info, mtime, control_files) = control(&first.content)?;
        if data_offset >= size {
            return Err(malformed("there is no data segment"));
        }
        Ok(Self {
            path: path.to_owned(),
            size,
            signatures: signatures.unwrap_or_default(),
            identity: Sha1::of(&first.compressed),
            control: first.compressed,
            info,
            control_files,
            data_offset,
            mtime,
        })
    }

    /// Verifies that one of the signatures was made by a key of the ring, and names the key.
    ///
    /// This covers the control segment; the data segment is covered by [`Apk::verify_data`].
    pub fn verify_signature(&self, keys: &KeyRing) -> Result<&str, Error> {
        let name = self.path.display();
        any_fits(&self.signatures, keys, &Message::new(&self.control))
            .map(|signature| signature.key.as_str())
            .map_err(|problem| Error::Untrusted(format!("`{name}` is not trusted: {problem}")))
    }

    /// Verifies the data segment against `datahash`.
    pub fn verify_data(&self) -> Result<(), Error> {
        let name = self.path.display();
        let Some(wanted) = self.info.datahash else {
            let problem = format!("`{name}` has no `datahash`, so its data can't be verified");
            return Err(Error::Untrusted(problem));
        };
        let mut writer = Sha256Writer::new(io::sink());
        io::copy(&mut self.data()?, &mut writer)?;
        let (_, found, _) = writer.finish();
        if found == wanted {
            return Ok(());
        }
        let problem = format!("the data of `{name}` is damaged: SHA-256 {found}, not {wanted}");
        Err(Error::Untrusted(problem))
    }

    /// The compressed data segment.
    pub fn data(&self) -> Result<impl Read + use<>, Error> {
        Ok(BufReader::with_capacity(128 << 10, self.data_file()?))
    }

    /// The entries of the data segment.
    pub fn entries(&self) -> Result<Reader<impl Read + use<>>, Error> {
        let data = BufReader::with_capacity(128 << 10, self.data_file()?);
        // Foreign packages may have several members here.
        Ok(Reader::new(flate2::bufread::MultiGzDecoder::new(data)))
    }

    /// The file, at the data segment.
    pub(super) fn data_file(&self) -> Result<File, Error> {
        let mut file = fs_err::File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.data_offset))?;
        Ok(file.into_parts().0)
    }
}

/// What is wrong with the content that was read, or the error back if it is about something else.
fn content_problem(error: Error) -> Result<String, Error> {
    match error {
        Error::Malformed { what: "apk", problem } => Ok(problem),
        error @ Error::Malformed { .. } => Ok(error.to_string()),
        Error::Io(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof => Ok("it is cut short".to_owned()),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Ok(error.to_string()),
            _ => Err(error.into()),
        },
        error => Err(error),
    }
}

fn malformed(problem: impl Into<String>) -> Error {
    Error::Malformed { what: "apk", problem: problem.into() }
}

/// The signatures in a member's content, `None` if that is not a signature member. Those of
/// algorithms that are not supported are passed over.
pub(super) fn signatures(content: &[u8]) -> Result<Option<Vec<Signature>>, Error> {
    let mut reader = Reader::new(content);
    let mut signatures = Vec::new();
    let mut found = false;
    while let Some(header) = reader.next_entry()? {
        let name = header.display_path();
        if !name.starts_with(".SIGN.") {
            // What follows the signatures of one archive is not signed by them.
            return if found { Err(malformed("a signature beside other files")) } else { Ok(None) };
        }
        found = true;
        let Some((algorithm, key)) = Algorithm::of_entry(&name) else { continue };
        if header.size > MAX_SIGNATURE {
            return Err(malformed(format!("`{name}` is too long for a signature")));
        }
        let mut bytes = Vec::new();
        reader.content().read_to_end(&mut bytes)?;
        signatures.push(Signature { key: key.to_owned(), algorithm, bytes });
    }
    Ok(found.then_some(signatures))
}

/// The first signature of `message` that fits a key of the ring, or why there is none.
pub(super) fn any_fits<'a>(
    signatures: &'a [Signature],
    keys: &KeyRing,
    message: &Message<'_>,
) -> Result<&'a Signature, String> {
    let mut problems = Vec::new();
    for signature in signatures.iter().take(MAX_SIGNATURES) {
        let (key, algorithm) = (&signature.key, signature.algorithm);
        match keys.verify_message(key, algorithm, message, &signature.bytes) {
            Ok(()) => return Ok(signature),
            Err(error) => problems.push(error.to_string()),
        }
    }
    match problems.is_empty() {
        true => Err("it is not signed".to_owned()),
        false => Err(problems.join("; ")),
    }
}

type ControlFiles = Vec<(String, Vec<u8>)>;

/// `.PKGINFO`, its time, and the other files of a control segment.
fn control(content: &[u8]) -> Result<(PkgInfo, i64, ControlFiles), Error> {
    let mut reader = Reader::new(content);
    let (mut info, mut files) = (None, Vec::new());
    while let Some(header) = reader.next_entry()? {
        if header.kind != Kind::File {
            continue;
        }
        let mut bytes = Vec::new();
        reader.content().read_to_end(&mut bytes)?;
        match header.display_path() {
            name if name != ".PKGINFO" => files.push((name, bytes)),
            // Two of them could tell different readers different things.
            _ if info.is_some() => return Err(malformed("two `.PKGINFO` files")),
            _ => info = Some((PkgInfo::parse(&String::from_utf8_lossy(&bytes))?, header.mtime)),
        }
    }
    let (info, mtime) = info.ok_or_else(|| malformed("there is no `.PKGINFO`"))?;
    Ok((info, mtime, files))
}

#[cfg(test)]
mod tests;
