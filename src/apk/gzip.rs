//! gzip members: written block-parallel, read one at a time.
//!
//! Beneath the stages. apk tells the segments of a package apart by gzip members, so a segment
//! must be exactly one member, which rules out the usual way to compress in parallel (a member
//! per block). Here the blocks are parts of one deflate stream instead: each is compressed with the
//! 32 KiB before it as dictionary and ends on a byte boundary, and their checksums are combined.
//! Where blocks end depends on the content alone, so the bytes do not depend on the number of
//! threads. Unpacking is flate2's.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Compress, Compression, FlushCompress};

/// The input of one block.
const BLOCK: usize = 1 << 20;

/// What deflate can look back on.
const WINDOW: usize = 32 << 10;

/// A compromise: zlib-rs does 45-57 MB/s a core at this level, and higher ones save little.
const LEVEL: u32 = 6;

/// Magic, deflate, no flags, no time, no hint, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// What `threads` 0 means at most: more would be waiting for the disk and take memory.
const MAX_THREADS: usize = 16;

/// Compresses what is written, on several threads, as **one** gzip member whose bytes do not depend
/// on the number of threads. Memory is bounded: about 8 MiB per thread.
///
/// Dropped without [`Encoder::finish`], it leaves the member incomplete.
pub struct Encoder<W: Write> {
    inner: W,
    threads: usize,
    /// Started with the first full block, so that small members need no threads.
    pool: Option<Pool>,
    started: bool,
    block: Vec<u8>,
    dictionary: Vec<u8>,
    /// Blocks that are being compressed, in order.
    pending: VecDeque<Receiver<io::Result<Block>>>,
    checksum: crc32fast::Hasher,
    /// Bytes of input, modulo 2^32 as gzip has it.
    length: u32,
}

struct Job {
    input: Vec<u8>,
    dictionary: Vec<u8>,
    flush: FlushCompress,
    reply: SyncSender<io::Result<Block>>,
}

struct Block {
    compressed: Vec<u8>,
    checksum: crc32fast::Hasher,
    length: u32,
}

/// Threads that end when the pool is dropped.
struct Pool {
    jobs: Sender<Job>,
}

impl Pool {
    fn start(threads: usize) -> io::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("gzip".to_owned()).spawn(move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(Job { input, dictionary, flush, reply }) = job else { return };
                    // Nobody waits for the answer when the encoder was dropped.
                    let _ = reply.send(compress_block(&input, &dictionary, flush));
                }
            })?;
        }
        Ok(Self { jobs })
    }
}

impl<W: Write> Encoder<W> {
    /// Starts a member. `threads` 0 means one per core, but at most 16.
    pub fn new(inner: W, threads: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS),
            _ => threads,
        };
        Self {
            inner,
            threads,
            pool: None,
            started: false,
            block: Vec::new(),
            dictionary: Vec::new(),
            pending: VecDeque::new(),
            checksum: crc32fast::Hasher::new(),
            length: 0,
        }
    }

    /// Ends the member.
    pub fn finish(mut self) -> io::Result<W> {
        self.submit(FlushCompress::Finish)?;
        while !self.pending.is_empty() {
            self.collect()?;
        }
        self.inner.write_all(&self.checksum.finalize().to_le_bytes())?;
        self.inner.write_all(&self.length.to_le_bytes())?;
        Ok(self.inner)
    }

    /// Has the block compressed, here or on another thread.
    fn submit(&mut self, flush: FlushCompress) -> io::Result<()> {
        let input = std::mem::take(&mut self.block);
        let tail = input[input.len().saturating_sub(WINDOW)..].to_vec();
        let dictionary = std::mem::replace(&mut self.dictionary, tail);
        // The last block of a member that has no other one is not worth a thread.
        let alone = flush == FlushCompress::Finish && self.pool.is_none();
        if self.threads == 1 || alone {
            let block = compress_block(&input, &dictionary, flush)?;
            self.block = input;
            self.block.clear();
            return self.write_block(&block);
        }
        let pool = match &self.pool {
            Some(pool) => pool,
            None => self.pool.insert(Pool::start(self.threads)?),
        };
        let (reply, answer) = sync_channel(1);
        pool.jobs.send(Job { input, dictionary, flush, reply }).map_err(|_| thread_died())?;
        self.pending.push_back(answer);
        // One block waits for each that is being compressed.
        if self.pending.len() >= 2 * self.threads {
            self.collect()?;
        }
        Ok(())
    }

    /// Waits for the oldest block and writes it.
    fn collect(&mut self) -> io::Result<()> {
        match self.pending.pop_front() {
            Some(answer) => {
                let block = answer.recv().map_err(|_| thread_died())??;
                self.write_block(&block)
            }
            None => Ok(()),
        }
    }

    fn write_block(&mut self, block: &Block) -> io::Result<()> {
        if !self.started {
            self.inner.write_all(&HEADER)?;
            self.started = true;
        }
        self.checksum.combine(&block.checksum);
        self.length = self.length.wrapping_add(block.length);
        self.inner.write_all(&block.compressed)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.submit(FlushCompress::Sync)?;
        }
        let count = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Does nothing: where blocks end must not depend on how the content was written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn thread_died() -> io::Error {
    io::Error::other("a compression thread has died")
}

fn compress_block(input: &[u8], dictionary: &[u8], flush: FlushCompress) -> io::Result<Block> {
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    if !dictionary.is_empty() {
        compress.set_dictionary(dictionary).map_err(io::Error::other)?;
    }
    let mut compressed = Vec::with_capacity(input.len() / 2 + 1024);
    loop {
        let consumed = usize::try_from(compress.total_in()).map_err(io::Error::other)?;
        let rest = input.get(consumed..).unwrap_or_default();
        let status =
            compress.compress_vec(rest, &mut compressed, flush).map_err(io::Error::other)?;
        let done = match flush {
            FlushCompress::Finish => status == flate2::Status::StreamEnd,
            // All is out when there was room to spare.
            _ => compressed.len() < compressed.capacity(),
        };
        if done {
            break;
        }
        compressed.reserve(input.len() / 4 + 1024);
    }
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(input);
    // A block is far smaller than 4 GiB.
    Ok(Block { compressed, checksum, length: u32::try_from(input.len()).unwrap_or(u32::MAX) })
}

