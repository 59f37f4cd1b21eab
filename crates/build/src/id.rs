//! Content addresses of everything that is no blob: steps, results, trees of files.
//!
//! They never leave this machine, so they are blake3, which is several times faster than sha256.

use std::fmt;

/// 32 bytes that stand for something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) [u8; 32]);

impl Id {
    /// An id that nothing else has: that of a result which was just made.
    pub(crate) fn unique() -> Self {
        let mut hasher = Hasher::new("unique");
        hasher.bytes(uuid::Uuid::new_v4().as_bytes());
        hasher.finish()
    }

    /// The id that is written as `text`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut id = [0; 32];
        if digits.len() != 2 * id.len() {
            return None;
        }
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(id))
    }

    /// The id in a database column of 32 bytes.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Hashes a sequence of values such that different sequences never run into one another: each value is
/// preceded by its length.
pub(crate) struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts a hash of the kind `domain`; equal values of different kinds get different ids.
    pub(crate) fn new(domain: &str) -> Self {
        let mut hasher = Self(blake3::Hasher::new());
        hasher.text(domain);
        hasher
    }

    /// Adds bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// Adds an id.
    pub(crate) fn id(&mut self, id: &Id) -> &mut Self {
        self.0.update(&id.0);
        self
    }

    /// The id of everything added.
    pub(crate) fn finish(&self) -> Id {
        Id(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_values_do_not_run_together() {
        let id = |words: &[&str]| {
            let mut hasher = Hasher::new("test");
            for word in words {
                hasher.text(word);
            }
            hasher.finish()
        };
        assert_ne!(id(&["ab", "c"]), id(&["a", "bc"]));
        assert_ne!(id(&["a"]), id(&["a", ""]));
        assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
    }
}
