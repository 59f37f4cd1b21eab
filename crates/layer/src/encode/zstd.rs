//! zstd (RFC 8878) frame by frame: each block is a frame of its own, and frames one after the other are
//! a zstd stream (section 3.1: "one or more frames").

use std::io;

use super::sample::is_incompressible;

/// How much of the stream is compressed as one piece: half the window of the default level.
pub(super) const BLOCK_SIZE: usize = 1 << 20;

/// Compresses `block` with a compressor that has no past, so that nothing but the block decides the bytes.
pub(super) fn encode(block: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let level = if is_incompressible(block) { 1 } else { level.clamp(1, 22) };
    zstd::bulk::compress(block, level)
}
