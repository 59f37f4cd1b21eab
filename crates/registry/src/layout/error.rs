//! What can go wrong with files of a layout.

use std::path::{Path, PathBuf};

use wharf_oci::Digest;

/// A failure of an OCI layout on disk.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The operating system refused; `source` tells a full disk from a missing permission.
    #[error("{action} `{}` failed", path.display())]
    Io {
        /// What was being done, such as `writing`.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The blob is not there.
    #[error("blob {digest} is not in the store `{}`", root.display())]
    Missing {
        /// Which blob.
        digest: Digest,
        /// In which layout.
        root: PathBuf,
    },
    /// The blob is there, but its bytes are not what its name says. [`Layout::discard`](crate::Layout::discard)
    /// removes it so that it can be fetched again.
    #[error("blob {digest} in `{}` is corrupt: its content is {found}", root.display())]
    Corrupt {
        /// Which blob.
        digest: Digest,
        /// What was found instead: another digest, or another size.
        found: String,
        /// In which layout.
        root: PathBuf,
    },
    /// The content was to be read into memory and is larger than a document may be.
    #[error("blob {digest} of {size} bytes is larger than a document may be ({limit} bytes)")]
    TooLarge {
        /// Which blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The most that is read into memory.
        limit: u64,
    },
    /// A JSON document of the layout does not parse.
    #[error("`{}` is not what it should be", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// What was to be stored as a manifest is none.
    #[error("{digest} is neither a manifest nor an index")]
    Invalid {
        /// Which content.
        digest: Digest,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The tag exists, and the condition was that it does not.
    #[error("tag `{name}` exists already in `{}`", root.display())]
    Taken {
        /// Which tag.
        name: String,
        /// In which layout.
        root: PathBuf,
    },
    /// The directory is something else.
    #[error("`{}` is not an OCI image layout (version 1.0.0)", path.display())]
    NotALayout {
        /// Which directory.
        path: PathBuf,
    },
    /// The digest's algorithm is one that wharf cannot check.
    #[error("digest {digest} uses an algorithm other than sha256 and sha512")]
    Algorithm {
        /// Which digest.
        digest: Digest,
    },
}

impl LayoutError {
    /// Whether the file system is out of space (or the quota is used up).
    pub fn is_disk_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

/// Says what was done to which file when the system refused.
pub(crate) trait Doing<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, LayoutError>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, LayoutError> {
        self.map_err(|source| LayoutError::Io { action, path: path.into(), source })
    }
}
