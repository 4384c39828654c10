//! Layers written by us: packages' entries rewritten, and the last layer.
//!
//! Beneath the stages. A layer is one tar in one gzip member, the same bytes everywhere. Packages
//! are streamed: memory does not grow with them. What is in a layer was decided before
//! ([`super::layers`], [`super::overlay`]).

use std::collections::HashMap;
use std::io::{self, Read, Seek as _, SeekFrom, Write};

use flate2::read::MultiGzDecoder;

use super::install::Member;
use super::layers::Piece;
use super::oci::Layer;
use super::store::{NewBlob, Store};
use super::tree::{Body, Node, Source};
use super::{Error, package_error};
use crate::apk::reader::Apk;
use crate::apk::tar::{Header, Kind, Reader, Writer};
use crate::apk::{self, gzip};
use crate::digest::{Sha256, Sha256Writer};

/// Raised with every change of how layers are written: part of a layer's identity.
const FORMAT: &str = "melange2 layer 1";

/// The identity of a rewritten layer: what it is made of and where each entry goes.
pub(super) fn identity(members: &[Member<'_>], pieces: &[Piece]) -> Sha256 {
    use std::fmt::Write as _;
    let mut text = FORMAT.to_owned();
    let mut line = |kind: &str, path: &[u8], of: Option<(usize, usize)>, rest: String| {
        let of = of.map(|(package, entry)| (members[package].contents.layer.digest, entry));
        let _ = write!(text, "\n{kind} {} {of:?} {rest}", crate::digest::hex(path));
    };
    for piece in pieces {
        match piece {
            Piece::Directory { path, mode, uid, gid, of } => {
                line("directory", path, *of, format!("{mode:o} {uid} {gid}"));
            }
            Piece::Entry { path, package, entry } => {
                line("entry", path, Some((*package, *entry)), String::new());
            }
            Piece::Link { path, target, package, entry } => {
                line("link", path, Some((*package, *entry)), crate::digest::hex(target));
            }
        }
    }
    Sha256::of(text.as_bytes())
}

type Tar<'a> = Writer<Sha256Writer<gzip::Encoder<Sha256Writer<&'a mut NewBlob>>>>;

fn write_layer(
    store: &Store,
    write: impl FnOnce(&mut Tar<'_>) -> Result<(), Error>,
) -> Result<Layer, Error> {
    let mut blob = store.new_blob()?;
    let encoder = gzip::Encoder::new(Sha256Writer::new(&mut blob), 0);
    let mut tar = Writer::new(Sha256Writer::new(encoder));
    write(&mut tar)?;
    let (encoder, diff_id, _) = tar.finish().map_err(own_tar)?.finish();
    let (_, digest, size) = encoder.finish()?.finish();
    store.finish_blob(blob, &digest)?;
    Ok(Layer { digest, size, diff_id })
}

/// Our own archive can only fail to be written.
fn own_tar(error: apk::Error) -> Error {
    match error {
        apk::Error::Io(error) => Error::Io(error),
        other => Error::Invalid(format!("failed to write a layer: {other}")),
    }
}

/// A package's archive, read forwards.
struct Archive<'a> {
    apk: &'a Apk,
    reader: Reader<Box<dyn Read>>,
    /// The number of the next entry.
    next: usize,
}

impl<'a> Archive<'a> {
    fn open(apk: &'a Apk) -> Result<Self, Error> {
        let data = apk.data().map_err(|error| package_error(apk, error))?;
        let data: Box<dyn Read> = Box::new(MultiGzDecoder::new(data));
        Ok(Self { apk, reader: Reader::new(data), next: 0 })
    }

    /// Goes forward to an entry; its content can then be read.
    fn seek(&mut self, entry: usize) -> Result<Header, Error> {
        loop {
            let header =
                self.reader.next_entry().map_err(|error| package_error(self.apk, error))?;
            let Some(header) = header else {
                let text = format!("`{}` changed while it was read", self.apk.path.display());
                return Err(Error::Io(io::Error::new(io::ErrorKind::InvalidData, text)));
            };
            self.next += 1;
            if self.next > entry {
                return Ok(header);
            }
        }
    }
}

/// Writes a layer from packages' entries.
pub(super) fn rewritten(store: &Store, apks: &[Apk], pieces: &[Piece]) -> Result<Layer, Error> {
    write_layer(store, |tar| {
        let mut archive: Option<(usize, Archive<'_>)> = None;
        for piece in pieces {
            let of = match piece {
                Piece::Directory { of, .. } => *of,
                Piece::Entry { package, entry, .. } => Some((*package, *entry)),
                Piece::Link { .. } => None,
            };
            let source = match of {
                Some((package, entry)) => {
                    let archive = open(&mut archive, apks, package)?;
                    Some((archive.seek(entry)?, archive))
                }
                None => None,
            };
            match source {
                Some((header, archive)) => {
                    let header = placed(header, piece);
                    append(tar, &header, &mut archive.reader.content())?;
                }
                None => append(tar, &made(piece), &mut io::empty())?,
            }
        }
        Ok(())
    })
}

fn append(tar: &mut Tar<'_>, header: &Header, content: &mut dyn Read) -> Result<(), Error> {
    tar.append(header, content).map_err(own_tar)
}

/// The archive of a package; pieces are in the order of packages.
fn open<'a, 'b>(
    current: &'b mut Option<(usize, Archive<'a>)>,
    apks: &'a [Apk],
    package: usize,
) -> Result<&'b mut Archive<'a>, Error> {
    if current.as_ref().is_none_or(|(number, _)| *number != package) {
        *current = None;
    }
    match current {
        Some((_, archive)) => Ok(archive),
        None => Ok(&mut current.insert((package, Archive::open(&apks[package])?)).1),
    }
}

/// A package's header at the place where its entry came to lie.
fn placed(header: Header, piece: &Piece) -> Header {
    match piece {
        Piece::Directory { path, mode, uid, gid, .. } => {
            Header { path: path.clone(), mode: *mode, uid: *uid, gid: *gid, ..header }
        }
        Piece::Entry { path, .. } | Piece::Link { path, .. } => {
            Header { path: path.clone(), ..header }
        }
    }
}

/// The header of a piece that no package has like that.
fn made(piece: &Piece) -> Header {
    match piece {
        Piece::Directory { path, mode, uid, gid, .. } => {
            Header { uid: *uid, gid: *gid, ..header(path, Kind::Directory, *mode) }
        }
        Piece::Link { path, target, .. } => {
            Header { link: target.clone(), ..header(path, Kind::HardLink, 0o644) }
        }
        Piece::Entry { path, .. } => header(path, Kind::File, 0o644),
    }
}

fn header(path: &[u8], kind: Kind, mode: u32) -> Header {
    Header { mode, ..Header::new(path, kind) }
}

/// Content of packages' files that the last layer repeats, in a temporary file.
struct Spool {
    file: std::fs::File,
    /// Where each content begins, and the header it had.
    found: HashMap<(usize, usize), (u64, Header)>,
}

impl Spool {
    fn fill(apks: &[Apk], nodes: &[(&[u8], &Node)]) -> Result<Self, Error> {
        let mut wanted: Vec<(usize, usize)> = nodes
            .iter()
            .filter_map(|(_, node)| match &node.body {
                Body::File(Source::Package { package, entry }) => Some((*package, *entry)),
                _ => None,
            })
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut spool = Self { file: tempfile::tempfile()?, found: HashMap::new() };
        let mut archive = None;
        for (package, entry) in wanted {
            let archive = open(&mut archive, apks, package)?;
            let header = archive.seek(entry)?;
            let start = spool.file.stream_position()?;
            io::copy(&mut archive.reader.content(), &mut spool.file)?;
            spool.found.insert((package, entry), (start, header));
        }
        spool.file.flush()?;
        Ok(spool)
    }

    fn get(&mut self, source: (usize, usize)) -> io::Result<Option<(Header, impl Read + '_)>> {
        let Some((start, header)) = self.found.get(&source) else { return Ok(None) };
        self.file.seek(SeekFrom::Start(*start))?;
        Ok(Some((header.clone(), (&self.file).take(header.size))))
    }
}

/// Writes the last layer: these nodes, in this order.
///
/// Everything has the time 0, except packages' files, which keep theirs.
pub(super) fn last(store: &Store, apks: &[Apk], nodes: &[(&[u8], &Node)]) -> Result<Layer, Error> {
    let mut spool = Spool::fill(apks, nodes)?;
    let mut names: HashMap<(usize, usize), &[u8]> = HashMap::new();
    write_layer(store, |tar| {
        for (path, node) in nodes {
            let kind = match &node.body {
                Body::Directory => Kind::Directory,
                Body::File(_) => Kind::File,
                Body::Symlink(_) => Kind::Symlink,
                Body::Special(kind) => *kind,
            };
            let mut entry = header(path, kind, node.mode);
            (entry.uid, entry.gid) = (node.uid, node.gid);
            match &node.body {
                Body::File(Source::Own(content)) => {
                    entry.size = content.len() as u64;
                    append(tar, &entry, &mut &content[..])?;
                }
                Body::File(Source::Package { package, entry: number }) => {
                    let source = (*package, *number);
                    if let Some(first) = names.get(&source) {
                        entry.kind = Kind::HardLink;
                        entry.link = first.to_vec();
                        append(tar, &entry, &mut io::empty())?;
                    } else if let Some((found, mut content)) = spool.get(source)? {
                        let Header { size, mtime, pax, .. } = found;
                        append(tar, &Header { size, mtime, pax, ..entry }, &mut content)?;
                        names.insert(source, path);
                    }
                }
                Body::Symlink(target) => {
                    entry.link.clone_from(target);
                    append(tar, &entry, &mut io::empty())?;
                }
                Body::Directory | Body::Special(_) => append(tar, &entry, &mut io::empty())?,
            }
        }
        Ok(())
    })
}
