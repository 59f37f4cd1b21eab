//! Hashing for digests that are known beforehand, in the two algorithms that registries use.
//!
//! `wharf_oci::Hashing` makes new digests, always sha256. Content that others named may be sha512.

use sha2::{Digest as _, Sha256, Sha512};
use wharf_oci::Digest;
use wharf_oci::digest::DigestAlgorithm;

/// A hash in progress, to be compared with a digest when the content is complete.
#[derive(Debug, Clone)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// A hasher of `digest`'s algorithm, or `None` where wharf does not compute that algorithm.
    pub(crate) fn like(digest: &Digest) -> Option<Self> {
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => Some(Self::Sha256(Sha256::new())),
            DigestAlgorithm::Sha512 => Some(Self::Sha512(Box::default())),
            _ => None,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything seen, as text.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Sha256(hasher) => format!("sha256:{}", hex::encode(hasher.finalize())),
            Self::Sha512(hasher) => format!("sha512:{}", hex::encode(hasher.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_name_content_as_others_do() {
        for text in [
            "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
            "sha512:a4abd4448c49562d828115d13a1fccea927f52b4d5459297f8b43e42da89238bc13626e43dcb38ddb082488927ec904fb42057443983e88585179d50551afe62",
        ] {
            let mut hasher = Hasher::like(&text.parse().unwrap()).unwrap();
            hasher.update(b"x");
            assert_eq!(hasher.finish(), text);
        }
        assert!(Hasher::like(&"blake3:ab".parse().unwrap()).is_none());
    }
}
