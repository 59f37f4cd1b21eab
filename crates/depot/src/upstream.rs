//! A cache of another registry: what is asked for and not here is fetched there, handed on while it is stored, and
//! from then on is here. When the other registry cannot be asked, what is here is the answer.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::{ACCEPT_RANGES, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, StatusCode};
use tokio::sync::mpsc;
use wharf_oci::{Descriptor, Digest, MediaType, Reference};
use wharf_registry::{
    BlobStream, Cause, Claim, Client, Document, Error, Layout, Name, Partial, Repository, Store,
};

use crate::blobs::{CONTENT_DIGEST, set};
use crate::depot::blocking;
use crate::problem::{Code, Problem};
use crate::range;
use crate::repositories::Repositories;

/// The registry that is cached, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Upstream {
    client: Client,
    registry: String,
}

impl Upstream {
    /// A cache of `registry`. The client's mirrors are not asked: this may be one of them.
    pub fn new(client: Client, registry: impl Into<String>) -> Self {
        Self { client, registry: registry.into() }
    }

    /// Which registry it is.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    fn repository(&self, name: &str) -> Result<Repository, Problem> {
        let reference = format!("{}/{name}", self.registry).parse::<Reference>();
        let reference = reference.map_err(|error| Problem::new(Code::NameInvalid, error.to_string()))?;
        self.client.repository(&reference).map_err(problem)
    }

    /// Brings the manifest here, or finds out that the one that is here is still right.
    pub(crate) async fn refresh(
        &self,
        repositories: &Repositories,
        name: &str,
        wanted: Name<'_>,
    ) -> Result<(), Problem> {
        let here = match repositories.get(name)? {
            Some(layout) => layout.manifest_descriptor(wanted)?,
            None => None,
        };
        if matches!(wanted, Name::Digest(_)) && here.is_some() {
            return Ok(());
        }
        let repository = self.repository(name)?;
        let there = match repository.head(wanted).await {
            Ok(Some(there)) => there,
            // What is gone there is not served from here any more under its tag.
            Ok(None) => return forget(repositories, name, wanted),
            Err(error) if here.is_some() && is_passing(&error) => return Ok(()),
            Err(error) => return Err(problem(error)),
        };
        if here.is_some_and(|here| here.digest == there.digest) {
            return Ok(());
        }
        let document = repository.manifest(Name::Digest(&there.digest)).await.map_err(problem)?;
        let Some(document) = document else { return Ok(()) };
        let (repositories, name) = (repositories.clone(), name.to_owned());
        let tag = match wanted {
            Name::Tag(tag) => Some(tag.to_owned()),
            Name::Digest(_) => None,
        };
        blocking(move || keep(&repositories.create(&name)?, &document, tag.as_deref())).await
    }

    /// The tags there; `None` when it cannot be asked.
    pub(crate) async fn tags(&self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        match self.repository(name)?.tags().await {
            Ok(tags) => Ok(Some(tags)),
            Err(error) if is_passing(&error) => Ok(None),
            Err(error) => Err(problem(error)),
        }
    }

    /// The referrers there; `None` when it cannot be asked.
    pub(crate) async fn referrers(
        &self,
        name: &str,
        subject: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, Problem> {
        match self.repository(name)?.referrers(subject, None).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_passing(&error) => Ok(None),
            Err(error) => Err(problem(error)),
        }
    }

    /// A blob that is not here, from there; whole blobs are kept on their way through.
    pub(crate) async fn blob(
        &self,
        layout: Layout,
        name: &str,
        digest: &Digest,
        request: &Parts,
    ) -> Result<Response, Problem> {
        let repository = self.repository(name)?;
        let unknown =
            || Problem::new(Code::BlobUnknown, format!("{digest} is not in {}", repository.place()));
        let size = repository.blob_size(digest).await.map_err(problem)?.ok_or_else(unknown)?;
        let descriptor = Descriptor::new(MediaType::Other(String::new()), digest.clone(), size);
        let mut response = Response::new(Body::empty());
        set(&mut response, CONTENT_DIGEST, digest.as_ref())?;
        set(&mut response, ACCEPT_RANGES, "bytes")?;
        set(&mut response, CONTENT_TYPE, "application/octet-stream")?;
        let Some((start, end)) = range::describe(&mut response, &request.headers, size)? else {
            return Ok(response);
        };
        if request.method == Method::GET {
            let stream = repository.blob(&descriptor).open(start).await.map_err(problem)?;
            let whole = (start, end) == (0, size);
            let partial = if whole { claim(&layout, &descriptor).await? } else { None };
            *response.body_mut() = match partial {
                Some(partial) => Body::from_stream(kept(stream, partial)),
                None => Body::from_stream(crate::blobs::cut(stream, end - start)),
            };
        }
        Ok(response)
    }
}

