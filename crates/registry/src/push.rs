//! From a layout to a registry.

use wharf_oci::{Descriptor, Digest, Reference};

use crate::{Client, Layout, Outcome, Progress, Result};

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest that all the tags name.
    pub digest: Digest,
    /// Every blob and manifest, its size and how it got there.
    pub blobs: Vec<(Digest, u64, Outcome)>,
}

impl Pushed {
    /// The bytes that got there in the given way.
    pub fn bytes(&self, outcome: Outcome) -> u64 {
        self.blobs.iter().filter(|(_, _, how)| *how == outcome).map(|(_, size, _)| size).sum()
    }
}

/// Brings the image or index of `image` from `layout` to the repository of `to`: blobs first, side by side,
/// then manifests, and the `tags` last.
pub async fn push(
    layout: &Layout,
    image: &Descriptor,
    client: &Client,
    to: &Reference,
    tags: &[String],
    progress: Progress<'_>,
) -> Result<Pushed> {
    let _ = (layout, image, client, to, tags, progress);
    unreachable!()
}

/// Brings one blob to the repository of `to`, ahead of any manifest.
pub async fn push_blob(
    layout: &Layout,
    blob: &Descriptor,
    client: &Client,
    to: &Reference,
    progress: Progress<'_>,
) -> Result<Outcome> {
    let _ = (layout, blob, client, to, progress);
    unreachable!()
}
