//! The output stream, taken apart: each package's data segment is written while it arrives.
//!
//! Part of stage 5. The stream is a tar archive with one directory per package at its top, in
//! archive order (see `tree::compare_paths`). Whatever is not in order, double, or does not belong
//! to a package is an error: then it is not the stream that our own spec makes.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use super::content::Spool;
use super::owners::Owners;
use super::segment::{Segment, SegmentWriter};
use super::tree::shown;
use super::{Error, Options};
use crate::apk::tar::{Header, Kind, Reader};
use crate::plan::Plan;

/// Bytes of each of the two blocks that mark the end of a tar archive.
const MARKER_BLOCK: u64 = 512;

/// Reads the whole stream; returns a segment for each package of the plan, in its order. A package
/// that the stream does not have is empty. Temporary files lie in `staging`.
pub fn receive(
    plan: &Plan,
    stream: &mut dyn Read,
    options: &Options<'_>,
    staging: &Path,
) -> Result<Vec<Segment>, Error> {
    let mut receiver = Receiver {
        plan,
        options,
        staging,
        owners: Owners::of(&plan.environment),
        spool: Spool::new(staging.to_owned()),
        open: None,
        done: plan.packages.iter().map(|_| None).collect(),
        started: BTreeSet::new(),
    };
    let broken = Cell::new(false);
    let watched = Watched { inner: stream, broken: &broken };
    read_all(&mut receiver, watched).map_err(|error| match error {
        Error::Stream(_) => error,
        // Whatever followed from it, this is what the user has to look after.
        _ if broken.get() => Error::Stream(format!("breaks off: {error}")),
        _ => error,
    })?;
    receiver.finish()
}

/// Reads entries up to the end of the stream.
fn read_all(receiver: &mut Receiver<'_>, stream: Watched<'_>) -> Result<(), Error> {
    let mut reader = Reader::new(stream);
    let mut last = Vec::new();
    while let Some(header) = reader.next_entry().map_err(|error| unreadable(error, &last))? {
        last.clone_from(&header.path);
        receiver.entry(header, &mut reader.content())?;
    }
    // The reader stops after the first of the two blocks of the end marker. A stream that was cut
    // between two entries looks complete but for this.
    let rest = io::copy(&mut reader.into_inner(), &mut io::sink())?;
    if rest < MARKER_BLOCK {
        return Err(Error::Stream("ends before its end marker".to_owned()));
    }
    Ok(())
}

/// Remembers whether a stream has failed or ended, to tell its failures from those of the disk.
struct Watched<'a> {
    inner: &'a mut dyn Read,
    broken: &'a Cell<bool>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let outcome = self.inner.read(buffer);
        let is_retried = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
        match &outcome {
            Ok(0) if !buffer.is_empty() => self.broken.set(true),
            Err(error) if !is_retried(error) => self.broken.set(true),
            _ => {}
        }
        outcome
    }
}

/// Says where in the stream something is that no archive of ours holds, such as a socket.
fn unreadable(error: crate::apk::Error, last: &[u8]) -> Error {
    match error {
        crate::apk::Error::Malformed { problem, .. } if !last.is_empty() => {
            Error::Stream(format!("holds, after `{}`, {problem}", shown(last)))
        }
        other => other.into(),
    }
}

struct Receiver<'a> {
    plan: &'a Plan,
    options: &'a Options<'a>,
    staging: &'a Path,
    owners: Owners,
    spool: Spool,
    /// The package whose files are arriving.
    open: Option<(usize, SegmentWriter)>,
    done: Vec<Option<Segment>>,
    started: BTreeSet<usize>,
}

impl Receiver<'_> {
    fn entry(&mut self, mut header: Header, content: &mut dyn Read) -> Result<(), Error> {
        let path = std::mem::take(&mut header.path);
        let (package, path) = match path.iter().position(|byte| *byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (path.as_slice(), b"".as_slice()),
        };
        if package.is_empty() && path.is_empty() {
            return Ok(());
        }
        let writer = self.writer_of(package)?;
        if path.is_empty() {
            return match header.kind {
                Kind::Directory => Ok(()),
                _ => Err(Error::Stream(format!("`{}` is not a directory", shown(package)))),
            };
        }
        header.path = path.to_vec();
        writer.entry(header, content)
    }

    /// The writer of a package, which is started at its first entry.
    fn writer_of(&mut self, package: &[u8]) -> Result<Entry<'_>, Error> {
        let index = self.plan.packages.iter().position(|known| known.name.as_bytes() == package);
        let Some(index) = index else {
            let text = format!("holds `{}`, which is no package of the recipe", shown(package));
            return Err(Error::Stream(text));
        };
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            self.close()?;
            self.start(index)?;
        }
        match &mut self.open {
            Some((_, writer)) => Ok(Entry { writer, spool: &mut self.spool, owners: &self.owners }),
            None => Err(Error::Stream("has no package".to_owned())),
        }
    }

    fn start(&mut self, index: usize) -> Result<(), Error> {
        if !self.started.insert(index) {
            let name = &self.plan.packages[index].name;
            let text = format!("returns to package `{name}`, which had ended");
            return Err(Error::Stream(text));
        }
        let writer = SegmentWriter::create(self.plan, index, self.options, self.staging)?;
        self.open = Some((index, writer));
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        if let Some((index, writer)) = self.open.take() {
            self.done[index] = Some(writer.finish()?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Segment>, Error> {
        self.close()?;
        for index in 0..self.plan.packages.len() {
            if !self.started.contains(&index) {
                self.start(index)?;
                self.close()?;
            }
        }
        Ok(self.done.into_iter().flatten().collect())
    }
}

/// What takes in one entry.
struct Entry<'a> {
    writer: &'a mut SegmentWriter,
    spool: &'a mut Spool,
    owners: &'a Owners,
}

impl Entry<'_> {
    fn entry(self, mut header: Header, content: &mut dyn Read) -> Result<(), Error> {
        self.owners.apply(&mut header);
        self.writer.entry(header, content, self.spool)
    }
}