/// The right to store the blob, unless somebody else is doing that.
async fn claim(layout: &Layout, blob: &Descriptor) -> Result<Option<Partial>, Problem> {
    let (layout, blob) = (layout.clone(), blob.clone());
    blocking(move || match layout.claim(&blob)? {
        Claim::Mine(mut partial) => {
            // The caller gets the blob from its beginning, and so it is written.
            partial.restart()?;
            Ok(Some(partial))
        }
        Claim::Present | Claim::Busy => Ok(None),
    })
    .await
}

/// Hands the pieces on, and to a thread that stores them. The last piece is held back until the blob is whole and
/// right here: a caller who has all of it can ask for it again.
fn kept(stream: BlobStream, partial: Partial) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    let (sender, receiver) = mpsc::channel::<Bytes>(4);
    let writer = tokio::task::spawn_blocking(move || store(partial, receiver));
    let state = (stream, Some(sender), Some(writer), None::<Bytes>);
    stream::try_unfold(state, |(mut stream, mut sender, mut writer, held)| async move {
        match stream.next().await {
            Some(Ok(piece)) => {
                if let Some(open) = &sender
                    && open.send(piece.clone()).await.is_err()
                {
                    // This disk is full, or the like; the caller gets its blob all the same.
                    sender = None;
                }
                Ok(Some((held.unwrap_or_default(), (stream, sender, writer, Some(piece)))))
            }
            Some(Err(error)) => Err(std::io::Error::other(error)),
            None => {
                drop(sender.take());
                if let Some(writer) = writer.take() {
                    // Whether it could be stored is of no concern to the caller, who verifies what it got.
                    let _ = writer.await;
                }
                Ok(held.map(|piece| (piece, (stream, sender, writer, None))))
            }
        }
    })
}

fn store(mut partial: Partial, mut pieces: mpsc::Receiver<Bytes>) -> Result<(), wharf_registry::LayoutError> {
    while let Some(piece) = pieces.blocking_recv() {
        partial.append(&piece)?;
    }
    partial.commit()
}

/// Keeps a manifest whose blobs may not be here yet.
fn keep(layout: &Layout, document: &Document, tag: Option<&str>) -> Result<(), Problem> {
    let Descriptor { digest, .. } = &document.descriptor;
    layout.put_as(digest, &document.bytes)?;
    let entry =
        Descriptor::new(document.descriptor.media_type.clone(), digest.clone(), document.descriptor.size);
    match tag {
        Some(tag) => layout.tag(tag, &entry)?,
        None => layout.update(|index| {
            if !index.manifests.iter().any(|known| known.digest == *digest) {
                index.manifests.push(entry);
            }
        })?,
    }
    Ok(())
}

fn forget(repositories: &Repositories, name: &str, wanted: Name<'_>) -> Result<(), Problem> {
    if let (Some(layout), Name::Tag(tag)) = (repositories.get(name)?, wanted) {
        layout.untag(tag)?;
    }
    Ok(())
}

/// Whether what is here may stand in for an answer.
fn is_passing(error: &Error) -> bool {
    error.cause().is_transient() || matches!(error.cause(), Cause::Deadline { .. } | Cause::Tls { .. })
}

fn problem(error: Error) -> Problem {
    let message = format!("{error}: {}", error.cause());
    match error.cause() {
        Cause::NotFound { .. } => Problem::new(Code::NameUnknown, message),
        Cause::RateLimited { .. } => {
            Problem::new(Code::Unknown, message).with_status(StatusCode::TOO_MANY_REQUESTS)
        }
        Cause::Unauthorized { .. } | Cause::Denied { .. } => Problem::new(Code::Denied, message),
        _ => Problem::new(Code::Unknown, message).with_status(StatusCode::BAD_GATEWAY),
    }
}
