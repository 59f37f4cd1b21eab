//! Images in a tar file: OCI's archive (a layout in a tar) and docker's (`docker save`), which today is the same
//! with one more index.
//!
//! [`ArchiveWriter`] writes both as one stream. [`Archive`] reads both, and the form that docker wrote for its
//! first ten years, in place: nothing is unpacked, and blobs are streamed out of the middle of the file.

mod docker;
mod read;
mod write;

use std::path::PathBuf;

use wharf_oci::Digest;

pub use read::Archive;
pub use write::ArchiveWriter;

const INDEX_FILE: &str = "index.json";
const LAYOUT_FILE: &str = "oci-layout";
const DOCKER_FILE: &str = "manifest.json";

/// A failure of an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The operating system refused, or the tar is damaged.
    #[error("{action} `{}` failed", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// It is a tar, and no image is in it.
    #[error("`{}` is no image archive: {reason}", path.display())]
    NoImages {
        /// Which file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// An index in it points at something that is not in it.
    #[error("{digest} is not in the archive `{}`", path.display())]
    Missing {
        /// What is missing.
        digest: Digest,
        /// From which file.
        path: PathBuf,
    },
}

/// The name of a blob's file in a layout.
fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.digest())
}
