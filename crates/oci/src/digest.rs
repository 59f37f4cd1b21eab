//! Content digests: computing them, and hashing a stream as it passes.

use std::io::{Read, Write};

pub use oci_spec::image::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256, Sha512};

/// The sha256 digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest {
    from_hash(Sha256::digest(bytes).as_slice())
}

/// The sha256 digest of an empty sequence of bytes.
pub fn empty() -> Digest {
    sha256(b"")
}

/// The first `length` characters of the digest's hexadecimal part, as people quote digests.
pub fn short(digest: &Digest, length: usize) -> &str {
    let hex = digest.digest();
    &hex[..length.min(hex.len())]
}

/// Whether `bytes` hash to `expected`. A digest of an algorithm wharf does not compute (anything but
/// sha256 and sha512) never matches.
pub fn matches(expected: &Digest, bytes: &[u8]) -> bool {
    match expected.algorithm() {
        DigestAlgorithm::Sha256 => sha256(bytes) == *expected,
        DigestAlgorithm::Sha512 => hex::encode(Sha512::digest(bytes)) == expected.digest(),
        _ => false,
    }
}

fn from_hash(hash: &[u8]) -> Digest {
    // The text is valid by construction: a known algorithm and its full length in lower-case hex.
    match Digest::try_from(format!("sha256:{}", hex::encode(hash))) {
        Ok(digest) => digest,
        Err(error) => unreachable!("a sha256 hash is a valid digest: {error}"),
    }
}

/// Passes bytes through to a reader or a writer, hashing (sha256) and counting what passed.
#[derive(Debug, Clone)]
pub struct Hashing<T> {
    inner: T,
    hasher: Sha256,
    count: u64,
}

impl<T> Hashing<T> {
    /// Starts at zero bytes around `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner, hasher: Sha256::new(), count: 0 }
    }

    /// How many bytes have passed.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest of what has passed so far.
    pub fn digest(&self) -> Digest {
        from_hash(self.hasher.clone().finalize().as_slice())
    }

    /// What was wrapped, for example to flush or sync it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Ends the stream: what was wrapped, the digest, and the number of bytes.
    pub fn finish(self) -> (T, Digest, u64) {
        (self.inner, from_hash(self.hasher.finalize().as_slice()), self.count)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.count += n as u64;
        Ok(n)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_hashes_to_what_its_bytes_hash_to() {
        let mut reader = Hashing::new(&b"hello world"[..]);
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        assert_eq!(reader.count(), 11);
        assert_eq!(reader.digest(), sha256(b"hello world"));
        assert_eq!(
            reader.finish().1.to_string(),
            "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
        );
    }

    #[test]
    fn both_common_algorithms_are_checked_and_unknown_ones_never_match() {
        let sha512: Digest = format!("sha512:{}", hex::encode(Sha512::digest(b"x"))).parse().unwrap();
        assert!(matches(&sha256(b"x"), b"x"));
        assert!(!matches(&sha256(b"x"), b"y"));
        assert!(matches(&sha512, b"x"));
        assert!(!matches(&"blake3:abc".parse().unwrap(), b"x"));
    }
}
