//! What the data directory holds, and removing what is used least.
//!
//! Every wharf that works on a data directory says so ([`Engine::share`]), and whatever it uses gets the time at
//! which it does. So what nobody has used since the oldest of them began is used by none, and pruning goes on
//! beside builds: it looks at the time once more when the thing has been moved out of everybody's reach, and
//! puts it back if it came too late. What is removed is made or fetched again when it is needed: pruning makes
//! the next build slower, never wrong.

mod filter;
mod inventory;
mod prune;
mod share;

use serde::Serialize;

pub use filter::FilterError;
pub use prune::{PruneError, PruneRequest, Pruned};
pub use share::Share;

/// What something in the data directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// The layer that a step made, packed and unpacked.
    Step,
    /// A layer of an image, unpacked.
    Snapshot,
    /// The directory of a `RUN --mount=type=cache`.
    CacheMount,
    /// A blob that no image on this machine has: of a base image, a download, an image without a name.
    Blob,
}

impl ItemKind {
    /// Its name, here or in BuildKit.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "step" | "regular" => Self::Step,
            "snapshot" | "internal" => Self::Snapshot,
            "cache-mount" | "exec.cachemount" => Self::CacheMount,
            "blob" | "source.local" | "frontend" => Self::Blob,
            _ => return None,
        })
    }
}

impl std::fmt::Display for ItemKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Step => "step",
            Self::Snapshot => "snapshot",
            Self::CacheMount => "cache-mount",
            Self::Blob => "blob",
        })
    }
}

/// Something that can be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// What it is called: a digest without its algorithm, or the name of a directory.
    pub id: String,
    /// What it is.
    pub kind: ItemKind,
    /// The bytes that removing it frees.
    pub size: u64,
    /// When it was last used, seconds since 1970.
    pub used: i64,
}

/// What the data directory holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// How many names images have here.
    pub images: usize,
    /// The bytes of their blobs, each blob counted once.
    pub image_bytes: u64,
    /// What builds have left, least recently used first.
    pub items: Vec<Item>,
}

impl Usage {
    /// The bytes of what builds have left.
    pub fn cache_bytes(&self) -> u64 {
        self.items.iter().map(|item| item.size).sum()
    }
}
