//! What can go wrong between a tree and a layer, always with the path or the entry it happened to.

use std::{
    io,
    path::{Path, PathBuf},
};

use wharf_oci::Digest;

/// An error of this crate. `action` reads on from "error": `creating`, `reading`, `linking` …
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call on the file system failed.
    #[error("{action} {}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file, absolute or relative to the tree being read or written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Reading or writing the layer's own bytes failed: the input broke off or the output is full.
    #[error("{action}")]
    Stream {
        /// What was being done, with its object: `reading the layer`.
        action: &'static str,
        /// What the reader or the writer said.
        #[source]
        source: io::Error,
    },
    /// The bytes are not a tar archive that means anything.
    #[error("malformed tar archive at {}: {reason}", place(entry))]
    Malformed {
        /// The entry, as far as its name is known.
        entry: Option<PathBuf>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A hard link names a file that the layer does not contain.
    #[error("{} is a hard link to {}, which the layer does not contain", entry.display(), target.display())]
    AbsentLinkTarget {
        /// The entry.
        entry: PathBuf,
        /// What it wants to be a link to.
        target: PathBuf,
    },
    /// The layer is larger than the caller allows.
    #[error("{} takes the layer past the limit of {limit} {unit}", entry.display())]
    LimitExceeded {
        /// The entry that was one too many.
        entry: PathBuf,
        /// The limit.
        limit: u64,
        /// What is counted: `entries`, `bytes` or `bytes for every compressed byte`.
        unit: &'static str,
    },
    /// The tree has something that no layer can express.
    #[error("{}: {reason}", path.display())]
    Unrepresentable {
        /// The file in the tree.
        path: PathBuf,
        /// What a layer cannot express.
        reason: &'static str,
    },
    /// A file changed size while it was being read.
    #[error("{} changed while it was being read: {expected} bytes announced, {actual} bytes found", entry.display())]
    SizeChanged {
        /// The entry.
        entry: PathBuf,
        /// The size in its header.
        expected: u64,
        /// How many bytes there were.
        actual: u64,
    },
    /// The bytes are not the ones that the digest names.
    #[error("expected {expected}, found {actual}")]
    DigestMismatch {
        /// The digest asked for.
        expected: Digest,
        /// The digest of what was read.
        actual: Digest,
    },
}

fn place(entry: &Option<PathBuf>) -> std::path::Display<'_> {
    entry.as_deref().unwrap_or(Path::new("its start")).display()
}

impl Error {
    /// The error number behind this error, for choosing a hint (`ENOSPC`, `EPERM` …).
    pub fn os_error(&self) -> Option<i32> {
        match self {
            Self::File { source, .. } | Self::Stream { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.into();
        move |errno| Self::File { action, path, source: errno.into() }
    }

    pub(crate) fn stream(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Stream { action, source }
    }
}
