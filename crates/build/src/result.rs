//! What a build gives.

use std::time::Duration;

use wharf_oci::{Descriptor, Digest, ImageConfig, Manifest, Platform};

/// A finished build. Everything it names is in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildResult {
    /// The image: its manifest, or the index of one image per platform.
    pub image: Descriptor,
    /// The images it is made of, in the order of the platforms asked for; at least one.
    pub images: Vec<Image>,
    /// What each output of the request is: an image or an index.
    pub outputs: Vec<Descriptor>,
    /// The provenance of the first image, where it was asked for.
    pub provenance: Option<serde_json::Value>,
    /// What came of each `--cache-to`, but for those in the image.
    pub caches: Vec<CacheExport>,
    /// What a person should put right.
    pub warnings: Vec<String>,
    /// Steps whose layer was in the cache.
    pub cached: usize,
    /// Steps that ran.
    pub executed: usize,
    /// Where the time went.
    pub timings: Timings,
}

/// A cache that was to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheExport {
    /// Where to.
    pub place: String,
    /// Its manifest.
    pub manifest: Option<Descriptor>,
    /// Why it was not written.
    pub failure: Option<String>,
}

/// The image for one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The platform.
    pub platform: Platform,
    /// Its manifest's descriptor.
    pub descriptor: Descriptor,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its config.
    pub config: ImageConfig,
    /// The digest of the config, which docker calls the image ID.
    pub config_digest: Digest,
    /// Its layers, lowest first.
    pub layers: Vec<ImageLayer>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLayer {
    /// The blob.
    pub blob: Descriptor,
    /// The digest of its tar stream.
    pub diff_id: Digest,
    /// The instruction that made it, as the history says.
    pub created_by: String,
    /// It came with the base image.
    pub base: bool,
}

/// Where the time of a build went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Reading the Dockerfile, resolving base images and planning.
    pub plan: Duration,
    /// Working through the steps.
    pub steps: Duration,
    /// Waiting for the last layers, writing manifest and outputs.
    pub export: Duration,
}
