//! From a registry into a layout.

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Descriptor, Digest, Manifest, Platform, Reference};

use crate::repository::Reading;
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
        stream::iter(pulled.manifest.layers.iter().filter(|layer| layer.urls.is_empty()))
            .map(|layer| receive_blob(client, &repository, reference, layer, layout, progress))
            .buffer_unordered(client.parallelism())
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
        (None, tag) => fetch_tag(repository, tag.unwrap_or("latest"), layout).await,
    }
}

/// What a tag names. The registry is told what it named the last time if that is here still, and need not send it again.
async fn fetch_tag(repository: &Repository, tag: &str, layout: &Layout) -> Result<Document> {
    let name = format!("{}:{tag}", repository.place());
    let known = layout.seen(&name).and_then(|digest| kept(layout, digest).ok());
    let digest = known.as_ref().map(|document| &document.descriptor.digest);
    let document = match (repository.manifest_unless(Name::Tag(tag), digest).await?, known) {
        (Some(Reading::Unchanged), Some(known)) => known,
        (Some(Reading::Document(document)), _) => *document,
        _ => return Err(not_found(repository, Name::Tag(tag))),
    };
    store(&document, repository, layout)?;
    layout.saw(&name, &document.descriptor.digest);
    Ok(document)
}

/// A manifest by digest, from the layout if it is there and intact.
async fn fetch_document(repository: &Repository, digest: &Digest, layout: &Layout) -> Result<Document> {
    match kept(layout, digest.clone()) {
        Ok(document) => Ok(document),
        Err(LayoutError::Missing { .. } | LayoutError::Corrupt { .. }) => {
            let name = Name::Digest(digest);
            let document = repository.manifest(name).await?.ok_or_else(|| not_found(repository, name))?;
            store(&document, repository, layout)?;
            Ok(document)
        }
        Err(error) => {
            Err(Error::new(Task::new("reading", format!("manifest {digest}"), "in the store"), error))
        }
    }
}

/// A manifest that is in the layout.
fn kept(layout: &Layout, digest: Digest) -> Result<Document, LayoutError> {
    let bytes = layout.read(&digest)?;
    let mut document = Document::new(crate::media_type::of_document(&bytes), bytes);
    document.descriptor.digest = digest;
    Ok(document)
}

fn store(document: &Document, repository: &Repository, layout: &Layout) -> Result<()> {
    let digest = &document.descriptor.digest;
    let stored = layout.put_as(digest, &document.bytes);
    stored.map_err(|error| Error::new(pulling(repository, Name::Digest(digest)), error))
}

fn pulling(repository: &Repository, name: Name<'_>) -> Task {
    Task::new("pulling", format!("manifest {name}"), format!("from {}", repository.place()))
}

fn not_found(repository: &Repository, name: Name<'_>) -> Error {
    Error::new(pulling(repository, name), Cause::NotFound { message: String::new() })
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
    let source = repository.blob(blob);
    let outcome = receive(layout, blob, source.as_ref() as &dyn Source, &client.patience(), progress).await?;
    if outcome == Outcome::Transferred {
        client.note_blob(reference, &blob.digest);
    }
    Ok(outcome)
}