/// One gzip member of some bytes, the same that [`Encoder`] makes.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(bytes.len() / 3 + 64), 1);
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(member) => member,
        #[expect(clippy::panic, reason = "writing to a vector on one thread can't fail")]
        Err(error) => panic!("compression into memory failed: {error}"),
    }
}

/// A gzip member that was read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The member as it stands.
    pub compressed: Vec<u8>,
    /// What is in it.
    pub content: Vec<u8>,
}

/// What a member may be longer than the content that it may have: names and remarks in its header.
const MEMBER_OVERHEAD: u64 = 64 << 10;

/// Reads one member and leaves the reader right behind it. A member whose content is longer than
/// `limit` bytes is refused, and so is one that itself is much longer.
pub fn read_member(reader: &mut impl BufRead, limit: u64) -> io::Result<Member> {
    let mut recorder = Recorder { inner: reader, consumed: Vec::new(), limit };
    let mut content = Vec::new();
    let mut decoder = flate2::bufread::GzDecoder::new(&mut recorder);
    (&mut decoder).take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(too_long(limit));
    }
    Ok(Member { compressed: recorder.consumed, content })
}

fn too_long(limit: u64) -> io::Error {
    let problem = format!("a gzip member is longer than {limit} bytes");
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Keeps what was consumed.
struct Recorder<'a, R> {
    inner: &'a mut R,
    consumed: Vec<u8>,
    limit: u64,
}

impl<R: BufRead> Read for Recorder<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.consumed.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Recorder<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed.len() as u64 > self.limit.saturating_add(MEMBER_OVERHEAD) {
            return Err(too_long(self.limit));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // `fill_buf` gives what is already there, so this reads nothing.
        if let Ok(bytes) = self.inner.fill_buf() {
            self.consumed.extend_from_slice(&bytes[..count.min(bytes.len())]);
        }
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text that compresses, but not to nothing.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut step = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        (0..length).map(|_| b"abcdefgh"[(step() & step() & 7) as usize]).collect()
    }

    fn encode(content: &[u8], threads: usize, piece: usize) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new(), threads);
        for piece in content.chunks(piece) {
            encoder.write_all(piece).unwrap();
            encoder.flush().unwrap();
        }
        encoder.finish().unwrap()
    }

    fn decode(member: &[u8]) -> Vec<u8> {
        let mut reader = member;
        let read = read_member(&mut reader, 64 << 20).unwrap();
        assert!(reader.is_empty(), "one member");
        assert_eq!(read.compressed, member);
        read.content
    }

    #[test]
    fn bytes_depend_on_the_content_alone() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 77] {
            let content = sample(length);
            let member = encode(&content, 1, length.max(1));
            assert_eq!(decode(&member), content);
            for threads in [2, 3, 8] {
                assert_eq!(encode(&content, threads, 70_001), member, "{length} {threads}");
            }
            assert_eq!(compress(&content), member);
        }
    }

    #[test]
    fn blocks_look_back_on_the_one_before() {
        // Noise at the end of one block and again at the start of the next.
        let noise: Vec<u8> =
            sample(3 * WINDOW / 2).chunks(3).map(|c| c[0] ^ c[1] << 3 ^ c[2] << 5).collect();
        let mut content = vec![b' '; BLOCK - WINDOW / 2];
        content.extend_from_slice(&noise);
        let one = compress(&content).len();
        content.extend_from_slice(&noise);
        assert!(compress(&content).len() < one + one / 10);
    }

    #[test]
    fn incompressible_blocks_fit() {
        let content: Vec<u8> = (0..BLOCK as u32 + 5)
            .map(|n| (n.wrapping_mul(2_654_435_761).rotate_left(n % 31) >> 11) as u8)
            .collect();
        assert_eq!(decode(&compress(&content)), content);
    }

    #[test]
    fn a_failing_writer_is_an_error_and_no_hang() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut encoder = Encoder::new(Full, 2);
        let failed =
            encoder.write_all(&sample(12 * BLOCK)).and_then(|()| encoder.finish().map(|_| ()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn members_are_cut_apart() {
        let file = [compress(b"one"), compress(b""), compress(b"three")].concat();
        let mut reader = file.as_slice();
        for content in [b"one".as_slice(), b"", b"three"] {
            assert_eq!(read_member(&mut reader, 10).unwrap().content, content);
        }
        assert!(read_member(&mut reader, 10).is_err());
    }

    #[test]
    fn bombs_are_refused() {
        let bomb = compress(&vec![0; 4 << 20]);
        assert!(bomb.len() < 10_000);
        let error = read_member(&mut bomb.as_slice(), 1 << 20).unwrap_err().to_string();
        assert_eq!(error, "a gzip member is longer than 1048576 bytes");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_written_is_read(content in proptest::collection::vec(any::<u8>(), 0..4000), threads in 1..3_usize) {
            prop_assert_eq!(decode(&encode(&content, threads, 997)), content);
        }

        #[test]
        fn rubbish_never_panics(content in proptest::collection::vec(any::<u8>(), 0..400), place in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let _ = read_member(&mut content.as_slice(), 1000);
            let mut member = compress(&content);
            *place.get_mut(&mut member) = byte;
            let _ = read_member(&mut member.as_slice(), 1000);
        }
    }
}
