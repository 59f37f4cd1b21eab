//! What can go wrong while looking.

use std::io;
use std::path::PathBuf;

use wharf_oci::Digest;

/// Why a scan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer's blob could not be opened or read.
    #[error("reading layer {digest}")]
    Layer {
        /// The layer.
        digest: Digest,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// A file or directory could not be read.
    #[error("reading `{path}`")]
    Path {
        /// Which.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
}
