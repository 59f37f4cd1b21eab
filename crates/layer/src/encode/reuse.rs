//! Blocks that are compressed already, in an earlier layer that has much in common with the one to be written.
//!
//! What a block becomes depends on the block, the text before it and the level, and on nothing else; so taking it
//! from the earlier layer changes no byte. What is taken is checked: a blob that was damaged on disk must not
//! damage another.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of one block in [`Blocks::encode`].
const RECORD: usize = 60;
/// Blocks are so long at the most, compressed; anything longer was never written.
const LENGTH_MAX: u32 = 1 << 20;

/// What a block was made of: a digest of it, of the text before it, and of the level.
pub(super) type Key = [u8; 32];

/// Where the compressed blocks of a layer are in its blob.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocks(Vec<Place>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    key: Key,
    at: u64,
    length: u32,
    /// The start of the digest of the compressed block.
    check: [u8; 16],
}

/// An earlier layer and where its blocks are.
#[derive(Debug)]
pub struct Earlier {
    blob: File,
    places: HashMap<Key, Place>,
}

/// The key of `block`, before which stands `text`.
pub(super) fn key(text: &[u8], block: &[u8], level: u32) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&level.to_le_bytes()).update(&(text.len() as u64).to_le_bytes()).update(text).update(block);
    *hasher.finalize().as_bytes()
}

impl Blocks {
    /// Adds a block that is written at `at`.
    pub(super) fn push(&mut self, key: Key, at: u64, compressed: &[u8]) {
        let length = u32::try_from(compressed.len()).unwrap_or(u32::MAX);
        self.0.push(Place { key, at, length, check: check(compressed) });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of these another layer has, too.
    pub fn in_common(&self, other: &Self) -> usize {
        let keys: HashSet<&Key> = other.0.iter().map(|place| &place.key).collect();
        self.0.iter().filter(|place| keys.contains(&place.key)).count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let record = |place: &Place| {
            let Place { key, at, length, check } = place;
            [&key[..], &at.to_le_bytes(), &length.to_le_bytes(), check].concat()
        };
        self.0.iter().flat_map(record).collect()
    }

    /// What [`encode`](Self::encode) gave. Bytes that make no sense give blocks that nothing is taken from.
    pub fn decode(bytes: &[u8]) -> Self {
        let place = |record: &[u8]| {
            let (key, rest) = record.split_first_chunk::<32>()?;
            let (at, rest) = rest.split_first_chunk::<8>()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let check = *rest.first_chunk::<16>()?;
            Some(Place { key: *key, at: u64::from_le_bytes(*at), length: u32::from_le_bytes(*length), check })
        };
        Self(bytes.chunks_exact(RECORD).filter_map(place).collect())
    }
}

impl Earlier {
    /// The layer in `blob`.
    pub fn new(blob: File, blocks: &Blocks) -> Self {
        Self { blob, places: blocks.0.iter().map(|place| (place.key, *place)).collect() }
    }

    /// The compressed block of this key, if it is there and whole.
    pub(super) fn take(&self, key: &Key) -> Option<Vec<u8>> {
        let place = self.places.get(key).filter(|place| place.length <= LENGTH_MAX)?;
        let mut compressed = vec![0; place.length as usize];
        self.blob.read_exact_at(&mut compressed, place.at).ok()?;
        (check(&compressed) == place.check).then_some(compressed)
    }
}

fn check(compressed: &[u8]) -> [u8; 16] {
    let mut check = [0; 16];
    check.copy_from_slice(&blake3::hash(compressed).as_bytes()[..16]);
    check
}
