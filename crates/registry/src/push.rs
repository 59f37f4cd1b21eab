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
/// `tags` last. A tag that names it already says that all of it is there. A blob that the origin lacks is taken from where the client knows it to be
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
        let repository = client.repository(to)?.for_writing();
        let plan = Plan::of(origin, image).await?;
        if let Some(from) = origin.repository() {
            plan.blobs.iter().for_each(|blob| client.note_blob(from, &blob.digest));
        }
        // One question, and the only one of a push with nothing new.
        let names = match tags {
            [] => vec![Name::Digest(&digest)],
            tags => tags.iter().map(|tag| Name::Tag(tag)).collect(),
        };
        let new = missing(&repository, names.iter().map(|name| (*name, plan.root()))).await?;
        let content = match new.len() < names.len() {
            true => found(&plan, &repository, progress),
            false => bring(origin, &plan, &repository, progress).await?,
        };
        for name in new.into_iter().filter(|name| matches!(name, Name::Tag(_))) {
            push_tag(&repository, name, plan.root(), progress).await?;
        }
        client.tell_warnings(progress);
        Ok(Copied { digest: digest.clone(), content })
    };
    client.within_deadline(task, work).await
}

type Content = Vec<(Digest, u64, Outcome)>;

/// What an image consists of that the repository has: a registry takes a manifest only when it has all that the
/// manifest names, so one that is there speaks for everything below it.
fn found(plan: &Plan, repository: &Repository, progress: Progress<'_>) -> Content {
    for Descriptor { digest, size, .. } in &plan.blobs {
        repository.note_blob(digest);
        let (digest, outcome) = (digest.clone(), Outcome::Existing);
        progress(Event::Finished { digest, total: *size, outcome });
    }
    let manifests = plan.manifests.iter().map(|document| &document.descriptor);
    let all = plan.blobs.iter().chain(manifests);
    all.map(|content| (content.digest.clone(), content.size, Outcome::Existing)).collect()
}

/// Brings blobs, side by side, and then manifests. What is there already is asked side by side, too.
async fn bring(
    origin: &dyn Origin,
    plan: &Plan,
    repository: &Repository,
    progress: Progress<'_>,
) -> Result<Content> {
    let blobs = stream::iter(&plan.blobs)
        .map(|blob| push_one(origin, blob, repository, progress))
        .buffer_unordered(QUESTIONS)
        .try_collect::<Vec<_>>();
    let named = plan.manifests.iter().map(|document| (Name::Digest(&document.descriptor.digest), document));
    let (mut content, missing) = future::try_join(blobs, missing(repository, named)).await?;
    for document in &plan.manifests {
        let Descriptor { digest, size, .. } = &document.descriptor;
        let outcome = if missing.contains(&Name::Digest(digest)) {
            put_soon(repository, Name::Digest(digest), document, progress).await?;
            Outcome::Transferred
        } else {
            Outcome::Existing
        };
        content.push((digest.clone(), *size, outcome));
    }
    Ok(content)
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
    let repository = client.repository(to)?.for_writing();
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
    repository: &Repository,
    name: Name<'_>,
    document: &Document,
    progress: Progress<'_>,
) -> Result<()> {
    let mut tries = repository.patience().start();
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
        let found = repository.head(name).await?;
        let is_there = found.is_some_and(|found| found.digest == document.descriptor.digest);
        Ok((!is_there).then_some(name))
    };
    let found: Vec<_> = stream::iter(wanted).map(look).buffered(QUESTIONS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Lets a tag name the image. Where that is refused, what the tag says decides, not the words of the refusal:
/// some registries refuse even the same digest again.
async fn push_tag(
    repository: &Repository,
    name: Name<'_>,
    document: &Document,
    progress: Progress<'_>,
) -> Result<()> {
    match put_soon(repository, name, document, progress).await {
        Err(error) if matches!(error.cause(), Cause::Immutable { .. }) => {
            let found = repository.head(name).await?;
            let is_ours = found.is_some_and(|found| found.digest == document.descriptor.digest);
            if is_ours { Ok(()) } else { Err(error) }
        }
        result => result,
    }
}
