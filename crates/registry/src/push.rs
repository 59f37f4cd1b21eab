//! From a layout to a registry.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, future, stream};
use wharf_oci::{Descriptor, Digest, Reference, media};

use crate::store::{Condition, Document, Name, Parsed, Store};
use crate::{Cause, Client, Error, Layout, Outcome, Progress, Repository, Result, Task, media_type};

/// How many small questions are asked at once; what travels is limited by the settings.
const QUESTIONS: usize = 32;
/// An index in an index in an index is nobody's image.
const DEPTH_MAX: usize = 8;

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest that all the tags name.
    pub digest: Digest,
    /// Every blob and manifest, its size and how it got there.
    pub content: Vec<(Digest, u64, Outcome)>,
}

impl Pushed {
    /// The bytes that got there in the given way.
    pub fn bytes(&self, outcome: Outcome) -> u64 {
        self.content.iter().filter(|(_, _, how)| *how == outcome).map(|(_, size, _)| size).sum()
    }
}

/// Brings the image or index of `image` from `layout` to the repository of `to`: blobs first, side by side,
/// then manifests, and the `tags` last. What is there already is not sent; a tag that names the image already
/// is not written, so pushing twice is harmless even where tags may not change.
///
/// Fails with [`Cause::Corrupt`] when a blob of the layout is not what it should be, and with
/// [`Cause::Immutable`] when a tag names something else and may not move.
pub async fn push(
    layout: &Layout,
    image: &Descriptor,
    client: &Client,
    to: &Reference,
    tags: &[String],
    progress: Progress<'_>,
) -> Result<Pushed> {
    let task = || Task::new("pushing", format!("image {}", image.digest), format!("to {}", to.name()));
    let work = async {
        let repository = client.repository(to)?;
        let plan = Plan::of(layout, image).map_err(|cause| Error::new(task(), cause))?;
        let blobs = stream::iter(&plan.blobs)
            .map(|blob| push_one(layout, blob, &repository, progress))
            .buffer_unordered(QUESTIONS)
            .try_collect::<Vec<_>>();
        // What is there already is asked side by side, so that a push with nothing new takes one round trip.
        let (mut content, documents, tags) = future::try_join3(
            blobs,
            missing(&repository, plan.manifests.iter().map(|d| (Name::Digest(&d.descriptor.digest), d))),
            missing(&repository, tags.iter().map(|tag| (Name::Tag(tag), plan.root()))),
        )
        .await?;
        for document in &plan.manifests {
            let Descriptor { digest, size, .. } = &document.descriptor;
            let outcome = if documents.contains(&Name::Digest(digest)) {
                repository.put_manifest(Name::Digest(digest), document, Condition::Always).await?;
                Outcome::Transferred
            } else {
                Outcome::Existing
            };
            content.push((digest.clone(), *size, outcome));
        }
        for tag in tags {
            push_tag(&repository, tag, plan.root()).await?;
        }
        client.tell_warnings(progress);
        Ok(Pushed { digest: image.digest.clone(), content })
    };
    client.within_deadline(task, work).await
}

/// Brings one blob to the repository of `to`, ahead of any manifest.
pub async fn push_blob(
    layout: &Layout,
    blob: &Descriptor,
    client: &Client,
    to: &Reference,
    progress: Progress<'_>,
) -> Result<Outcome> {
    let task = || Task::blob("pushing", blob, format!("to {}", to.name()));
    let repository = client.repository(to)?;
    let work = push_one(layout, blob, &repository, progress);
    let (_, _, outcome) = client.within_deadline(task, work).await?;
    Ok(outcome)
}

/// What has to be where before what.
struct Plan<'a> {
    blobs: Vec<Descriptor>,
    /// Those that are pointed at before those that point at them; the image itself is the last.
    manifests: Vec<Document>,
    layout: &'a Layout,
    seen: HashSet<Digest>,
}

impl<'a> Plan<'a> {
    fn of(layout: &'a Layout, image: &Descriptor) -> Result<Self, Cause> {
        let mut plan = Self { blobs: Vec::new(), manifests: Vec::new(), layout, seen: HashSet::new() };
        plan.add(image, 0)?;
        Ok(plan)
    }

    fn add(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), Cause> {
        if !self.seen.insert(descriptor.digest.clone()) {
            return Ok(());
        }
        let bytes = self.layout.read(&descriptor.digest)?;
        let document = Document { descriptor: descriptor.clone(), bytes: bytes.into() };
        let parsed = document
            .parse()
            .map_err(|error| Cause::Protocol(format!("the manifest does not parse: {error}")))?;
        match &parsed {
            Parsed::Manifest(_) => {
                for blob in parsed.children().into_iter().filter(|child| child.urls.is_empty()) {
                    if self.seen.insert(blob.digest.clone()) {
                        self.blobs.push(blob.clone());
                    }
                }
            }
            Parsed::Index(index) => {
                if depth >= DEPTH_MAX {
                    return Err(Cause::Protocol("it is an index in an index in an index".into()));
                }
                for child in &index.manifests {
                    self.add(child, depth + 1)?;
                }
            }
        }
        self.manifests.push(with_media_type(document));
        Ok(())
    }

    fn root(&self) -> &Document {
        &self.manifests[self.manifests.len() - 1]
    }
}

/// A registry wants to hear what a manifest is, and the descriptor that led to it may not say.
fn with_media_type(mut document: Document) -> Document {
    let declared = &document.descriptor.media_type;
    if !media::is_index(declared) && !media::is_manifest(declared) {
        document.descriptor.media_type = media_type::of_document(&document.bytes);
    }
    document
}

async fn push_one(
    layout: &Layout,
    blob: &Descriptor,
    repository: &Repository,
    progress: Progress<'_>,
) -> Result<(Digest, u64, Outcome)> {
    let source = layout.blob(blob);
    let outcome = repository.push_blob(blob, source.as_ref(), progress).await?;
    Ok((blob.digest.clone(), blob.size, outcome))
}

/// The names that do not name their documents yet, in the order given.
async fn missing<'a>(
    repository: &Repository,
    wanted: impl Iterator<Item = (Name<'a>, &'a Document)>,
) -> Result<Vec<Name<'a>>> {
    let look = |(name, document): (Name<'a>, &'a Document)| async move {
        let found = repository.head(name).await?;
        let is_there = found.is_some_and(|found| found.digest == document.descriptor.digest);
        Ok((!is_there).then_some(name))
    };
    let found: Vec<_> = stream::iter(wanted).map(look).buffered(QUESTIONS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Lets a tag name the image. Where that is refused, what the tag says decides, not the words of the refusal:
/// some registries refuse even the same digest again.
async fn push_tag(repository: &Repository, name: Name<'_>, document: &Document) -> Result<()> {
    match repository.put_manifest(name, document, Condition::Always).await {
        Err(error) if matches!(error.cause(), Cause::Immutable { .. }) => {
            let found = repository.head(name).await?;
            let is_ours = found.is_some_and(|found| found.digest == document.descriptor.digest);
            if is_ours { Ok(()) } else { Err(error) }
        }
        result => result,
    }
}
