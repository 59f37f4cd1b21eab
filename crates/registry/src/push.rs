//! To a registry.

use futures_util::{StreamExt, TryStreamExt, future, stream};
use wharf_oci::{Descriptor, Digest, Reference};

use crate::copy::{Copied, Origin, Plan};
use crate::store::{Condition, Document, Name, Store};
use crate::{Cause, Client, Event, Layout, Outcome, Progress, Repository, Result, Task, answer};

/// How many small questions are asked at once; what travels is limited by the settings.
const QUESTIONS: usize = 32;

/// Brings the image or index of `image` from `layout` to the repository of `to`; see [`copy_to_registry`].
pub async fn push(
    layout: &Layout,
    image: &Descriptor,
    client: &Client,
    to: &Reference,
    tags: &[String],
    progress: Progress<'_>,
) -> Result<Copied> {
    let document = layout.document(image).await?;
    copy_to_registry(layout, document, client, to, tags, progress).await
}

/// Brings an image or index to the repository of `to`: blobs first, side by side, then manifests, and the
/// `tags` last. A blob that the origin lacks is taken from where the client knows it to be
/// ([`Client::note_blob`]). What is there already is not sent; a tag that names the image already is not written, so
/// doing it twice is harmless even where tags may not change.
///
/// Fails with [`Cause::Corrupt`] when a blob is not what it should be, and with [`Cause::Immutable`] when a tag
/// names something else and may not move.
pub async fn copy_to_registry(
    origin: &dyn Origin,
    image: Document,
    client: &Client,
    to: &Reference,
    tags: &[String],
    progress: Progress<'_>,
) -> Result<Copied> {
    let digest = image.descriptor.digest.clone();
    let task = || Task::new("pushing", format!("image {digest}"), format!("to {}", to.name()));
    let work = async {
        let repository = client.repository(to)?;
        let plan = Plan::of(origin, image).await?;
        if let Some(from) = origin.repository() {
            plan.blobs.iter().for_each(|blob| client.note_blob(from, &blob.digest));
        }
        let blobs = stream::iter(&plan.blobs)
            .map(|blob| push_one(origin, blob, &repository, progress))
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
                put_soon(client, &repository, document, progress).await?;
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
        Ok(Copied { digest: digest.clone(), content })
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

async fn push_one(
    origin: &dyn Origin,
    blob: &Descriptor,
    repository: &Repository,
    progress: Progress<'_>,
) -> Result<(Digest, u64, Outcome)> {
    let source = match (origin.lacks(&blob.digest), repository.whereabouts(&blob.digest)) {
        (true, Some(elsewhere)) => elsewhere?.blob(blob),
        _ => origin.content(blob),
    };
    let outcome = repository.push_blob(blob, source.as_ref(), progress).await?;
    Ok((blob.digest.clone(), blob.size, outcome))
}

/// Stores a manifest. What it points at has been stored; a registry that does not see that yet will soon.
async fn put_soon(
    client: &Client,
    repository: &Repository,
    document: &Document,
    progress: Progress<'_>,
) -> Result<()> {
    let name = Name::Digest(&document.descriptor.digest);
    let mut tries = client.patience().start();
    loop {
        let Err(error) = repository.put_manifest(name, document, Condition::Always).await else {
            return Ok(());
        };
        let early =
            matches!(error.cause(), Cause::Refused { code: Some(code), .. } if code == answer::BLOB_MISSING);
        let Some(wait) = tries.wait(error.cause()).filter(|_| early) else { return Err(error) };
        progress(Event::Retrying { what: error.to_string(), cause: error.cause().to_string(), wait });
        tokio::time::sleep(wait).await;
    }
}

/// The names that do not name their documents yet, in the order given.
async fn missing<'a>(
    repository: &Repository,
    wanted: impl Iterator<Item = (Name<'a>, &'a Document)>,
) -> Result<Vec<Name<'a>>> {
    let look = |(name, document): (Name<'a>, &'a Document)| async move {
        let found = repository.look_up_manifest(name, &["pull", "push"]).await?;
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
