//! What stands between buildctl's output and whoever reads it: in memory, and beyond that on disk.
//!
//! Part of stage 4. buildctl 0.32 takes whatever the daemon sends, however slowly its own output is
//! read: what it can't get rid of grows in its memory, to the size of the whole output (its session
//! is served by gRPC's HTTP handler, which has no flow control). The daemon sends faster than a
//! package can be compressed. So the output is taken as fast as it comes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};

/// How much waits in memory before the disk is used.
const MEMORY: usize = 32 << 20;
/// How much is read and written at once.
const CHUNK: usize = 256 << 10;
/// How much that was read again is given back to the disk at once.
const RELEASE: u64 = 64 << 20;

/// A queue of bytes with one writer and one reader.
pub(super) struct Spool {
    state: Mutex<State>,
    changed: Condvar,
    directory: Option<PathBuf>,
    memory: usize,
}

#[derive(Default)]
struct State {
    /// What comes next.
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    /// What comes after it: the file's content from `taken` to `written`.
    file: Option<Arc<File>>,
    taken: u64,
    written: u64,
    /// How the writing ended.
    end: Option<io::Result<()>>,
    /// Nobody reads any more.
    closed: bool,
}

impl Spool {
    /// A queue that uses the disk at `directory`, or else where temporary files are.
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        let state = Mutex::new(State::default());
        Self { state, changed: Condvar::new(), directory, memory: MEMORY }
    }

    /// Takes in a source to its end, or until nobody reads any more.
    pub(super) fn fill(&self, mut source: impl Read) {
        let mut buffer = vec![0; CHUNK];
        let end = loop {
            match source.read(&mut buffer) {
                Ok(0) => break Ok(()),
                // A chunk of its own size: a pipe often has less than fits.
                Ok(count) => {
                    if !self.put(buffer[..count].to_vec()) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.state().end = Some(end);
        self.changed.notify_all();
    }

    /// The only reader.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { spool: self, chunk: Vec::new(), at: 0, at_end: false }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody still reads.
    fn put(&self, chunk: Vec<u8>) -> bool {
        let mut state = self.state();
        if !state.has_room(chunk.len(), self.memory) && !state.closed {
            match state.file(self.directory.as_deref()) {
                Ok((file, at)) => {
                    drop(state);
                    let written = file.write_all_at(&chunk, at);
                    state = self.state();
                    if written.is_ok() {
                        state.written += chunk.len() as u64;
                        self.changed.notify_all();
                        return !state.closed;
                    }
                }
                Err(error) => tracing::debug!("the output is not kept on disk: {error}"),
            }
            // No disk, or a full one: then it waits in buildctl.
            while !state.has_room(chunk.len(), self.memory) && !state.closed {
                state = self.wait(state);
            }
        }
        state.queued += chunk.len();
        state.queue.push_back(chunk);
        self.changed.notify_all();
        !state.closed
    }

    /// What comes next; empty at the end.
    fn take(&self) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        loop {
            if let Some(chunk) = state.queue.pop_front() {
                state.queued -= chunk.len();
                self.changed.notify_all();
                return Ok(chunk);
            }
            if let Some(file) = state.file.clone().filter(|_| state.written > state.taken) {
                let at = state.taken;
                let size =
                    usize::try_from(state.written - at).map_or(CHUNK, |rest| rest.min(CHUNK));
                drop(state);
                let mut chunk = vec![0; size];
                file.read_exact_at(&mut chunk, at)?;
                release(&file, at, at + size as u64);
                self.state().taken += size as u64;
                self.changed.notify_all();
                return Ok(chunk);
            }
            if let Some(end) = state.end.take() {
                state.end = Some(Ok(()));
                return end.map(|()| Vec::new());
            }
            state = self.wait(state);
        }
    }
}

impl State {
    /// Whether more fits into memory, and nothing on disk stands before it. A single chunk always
    /// fits.
    fn has_room(&self, size: usize, memory: usize) -> bool {
        self.written == self.taken && (self.queue.is_empty() || self.queued + size <= memory)
    }

    /// The file, made when it is needed, and where to write. It has no name: nothing is left of it.
    fn file(&mut self, directory: Option<&std::path::Path>) -> io::Result<(Arc<File>, u64)> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let there = directory.and_then(|place| tempfile::tempfile_in(place).ok());
                Arc::new(there.map_or_else(tempfile::tempfile, Ok)?)
            }
        };
        self.file = Some(Arc::clone(&file));
        Ok((file, self.written))
    }
}

