//! Whether compressing a block is a waste of time, judged by a sample of it.
//!
//! Model weights, archives and images are most of the bytes of an ML image. At gzip's usual level they
//! take most of the time and come out nearly as long as before.

use super::gzip::deflate;

/// How much is taken from how many places of a block.
const PIECE: usize = 4 << 10;
const PIECES: usize = 4;

/// Whether a sample of `block`, deflated fast, shrinks by less than an eighth. Text and programs shrink
/// by half; what saves an eighth or less takes longer to compress than to send.
///
/// A short block is never called incompressible: it costs no time worth saving.
pub(super) fn is_incompressible(block: &[u8]) -> bool {
    if block.len() < 2 * PIECES * PIECE {
        return false;
    }
    let mut sample = Vec::with_capacity(PIECES * PIECE);
    for piece in 0..PIECES {
        sample.extend_from_slice(&block[piece * (block.len() / PIECES)..][..PIECE]);
    }
    // The fastest level that counts how often bytes occur and not only what repeats.
    deflate(&[], &sample, 2).is_ok_and(|deflated| deflated.len() > sample.len() - sample.len() / 8)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Bytes that do not compress, from a generator that does not change.
    pub(in crate::encode) fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn noise_is_told_from_text() {
        let mut block = noise(256 << 10);
        assert!(is_incompressible(&block));
        block[..64 << 10].fill(b'a');
        assert!(!is_incompressible(&block), "a quarter of it is worth it");
        let text: String =
            (0..50_000).map(|i: u32| format!("{:x} ", i.wrapping_mul(2_654_435_761))).collect();
        assert!(!is_incompressible(text.as_bytes()), "hexadecimal digits are half noise");
    }

    #[test]
    fn weights_are_noise_unless_they_are_short() {
        let exponent = |byte: &u8| 0x3c | (byte & 3);
        let noise = noise(256 << 10);
        let floats: Vec<u8> =
            noise.chunks_exact(4).flat_map(|b| [b[0], b[1], b[2], exponent(&b[3])]).collect();
        assert!(is_incompressible(&floats), "a tenth can be saved");
        let halves: Vec<u8> = noise.chunks_exact(2).flat_map(|b| [b[0], exponent(&b[1])]).collect();
        assert!(!is_incompressible(&halves), "a quarter can be saved");
    }
}
