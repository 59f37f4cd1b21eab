//! zstd (RFC 8878) frame by frame: each block is a frame of its own, and frames one after the other are
//! a zstd stream (section 3.1: "one or more frames").

use std::io;

/// How much of the stream is compressed as one piece: at the default level about the window.
pub(super) const BLOCK_SIZE: usize = 2 << 20;

/// Compresses `block` with a compressor that has no past, so that nothing but the block decides the bytes.
pub(super) fn encode(block: &[u8], level: i32) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(block, level.clamp(1, 22))
}