/// Gives back to the disk what was read, some at a time. Where that can't be done it stays until
/// the end.
fn release(file: &File, from: u64, to: u64) {
    let begin = from / RELEASE * RELEASE;
    if to / RELEASE * RELEASE > begin {
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = fallocate(file, mode, begin, RELEASE);
    }
}

/// The reader of a [`Spool`].
pub(super) struct Reader<'a> {
    spool: &'a Spool,
    chunk: Vec<u8>,
    at: usize,
    at_end: bool,
}

impl Reader<'_> {
    /// Whether the end was seen.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() && !buffer.is_empty() && !self.at_end {
            (self.chunk, self.at) = (self.spool.take()?, 0);
            self.at_end = self.chunk.is_empty();
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.spool.state().closed = true;
        self.spool.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(directory: Option<PathBuf>) -> Spool {
        Spool { memory: 3 * CHUNK, ..Spool::new(directory) }
    }

    /// Bytes in which each place is told from others.
    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|index| (index / 7 + index / CHUNK) as u8).collect()
    }

    #[test]
    fn what_is_not_read_waits_on_disk_and_arrives_in_order() {
        let whole = bytes(20 * CHUNK + 11);
        let directory = tempfile::tempdir().unwrap();
        let spool = small(Some(directory.path().to_owned()));
        // All of it is taken in while nobody reads.
        spool.fill(whole.as_slice());
        let state = spool.state();
        assert!(state.queued <= 3 * CHUNK && state.written >= 16 * CHUNK as u64);
        drop(state);
        let mut read = Vec::new();
        spool.reader().read_to_end(&mut read).unwrap();
        assert!(read == whole);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "no file has a name");
    }

    #[test]
    fn at_any_pace_of_both_sides_it_is_the_same() {
        let whole = bytes(60 * CHUNK);
        for pace in [1, 5, 17] {
            let spool = small(None);
            let read = std::thread::scope(|scope| {
                scope.spawn(|| spool.fill(whole.as_slice()));
                let (mut reader, mut read, mut count) = (spool.reader(), Vec::new(), 0);
                let mut buffer = vec![0; CHUNK / 3];
                loop {
                    match reader.read(&mut buffer).unwrap() {
                        0 => break,
                        got => read.extend_from_slice(&buffer[..got]),
                    }
                    count += 1;
                    if count % pace == 0 {
                        std::thread::yield_now();
                    }
                }
                assert!(reader.is_at_end());
                read
            });
            assert!(read == whole, "{pace}");
        }
    }

    #[test]
    fn a_full_disk_makes_the_writer_wait() {
        let full = std::path::Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        let whole = bytes(20 * CHUNK);
        let spool = small(None);
        spool.state().file = Some(Arc::new(File::options().write(true).open(full).unwrap()));
        let read = std::thread::scope(|scope| {
            scope.spawn(|| spool.fill(whole.as_slice()));
            let mut read = Vec::new();
            spool.reader().read_to_end(&mut read).unwrap();
            read
        });
        assert!(read == whole);
    }

    #[test]
    fn a_reader_that_leaves_frees_the_writer() {
        let spool = small(None);
        std::thread::scope(|scope| {
            let filling = scope.spawn(|| spool.fill(io::repeat(1)));
            let mut reader = spool.reader();
            reader.read_exact(&mut [0; 10]).unwrap();
            drop(reader);
            filling.join().unwrap();
        });
    }

    #[test]
    fn an_error_comes_after_what_came_before_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let spool = small(None);
        spool.fill(b"first".as_slice().chain(Broken));
        let (mut reader, mut text) = (spool.reader(), [0; 5]);
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"first");
        assert_eq!(reader.read(&mut text).unwrap_err().to_string(), "broken");
    }
}
