//! From a registry into a layout.

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Descriptor, Manifest, Platform, Reference};

use crate::store::{Document, Name, Parsed, Source, Store};
use crate::transfer::receive;
use crate::{Cause, Client, Error, Layout, LayoutError, Outcome, Progress, Repository, Result, Task};

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
///
/// A reference with a digest is looked up by the digest alone. What the layout has already is not fetched.
/// Fails with [`Cause::NotFound`] or [`Cause::NoPlatform`] when there is no such image.
pub async fn resolve(
    client: &Client,
    reference: &Reference,
    platform: &Platform,
    layout: &Layout,
) -> Result<Pulled> {
    let task = || task(reference);
    let work = async {
        let repository = client.mirrored(reference)?;
        let root = find_root(&repository, reference, layout).await?;
        let parsed = parse(&root).map_err(|cause| Error::new(task(), cause))?;
        let (document, index) = match &parsed {
            Parsed::Manifest(_) => (root.clone(), None),
            Parsed::Index(index) => {
                let Some(chosen) = index.for_platform(platform) else {
                    return Err(Error::new(task(), no_platform(index, platform)));
                };
                (fetch_document(&repository, &chosen.digest, layout).await?, Some(root.descriptor.clone()))
            }
        };
        let Parsed::Manifest(manifest) = parse(&document).map_err(|cause| Error::new(task(), cause))? else {
            return Err(Error::new(task(), Cause::Protocol("an index in it leads to another index".into())));
        };
        receive_blob(client, &repository, reference, &manifest.config, layout, &|_| {}).await?;
        let config = layout.read(&manifest.config.digest).map_err(|error| Error::new(task(), error))?;
        Ok(Pulled { descriptor: document.descriptor, index, manifest, config })
    };
    client.within_deadline(task, work).await
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
    let task = || Task::blob("pulling", blob, format!("from {}", reference.name()));
    let repository = client.mirrored(reference)?;
    let work = receive_blob(client, &repository, reference, blob, layout, progress);
    client.within_deadline(task, work).await
}

/// Brings a whole image into `layout`.
pub async fn pull(
    client: &Client,
    reference: &Reference,
    platform: &Platform,
    layout: &Layout,
    progress: Progress<'_>,
) -> Result<Pulled> {
    let work = async {
        let pulled = resolve(client, reference, platform, layout).await?;
        let repository = client.mirrored(reference)?;
        let parallelism = client.settings().parallelism;
        stream::iter(pulled.manifest.layers.iter().filter(|layer| layer.urls.is_empty()))
            .map(|layer| receive_blob(client, &repository, reference, layer, layout, progress))
            .buffer_unordered(parallelism.max(1))
            .try_for_each(|_| std::future::ready(Ok(())))
            .await?;
        client.tell_warnings(progress);
        Ok(pulled)
    };
    client.within_deadline(|| task(reference), work).await
}

fn task(reference: &Reference) -> Task {
    let name = match (reference.digest(), reference.tag_or_latest()) {
        (Some(digest), _) => format!("image {digest}"),
        (None, tag) => format!("image {}", tag.unwrap_or_default()),
    };
    Task::new("pulling", name, format!("from {}", reference.name()))
}

/// What the reference names; by digest it may be here already.
async fn find_root(repository: &Repository, reference: &Reference, layout: &Layout) -> Result<Document> {
    match (reference.digest(), reference.tag_or_latest()) {
        (Some(digest), _) => fetch_document(repository, digest, layout).await,
        (None, tag) => fetch(repository, Name::Tag(tag.unwrap_or("latest")), layout).await,
    }
}

/// A manifest by digest, from the layout if it is there and intact.
async fn fetch_document(
    repository: &Repository,
    digest: &wharf_oci::Digest,
    layout: &Layout,
) -> Result<Document> {
    match layout.read(digest) {
        Ok(bytes) => {
            let mut document = Document::new(crate::media_type::of_document(&bytes), bytes);
            document.descriptor.digest = digest.clone();
            Ok(document)
        }
        Err(LayoutError::Missing { .. } | LayoutError::Corrupt { .. }) => {
            fetch(repository, Name::Digest(digest), layout).await
        }
        Err(error) => {
            Err(Error::new(Task::new("reading", format!("manifest {digest}"), "in the store"), error))
        }
    }
}

async fn fetch(repository: &Repository, name: Name<'_>, layout: &Layout) -> Result<Document> {
    let task = || Task::new("pulling", format!("manifest {name}"), format!("from {}", repository.place()));
    let document = repository.manifest(name).await?;
    let document = document.ok_or_else(|| Error::new(task(), Cause::NotFound { message: String::new() }))?;
    layout.put_as(&document.descriptor.digest, &document.bytes).map_err(|error| Error::new(task(), error))?;
    Ok(document)
}

fn parse(document: &Document) -> Result<Parsed, Cause> {
    document
        .parse()
        .map_err(|error| Cause::Protocol(format!("{} does not parse: {error}", document.descriptor.digest)))
}

pub(crate) fn no_platform(index: &wharf_oci::Index, wanted: &Platform) -> Cause {
    let offered = index.manifests.iter().filter_map(|entry| entry.platform.as_ref()).map(ToString::to_string);
    Cause::NoPlatform {
        platform: wanted.to_string(),
        available: offered.filter(|platform| !platform.starts_with("unknown")).collect(),
    }
}

async fn receive_blob(
    client: &Client,
    repository: &Repository,
    reference: &Reference,
    blob: &Descriptor,
    layout: &Layout,
    progress: Progress<'_>,
) -> Result<Outcome> {
    let _permit = repository.origin().downloads.acquire().await;
    let source = repository.blob(blob);
    let outcome = receive(layout, blob, source.as_ref() as &dyn Source, &client.patience(), progress).await?;
    if outcome == Outcome::Transferred {
        client.note_blob(reference, &blob.digest);
    }
    Ok(outcome)
}
