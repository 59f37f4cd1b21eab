//! Build caches that travel: read before a build, written after it, in BuildKit's format.
//!
//! - [`document`]: the cache config, `application/vnd.buildkit.cacheconfig.v0`, as bytes and values;
//! - [`Imports`]: what the caches of `--cache-from` know, looked up by the key of a step;
//! - [`export`]: the steps of a build and their layers, to the places of `--cache-to`.
//!
//! Invariants:
//! - a cache that cannot be read or written is a warning, never a failed build;
//! - the layers of a cache are known by descriptor only; their bytes come when a step needs the files;
//! - nothing of a cache is believed but where a layer is: its bytes are checked against its digest.

mod blobs;
pub mod document;
mod export;
mod import;
mod steps;

use std::path::PathBuf;

use wharf_layer::Compression;
use wharf_oci::{Digest, Reference};

pub(crate) use blobs::note_origins;
pub(crate) use export::{Told, export, inline};
pub(crate) use import::Imports;
pub(crate) use steps::Made;

/// Where a cache is read from, one `--cache-from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheSource {
    /// `type=registry`, and `type=inline`: a cache, or an image that has one in its config.
    Registry(Reference),
    /// `type=local`: an OCI layout.
    Local {
        /// The directory.
        path: PathBuf,
        /// Under which name the cache is there.
        tag: String,
        /// Which one it is, whatever the name says.
        digest: Option<Digest>,
    },
}

/// Where a cache is written to, one `--cache-to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTarget {
    /// Where.
    pub place: CachePlace,
    /// The layers of all stages are in it, not only those of the image.
    pub all_stages: bool,
    /// It is an image manifest, which every registry takes; otherwise an index of layers, as BuildKit wrote
    /// before 0.21.
    pub image_manifest: bool,
    /// Its manifest has OCI's media type; otherwise Docker's.
    pub oci_media_types: bool,
    /// How new layers are compressed in it; `None` is as in the image, and as it comes where they are in none.
    pub compression: Option<Compression>,
    /// All layers are brought into `compression`, those of base images, too.
    pub force_compression: bool,
}

impl CacheTarget {
    /// How layers of stages that only help along are compressed in it, where somebody asked or has to be asked:
    /// OCI's media types say of each layer how it is compressed, and who reads them knows zstd; with Docker's,
    /// layers are as in the image, `image`. Otherwise they travel as they are.
    pub(crate) fn compression_of_helpers(&self, image: Compression) -> Option<Compression> {
        self.compression.or((!self.oci_media_types).then_some(image))
    }
}

/// The places of caches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// `type=registry`.
    Registry(Reference),
    /// `type=local`: an OCI layout.
    Local {
        /// The directory.
        path: PathBuf,
        /// The name of the cache in it.
        tag: String,
    },
    /// `type=inline`: the config of the image.
    Inline,
}

impl std::fmt::Display for CacheSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Local { path, .. } => write!(f, "`{}`", path.display()),
        }
    }
}

impl std::fmt::Display for CachePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Local { path, .. } => write!(f, "`{}`", path.display()),
            Self::Inline => f.write_str("the image"),
        }
    }
}
