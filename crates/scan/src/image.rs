//! Images: what is needed of them, what one layer holds, and how layers add up.

mod layer;
mod merge;
mod provenance;

use std::io::{self, Read};

use crate::practice::BuildContext;
use wharf_oci::{Descriptor, Digest, ImageConfig, Manifest};

pub use layer::{DirectoryRecord, FileRecord, LayerReport};
pub(crate) use merge::Stack;
pub(crate) use provenance::Provenance;

/// Opens the blob of a descriptor, as it is stored: compressed, and verified by whoever opens it.
pub type OpenBlob<'a> = &'a (dyn Fn(&Descriptor) -> io::Result<Box<dyn Read + Send>> + Sync);

/// An image whose blobs can be opened.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// As the user called it.
    pub name: &'a str,
    /// The digest of its manifest.
    pub digest: &'a Digest,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its config.
    pub config: &'a ImageConfig,
    /// The Dockerfile that it was built from, where that is known.
    pub dockerfile: Option<DockerfileSource<'a>>,
}

/// A Dockerfile.
#[derive(Debug, Clone, Copy)]
pub struct DockerfileSource<'a> {
    /// Its path relative to the repository, for reports.
    pub path: &'a str,
    /// Its text.
    pub text: &'a [u8],
    /// What its build is sent, where that is known.
    pub context: Option<&'a BuildContext>,
}
