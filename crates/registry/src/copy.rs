//! Images from anywhere to anywhere: registries, layouts and archives, streaming, without a copy in between.
//!
//! [`Origin`] is where an image comes from. Where it goes is one of three: [`copy_to_registry`],
//! [`copy_to_layout`] and, for files, [`ArchiveWriter`](crate::ArchiveWriter). What is there already does not
//! travel; names are given last.

mod listed;
mod origin;
mod plan;

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Descriptor, Digest, Platform};

pub(crate) use listed::IMAGE_NAME;
pub use listed::Listed;
pub use origin::Origin;
pub(crate) use origin::described;
pub(crate) use plan::Plan;

use crate::store::{Document, Parsed};
use crate::transfer::{Patience, receive};
use crate::{Cause, Error, Layout, Outcome, Progress, Result, Task};

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The digest of what was copied.
    pub digest: Digest,
    /// Every blob and manifest, its size and how it got there.
    pub content: Vec<(Digest, u64, Outcome)>,
}

impl Copied {
    /// The bytes that got there in the given way.
    pub fn bytes(&self, outcome: Outcome) -> u64 {
        self.content.iter().filter(|(_, _, how)| *how == outcome).map(|(_, size, _)| size).sum()
    }
}

/// Of an index the image for `platform`, and an image itself.
///
/// Fails with [`Cause::NoPlatform`] when the index has none.
pub async fn choose(origin: &dyn Origin, document: Document, platform: &Platform) -> Result<Document> {
    let task = || Task::new("reading", format!("image {}", document.descriptor.digest), "to copy it");
    let parsed = document
        .parse()
        .map_err(|error| Error::new(task(), Cause::Protocol(format!("it does not parse: {error}"))))?;
    let Parsed::Index(index) = parsed else { return Ok(document) };
    let Some(chosen) = index.for_platform(platform) else {
        return Err(Error::new(task(), crate::pull::no_platform(&index, platform)));
    };
    let chosen = Descriptor { platform: None, ..chosen.clone() };
    origin.document(&chosen).await
}

/// Brings the image or index into `layout`, `parallelism` blobs at once. It has no name there yet.
pub async fn copy_to_layout(
    origin: &dyn Origin,
    image: Document,
    layout: &Layout,
    parallelism: usize,
    progress: Progress<'_>,
) -> Result<Copied> {
    let plan = Plan::of(origin, image).await?;
    let patience = Patience::default();
    let mut content: Vec<_> = stream::iter(&plan.blobs)
        .map(|blob| async {
            let source = origin.content(blob);
            let outcome = receive(layout, blob, source.as_ref(), &patience, progress).await?;
            Ok::<_, Error>((blob.digest.clone(), blob.size, outcome))
        })
        .buffer_unordered(parallelism.max(1))
        .try_collect()
        .await?;
    for document in &plan.manifests {
        let Descriptor { digest, size, .. } = &document.descriptor;
        let outcome = if layout.has(digest) { Outcome::Existing } else { Outcome::Transferred };
        layout.put_as(digest, &document.bytes).map_err(|error| {
            let place = format!("in `{}`", layout.root().display());
            Error::new(Task::new("storing", format!("manifest {digest}"), place), error)
        })?;
        content.push((digest.clone(), *size, outcome));
    }
    Ok(Copied { digest: plan.root().descriptor.digest.clone(), content })
}
