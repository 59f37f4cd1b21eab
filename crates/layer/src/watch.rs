//! A layer's tar stream for somebody who looks at it while it is written or unpacked, so that it need not be
//! read again for that.
//!
//! What is shown comes before anybody knows that the layer is whole: whoever looks must not keep what they
//! learnt until the writing or unpacking has succeeded. Nor may looking hold up the work: of somebody who is too slow
//! the stream is taken away, which they see as one that breaks.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

type Block = Arc<Vec<u8>>;

/// How many blocks, of at most a mebibyte each, may wait for the one who looks.
const QUEUE: usize = 16;

/// The end that shows, to be given to whatever writes or unpacks.
#[derive(Debug)]
pub struct Shown {
    blocks: Option<Sender<Block>>,
    /// How much longer the work may be held up.
    patience: Duration,
    is_whole: Arc<AtomicBool>,
}

/// The end that is looked at: the tar stream, not compressed.
#[derive(Debug)]
pub struct Watched {
    blocks: Receiver<Block>,
    is_whole: Arc<AtomicBool>,
    current: Block,
    position: usize,
}

/// Two ends of one stream. All in all, showing waits for looking no longer than `patience`.
pub fn watch(patience: Duration) -> (Shown, Watched) {
    let (to_watched, blocks) = bounded(QUEUE);
    let is_whole = Arc::<AtomicBool>::default();
    let shown = Shown { blocks: Some(to_watched), patience, is_whole: is_whole.clone() };
    (shown, Watched { blocks, is_whole, current: Block::default(), position: 0 })
}

impl Shown {
    pub(crate) fn show(&mut self, block: &Block) {
        let Some(blocks) = &self.blocks else { return };
        let began = Instant::now();
        if blocks.send_timeout(Arc::clone(block), self.patience).is_err() {
            // Nobody looks any more, or not fast enough.
            self.blocks = None;
        }
        self.patience = self.patience.saturating_sub(began.elapsed());
    }

    /// Says that this was all. Without it, the stream broke.
    pub(crate) fn end(self) {
        self.is_whole.store(self.blocks.is_some(), Ordering::Release);
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.current.len() {
            match self.blocks.recv() {
                Ok(block) => (self.current, self.position) = (block, 0),
                Err(_) if self.is_whole.load(Ordering::Acquire) => return Ok(0),
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let rest = &self.current[self.position..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.position += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn show(shown: &mut Shown, bytes: &[u8]) {
        shown.show(&Arc::new(bytes.to_vec()));
    }

    #[test]
    fn what_is_shown_is_seen_and_its_end_is_told_from_a_break() {
        for is_whole in [true, false] {
            let (mut shown, mut watched) = watch(LONG);
            show(&mut shown, b"one ");
            show(&mut shown, b"two");
            if is_whole {
                shown.end()
            } else {
                drop(shown)
            }
            let mut seen = Vec::new();
            assert_eq!(watched.read_to_end(&mut seen).is_ok(), is_whole);
            assert_eq!(seen, b"one two");
        }
    }

    #[test]
    fn whoever_is_gone_or_too_slow_holds_nothing_up() {
        let (mut shown, watched) = watch(LONG);
        drop(watched);
        (0..2 * QUEUE).for_each(|_| show(&mut shown, b"x"));

        let (mut shown, mut watched) = watch(Duration::ZERO);
        (0..2 * QUEUE).for_each(|_| show(&mut shown, b"x"));
        shown.end();
        assert!(watched.read_to_end(&mut Vec::new()).is_err(), "it is not taken for the whole");
    }
}
