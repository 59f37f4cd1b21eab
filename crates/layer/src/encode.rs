//! A stream compressed, hashed twice and written in one pass, on several threads.
//!
//! The caller fills blocks. Each goes to the thread that computes the digest of the
//! stream, and to a compressing thread; a last thread takes the compressed blocks in order, hashes and
//! writes them. Channels are bounded, so memory is a few blocks per thread. How the input was cut, how
//! many threads there are, how fast they are and what an earlier layer had ready decides nothing about the bytes.

mod cut;
mod gzip;
mod reuse;
mod sample;
mod zstd;

use std::{
    io::{self, Read, Write},
    num::NonZero,
    sync::Arc,
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::Crc;
use wharf_oci::{Digest, Hashing};

pub use reuse::{Blocks, Earlier};

use crate::{Compression, Error, LayerInfo, Shown};
use cut::Cutter;
use reuse::Key;

/// Compression gains little from more threads than this, and memory grows with them.
const MAX_WORKERS: usize = 8;

/// What is written at once of a stream that is not compressed.
const PLAIN_BLOCK: usize = 256 << 10;

type Block = Arc<Vec<u8>>;

/// Takes a stream and writes it compressed to `W`.
pub(crate) struct Encoder<W> {
    compression: Compression,
    block: Vec<u8>,
    filled: usize,
    /// Where gzip's blocks end.
    cutter: Cutter,
    previous: Option<Block>,
    /// Where somebody looks at the stream.
    shown: Option<Shown>,
    /// `None` where the stream is written as it is: then both digests are the same.
    to_digest: Option<Sender<Block>>,
    digest: Option<JoinHandle<(Digest, u64)>>,
    to_workers: Option<Sender<Job>>,
    to_output: Option<Sender<Piece>>,
    output: Option<JoinHandle<Result<Written<W>, Error>>>,
}

/// What the output thread wrote.
struct Written<W> {
    out: W,
    digest: Digest,
    size: u64,
    blocks: Blocks,
}

/// A block to be compressed.
struct Job {
    previous: Option<Block>,
    block: Block,
    done: Sender<io::Result<Encoded>>,
}

struct Encoded {
    bytes: Vec<u8>,
    /// Of the uncompressed block; only gzip has one.
    crc: Option<Crc>,
    /// What it can be found by in a later layer.
    key: Option<Key>,
}

type Encode = Arc<dyn Fn(&Job) -> io::Result<Encoded> + Send + Sync>;

/// What the output thread waits for, in order.
enum Piece {
    Plain(Block),
    Encoded(Receiver<io::Result<Encoded>>),
}

impl<W: Write + Send + 'static> Encoder<W> {
    /// Starts a stream. Blocks that `earlier` has compressed are taken from there.
    pub(crate) fn new(out: W, compression: Compression, earlier: Option<Arc<Earlier>>) -> Self {
        let workers = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS);
        let (to_output, pieces) = bounded(workers + 1);
        let output = thread::spawn(move || write_pieces(out, compression, pieces));
        let mut encoder = Self {
            compression,
            block: vec![0; block_size(compression)],
            filled: 0,
            cutter: Cutter::default(),
            previous: None,
            shown: None,
            to_digest: None,
            digest: None,
            to_workers: None,
            to_output: Some(to_output),
            output: Some(output),
        };
        match compression {
            Compression::None => {}
            Compression::Gzip { level } => {
                let encode = move |job: &Job| encode_gzip(job, level, earlier.as_deref());
                encoder.start_compressing(workers, Arc::new(encode));
            }
            Compression::Zstd { level } => {
                encoder.start_compressing(workers, Arc::new(move |job: &Job| encode_zstd(job, level)));
            }
        }
        encoder
    }

    fn start_compressing(&mut self, workers: usize, encode: Encode) {
        let (to_workers, jobs) = bounded::<Job>(workers);
        for _ in 0..workers {
            let (jobs, encode) = (jobs.clone(), Arc::clone(&encode));
            thread::spawn(move || {
                for job in jobs {
                    // Nobody waits any more where the output failed.
                    let _ = job.done.send(encode(&job));
                }
            });
        }
        let (to_digest, blocks) = bounded::<Block>(2);
        self.digest = Some(thread::spawn(move || hash_blocks(blocks)));
        self.to_digest = Some(to_digest);
        self.to_workers = Some(to_workers);
    }

    /// From here on, somebody looks at the stream.
    pub(crate) fn show_to(&mut self, shown: Shown) {
        self.shown = Some(shown);
    }

    /// Adds `data` to the stream.
    pub(crate) fn write(&mut self, mut data: &[u8]) -> Result<(), Error> {
        let length = data.len() as u64;
        self.copy(&mut data, length).map(|_| ())
    }

    /// Adds at most `length` bytes of `reader`, read straight into the block. Says how many there were.
    pub(crate) fn copy(&mut self, reader: &mut impl Read, length: u64) -> Result<u64, Error> {
        let mut copied = 0;
        while copied < length {
            let space = &mut self.block[self.filled..];
            let most = (length - copied).min(space.len() as u64) as usize;
            match reader.read(&mut space[..most]) {
                Ok(0) => break,
                Ok(read) => {
                    self.filled += read;
                    copied += read as u64;
                    self.send_blocks()?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::stream("reading the content of a layer")(error)),
            }
        }
        Ok(copied)
    }

    /// Ends the stream and waits until it is written.
    pub(crate) fn finish(mut self) -> Result<(W, LayerInfo), Error> {
        if self.filled > 0 {
            self.send_block(self.filled)?;
        }
        if let Some(shown) = self.shown.take() {
            shown.end();
        }
        self.to_digest = None;
        self.to_workers = None;
        self.to_output = None;
        let written = join(self.output.take())?;
        let (diff_id, uncompressed_size) = match self.digest.take() {
            Some(digest) => digest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => (written.digest.clone(), written.size),
        };
        let info = LayerInfo {
            diff_id,
            digest: written.digest,
            size: written.size,
            uncompressed_size,
            compression: self.compression,
            blocks: written.blocks,
            outline: None,
        };
        Ok((written.out, info))
    }

    /// Sends what is known to be a block; there is room for more afterwards.
    fn send_blocks(&mut self) -> Result<(), Error> {
        while let Some(end) = match self.compression {
            Compression::Gzip { .. } => self.cutter.find(&self.block[..self.filled]),
            _ => (self.filled == self.block.len()).then_some(self.filled),
        } {
            self.send_block(end)?;
        }
        Ok(())
    }

    /// Sends the first `length` bytes.
    fn send_block(&mut self, length: usize) -> Result<(), Error> {
        let mut rest = vec![0; self.block.len()];
        let surplus = self.filled - length;
        rest[..surplus].copy_from_slice(&self.block[length..self.filled]);
        let mut block = std::mem::replace(&mut self.block, rest);
        block.truncate(length);
        (self.filled, self.cutter) = (surplus, Cutter::default());
        let block = Arc::new(block);
        if let Some(shown) = &mut self.shown {
            shown.show(&block);
        }
        let piece = match &self.to_workers {
            None => Piece::Plain(block),
            Some(to_workers) => {
                let (done, encoded) = bounded(1);
                let previous = self.previous.replace(Arc::clone(&block));
                // These threads end only when their channel closes.
                let _ = to_workers.send(Job { previous, block: Arc::clone(&block), done });
                let _ = self.to_digest.as_ref().map(|to_digest| to_digest.send(block));
                Piece::Encoded(encoded)
            }
        };
        match self.to_output.as_ref().map(|to_output| to_output.send(piece)) {
            Some(Ok(())) => Ok(()),
            // The output thread ends early only with an error.
            _ => {
                self.to_output = None;
                Err(join(self.output.take()).err().unwrap_or_else(already_failed))
            }
        }
    }
}

