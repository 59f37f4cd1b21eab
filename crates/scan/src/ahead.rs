//! Streams that are read ahead on a thread of their own, so that whoever uses the bytes does not wait for whoever makes them: of a
//! layer, one core reads and hashes while another decompresses, and a third looks at what comes out.
//!
//! Chunks pass through a bounded channel, so memory stays the same however long the stream is. Their buffers go back and are used
//! again. A reader that is dropped early ends its thread at the next chunk.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Scope;

/// Large enough that decompressing into it copies its window rarely, small enough for a core's cache.
const CHUNK: usize = 256 << 10;
/// Chunks that wait to be used.
const WAITING: usize = 4;

/// A stream that is read ahead.
#[derive(Debug)]
pub(crate) struct Ahead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    spare: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    used: usize,
}

impl Ahead {
    /// Reads `stream` on a thread of `scope`.
    pub(crate) fn new<'scope>(scope: &'scope Scope<'scope, '_>, stream: impl Read + Send + 'scope) -> Self {
        let (full, chunks) = sync_channel(WAITING);
        let (spare, empty) = channel();
        scope.spawn(move || fill(stream, &full, &empty));
        Self { chunks, spare, chunk: Vec::new(), used: 0 }
    }
}

/// Reads until the stream ends or breaks, or nobody listens any more.
fn fill(mut stream: impl Read, full: &SyncSender<io::Result<Vec<u8>>>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut chunk = empty.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let (length, error) = read_full(&mut stream, &mut chunk);
        chunk.truncate(length);
        // What came before it broke counts.
        if length > 0 && full.send(Ok(chunk)).is_err() {
            return;
        }
        if let Some(error) = error {
            let _ = full.send(Err(error));
            return;
        }
        if length < CHUNK {
            return;
        }
    }
}

fn read_full(stream: &mut impl Read, buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut done = 0;
    while done < buffer.len() {
        match stream.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done, Some(error)),
        }
    }
    (done, None)
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.chunk.len()
            && let Ok(next) = self.chunks.recv()
        {
            let used = std::mem::replace(&mut self.chunk, next?);
            self.used = 0;
            // Without a taker the stream has ended.
            let _ = self.spare.send(used);
        }
        Ok(&self.chunk[self.used..])
    }

    fn consume(&mut self, n: usize) {
        self.used = (self.used + n).min(self.chunk.len());
    }
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(out.len());
        out[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends with an error where others end.
    struct Breaking<R>(R);

    impl<R: Read> Read for Breaking<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 if !buffer.is_empty() => Err(io::ErrorKind::InvalidData.into()),
                n => Ok(n),
            }
        }
    }

    #[test]
    fn a_stream_passes_whole_whatever_its_length() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 7 * CHUNK + 3] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut read = Vec::new();
            std::thread::scope(|scope| {
                let mut stream = Ahead::new(scope, bytes.as_slice());
                stream.read_to_end(&mut read)
            })
            .unwrap();
            assert!(read == bytes, "{length}");
        }
    }

    #[test]
    fn what_came_before_a_stream_broke_is_read() {
        for length in [0, 5, CHUNK, 2 * CHUNK + 9] {
            let mut read = Vec::new();
            let end = std::thread::scope(|scope| {
                let mut stream = Ahead::new(scope, Breaking(io::repeat(7).take(length as u64)));
                stream.read_to_end(&mut read)
            });
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert_eq!(read.len(), length);
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_that_left() {
        let first = std::thread::scope(|scope| {
            let mut stream = Ahead::new(scope, io::repeat(7));
            stream.fill_buf().map(|bytes| bytes[0])
        });
        assert_eq!(first.unwrap(), 7);
    }
}
