//! gzip (RFC 1952) block by block: blocks compress independently of each other's progress, yet see the
//! text before them, and join into a single member that any gzip reads.
//!
//! The bytes depend on the content and the level only. zlib-rs makes other bytes when the same input
//! arrives in other pieces, so every block goes whole through a fresh compressor in one call.

use std::io;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::reuse::{self, Earlier, Key};
use super::sample::is_incompressible;

/// No name, no time, unknown operating system.
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The text before a block that its matches may point into (RFC 1951 section 2).
const WINDOW: usize = 32 << 10;
/// The most that a stored deflate block holds.
const STORED_MAX: usize = 0xffff;
/// An empty last block.
const END: [u8; 2] = [3, 0];

/// A compressed block.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) bytes: Vec<u8>,
    pub(super) crc: Crc,
    /// What it is known by, where it took time to make.
    pub(super) key: Option<Key>,
}

/// Compresses `block`, which `previous` precedes, unless `earlier` has it.
pub(super) fn encode(
    previous: Option<&[u8]>,
    block: &[u8],
    level: u32,
    earlier: Option<&Earlier>,
) -> io::Result<Member> {
    let mut crc = Crc::new();
    crc.update(block);
    let level = level.min(9);
    let before = previous.map_or(&[][..], window);
    let key = || reuse::key(before, block, level);
    if let Some(earlier) = earlier {
        let key = key();
        if let Some(bytes) = earlier.take(&key) {
            return Ok(Member { bytes, crc, key: Some(key) });
        }
    }
    if level == 0 || is_incompressible(block) {
        return Ok(Member { bytes: stored(block), crc, key: None });
    }
    let deflated = deflate(before, block, level)?;
    let bytes = if deflated.len() < stored_len(block.len()) { deflated } else { stored(block) };
    Ok(Member { bytes, crc, key: Some(key()) })
}

/// What follows the last block.
pub(super) fn trailer(crc: &Crc) -> [u8; 10] {
    let mut trailer = [0; 10];
    trailer[..2].copy_from_slice(&END);
    trailer[2..6].copy_from_slice(&crc.sum().to_le_bytes());
    trailer[6..].copy_from_slice(&crc.amount().to_le_bytes());
    trailer
}

fn window(previous: &[u8]) -> &[u8] {
    &previous[previous.len().saturating_sub(WINDOW)..]
}

/// `block` as raw deflate that ends at a byte boundary and does not end the stream.
pub(super) fn deflate(dictionary: &[u8], block: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut compress = Compress::new(Compression::new(level), false);
    if !dictionary.is_empty() {
        compress.set_dictionary(dictionary)?;
    }
    // More than deflate ever makes of it, so that one call takes it all.
    let mut bytes = Vec::with_capacity(block.len() + block.len() / 8 + 1024);
    let status = compress.compress_vec(block, &mut bytes, FlushCompress::Sync)?;
    if status != Status::Ok || compress.total_in() != block.len() as u64 || bytes.len() == bytes.capacity() {
        return Err(io::Error::other("deflate did not take the block in one call"));
    }
    Ok(bytes)
}

fn stored_len(length: usize) -> usize {
    length + 5 * length.div_ceil(STORED_MAX)
}

/// `block` as stored deflate blocks, none of which is the last.
fn stored(block: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(stored_len(block.len()));
    for chunk in block.chunks(STORED_MAX) {
        let length = chunk.len() as u16;
        bytes.push(0);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&(!length).to_le_bytes());
        bytes.extend_from_slice(chunk);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::encode::sample::tests::noise;

    fn round_trip(blocks: &[&[u8]], level: u32) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        let mut crc = Crc::new();
        let mut previous = None;
        for block in blocks {
            let member = encode(previous, block, level, None).unwrap();
            bytes.extend_from_slice(&member.bytes);
            crc.combine(&member.crc);
            previous = Some(*block);
        }
        bytes.extend_from_slice(&trailer(&crc));
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, blocks.concat());
        bytes
    }

    #[test]
    fn blocks_of_every_kind_join_into_one_member() {
        let text = "the quick brown fox ".repeat(20_000);
        let noise = noise(256 << 10);
        for level in 0..=9 {
            round_trip(&[text.as_bytes(), &noise, &text.as_bytes()[..1000], &noise[..70_000], b"x"], level);
            round_trip(&[], level);
        }
    }

    #[test]
    fn a_block_sees_the_text_before_it() {
        let text = &noise(20_000)[..];
        let alone = encode(None, text, 6, None).unwrap().bytes.len();
        let after_itself = encode(Some(text), text, 6, None).unwrap().bytes.len();
        assert!(after_itself * 10 < alone, "{after_itself} of {alone}");
    }

    #[test]
    fn what_does_not_compress_is_stored() {
        for length in [256 << 10, 1000] {
            assert_eq!(encode(None, &noise(length), 6, None).unwrap().bytes.len(), stored_len(length));
        }
    }
}
