//! A layer decompressed and hashed beside whoever consumes it.
//!
//! Decompression has a thread, the digest has another, and the consumer keeps its own; blocks travel
//! between them over bounded channels, so memory does not depend on the layer.

use std::{
    io::{self, BufRead, Read},
    sync::Arc,
    thread,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use wharf_oci::{Digest, Hashing};

use crate::{Error, Shown, decode::Decoder};

const BLOCK_SIZE: usize = 256 << 10;
/// How many blocks may wait for the consumer, and as many for the digest.
const QUEUE: usize = 16;

/// The decompressed stream.
pub(crate) struct Decompressed {
    blocks: Receiver<io::Result<Block>>,
    current: Block,
    position: usize,
    consumed: u64,
}

#[derive(Clone, Default)]
struct Block {
    bytes: Arc<Vec<u8>>,
    /// How many compressed bytes had been read when this block was full.
    compressed: u64,
}

/// What `consume` made of the stream in `reader`, and the digest and length of the whole decompressed
/// stream, including what `consume` did not care to read. Meanwhile the stream is `shown` to whoever looks.
pub(crate) fn decompress<T>(
    reader: impl Read + Send,
    shown: Option<Shown>,
    consume: impl FnOnce(&mut Decompressed) -> Result<T, Error>,
) -> Result<(T, Digest, u64), Error> {
    let (to_consumer, blocks) = bounded(QUEUE);
    let (to_digest, to_be_hashed) = bounded::<Block>(QUEUE);
    thread::scope(|scope| {
        scope.spawn(move || decode(reader, shown, &to_consumer, &to_digest));
        let digest = scope.spawn(move || {
            let mut hashing = Hashing::new(io::sink());
            for block in to_be_hashed {
                // A sink takes everything.
                let _ = io::Write::write_all(&mut hashing, &block.bytes);
            }
            hashing.finish()
        });
        let mut stream = Decompressed { blocks, current: Block::default(), position: 0, consumed: 0 };
        let consumed = consume(&mut stream).and_then(|value| stream.drain().map(|()| value));
        // Stops the decoder, where the consumer gave up.
        drop(stream);
        let (_, digest, length) = digest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        consumed.map(|value| (value, digest, length))
    })
}

/// Sends block after block until the stream ends, breaks, or nobody listens any more.
fn decode(
    reader: impl Read,
    mut shown: Option<Shown>,
    to_consumer: &Sender<io::Result<Block>>,
    to_digest: &Sender<Block>,
) {
    let mut decoder = match Decoder::new(reader) {
        Ok(decoder) => decoder,
        Err(error) => {
            let _ = to_consumer.send(Err(error));
            return;
        }
    };
    loop {
        let mut bytes = Vec::with_capacity(BLOCK_SIZE);
        let read = decoder.by_ref().take(BLOCK_SIZE as u64).read_to_end(&mut bytes);
        if bytes.is_empty() && read.is_ok() {
            if let Some(shown) = shown {
                shown.end();
            }
            return;
        }
        let block = Block { bytes: Arc::new(bytes), compressed: decoder.compressed() };
        if let Some(shown) = &mut shown {
            shown.show(&block.bytes);
        }
        let is_heard = to_digest.send(block.clone()).is_ok() && to_consumer.send(Ok(block)).is_ok();
        if let Err(error) = read {
            let _ = to_consumer.send(Err(error));
            return;
        }
        if !is_heard {
            return;
        }
    }
}

impl Decompressed {
    /// How many bytes the consumer has taken.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// About how many compressed bytes they came from.
    pub(crate) fn compressed(&self) -> u64 {
        self.current.compressed
    }

    fn drain(&mut self) -> Result<(), Error> {
        loop {
            let length = self.fill_buf().map_err(Error::stream("reading the layer"))?.len();
            if length == 0 {
                return Ok(());
            }
            self.consume(length);
        }
    }
}

impl BufRead for Decompressed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.current.bytes.len() {
            match self.blocks.recv() {
                Ok(block) => (self.current, self.position) = (block?, 0),
                // The decoder is done.
                Err(_) => return Ok(&[]),
            }
        }
        Ok(&self.current.bytes[self.position..])
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount;
        self.consumed += amount as u64;
    }
}

impl Read for Decompressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}