fn join<W>(output: Option<JoinHandle<Result<Written<W>, Error>>>) -> Result<Written<W>, Error> {
    let output = output.ok_or_else(already_failed)?;
    output.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn already_failed() -> Error {
    Error::stream("writing the layer")(io::Error::other("it failed before"))
}

fn block_size(compression: Compression) -> usize {
    match compression {
        Compression::None => PLAIN_BLOCK,
        Compression::Gzip { .. } => cut::MAX,
        Compression::Zstd { .. } => zstd::BLOCK_SIZE,
    }
}

fn encode_gzip(job: &Job, level: u32, earlier: Option<&Earlier>) -> io::Result<Encoded> {
    let previous = job.previous.as_ref().map(|previous| previous.as_slice());
    let member = gzip::encode(previous, &job.block, level, earlier)?;
    Ok(Encoded { bytes: member.bytes, crc: Some(member.crc), key: member.key })
}

fn encode_zstd(job: &Job, level: i32) -> io::Result<Encoded> {
    Ok(Encoded { bytes: zstd::encode(&job.block, level)?, crc: None, key: None })
}

fn hash_blocks(blocks: Receiver<Block>) -> (Digest, u64) {
    let mut hashing = Hashing::new(io::sink());
    for block in blocks {
        // A sink takes everything.
        let _ = hashing.write_all(&block);
    }
    let (_, digest, length) = hashing.finish();
    (digest, length)
}

fn write_pieces<W: Write>(
    out: W,
    compression: Compression,
    pieces: Receiver<Piece>,
) -> Result<Written<W>, Error> {
    let fail = || Error::stream("writing the layer");
    let mut out = Hashing::new(out);
    let mut crc = Crc::new();
    let mut blocks = Blocks::default();
    let mut at = 0;
    let is_gzip = matches!(compression, Compression::Gzip { .. });
    if is_gzip {
        out.write_all(&gzip::HEADER).map_err(fail())?;
        at = gzip::HEADER.len() as u64;
    }
    for piece in pieces {
        match piece {
            Piece::Plain(block) => out.write_all(&block).map_err(fail())?,
            Piece::Encoded(encoded) => {
                let encoded =
                    encoded.recv().unwrap_or_else(|_| Err(io::Error::other("a compressing thread died")));
                let encoded = encoded.map_err(Error::stream("compressing the layer"))?;
                out.write_all(&encoded.bytes).map_err(fail())?;
                if let Some(key) = encoded.key {
                    blocks.push(key, at, &encoded.bytes);
                }
                at += encoded.bytes.len() as u64;
                if let Some(block_crc) = encoded.crc {
                    crc.combine(&block_crc);
                }
            }
        }
    }
    if is_gzip {
        out.write_all(&gzip::trailer(&crc)).map_err(fail())?;
    }
    out.flush().map_err(fail())?;
    let (out, digest, size) = out.finish();
    Ok(Written { out, digest, size, blocks })
}

impl<W> std::fmt::Debug for Encoder<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("compression", &self.compression).finish_non_exhaustive()
    }
}
