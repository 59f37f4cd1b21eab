//! From a registry into a layout.

use wharf_oci::{Descriptor, Manifest, Platform, Reference};

use crate::{Client, Layout, Outcome, Progress, Result};

/// An image whose manifest and config are in the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The manifest of the image for the platform.
    pub descriptor: Descriptor,
    /// The index it was chosen from, if the name led to one.
    pub index: Option<Descriptor>,
    /// What the manifest says.
    pub manifest: Manifest,
    /// The image config as it came.
    pub config: Vec<u8>,
}

/// Finds the image for `platform` and brings manifest and config into `layout`; layers stay where they are.
pub async fn resolve(
    client: &Client,
    reference: &Reference,
    platform: &Platform,
    layout: &Layout,
) -> Result<Pulled> {
    let _ = (client, reference, platform, layout);
    unreachable!()
}

/// Brings one blob into `layout`, unless it is there. Several processes may want the same blob at once: one
/// fetches it, the others wait for it.
pub async fn fetch_blob(
    client: &Client,
    reference: &Reference,
    blob: &Descriptor,
    layout: &Layout,
    progress: Progress<'_>,
) -> Result<Outcome> {
    let _ = (client, reference, blob, layout, progress);
    unreachable!()
}

/// Brings a whole image into `layout`.
pub async fn pull(
    client: &Client,
    reference: &Reference,
    platform: &Platform,
    layout: &Layout,
    progress: Progress<'_>,
) -> Result<Pulled> {
    let _ = (client, reference, platform, layout, progress);
    unreachable!()
}
