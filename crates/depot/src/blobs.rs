//! Blobs and their uploads (distribution-spec 1.1, "Pulling blobs", "Pushing Blobs", "Deleting Blobs").

use std::collections::HashMap;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, LOCATION, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::mpsc;
use uuid::Uuid;
use wharf_oci::{Descriptor, Digest, MediaType};
use wharf_registry::{Layout, Store};

use crate::depot::{Depot, blocking};
use crate::problem::{Code, Problem};
use crate::range;
use crate::uploads::{Received, UPLOAD_ID, Uploads};

pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

pub(crate) async fn get(
    depot: &Depot,
    name: String,
    digest: Digest,
    request: &Parts,
) -> Result<Response, Problem> {
    let layout = match &depot.options.upstream {
        Some(_) => depot.repositories.create(&name)?,
        None => existing(depot, name.clone()).await?,
    };
    let size = match (layout.size(&digest), &depot.options.upstream) {
        (Some(size), _) => size,
        (None, Some(upstream)) => return upstream.blob(layout, &name, &digest, request).await,
        (None, None) => return Err(unknown_blob(&digest)),
    };
    let etag = format!("\"{digest}\"");
    let mut response = Response::new(Body::empty());
    set(&mut response, CONTENT_DIGEST, digest.as_ref())?;
    set(&mut response, ETAG, &etag)?;
    set(&mut response, ACCEPT_RANGES, "bytes")?;
    set(&mut response, CONTENT_TYPE, "application/octet-stream")?;
    if is_known(&request.headers, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let Some((start, end)) = range::describe(&mut response, &request.headers, size)? else {
        return Ok(response);
    };
    if request.method == Method::GET {
        *response.body_mut() = part(&layout, &digest, start, end).await?;
    } else if !depot.options.read_only {
        // Whoever hears that it is here will not send it, so that it has to stay until the manifest comes. Where
        // it cannot be touched, nothing can be pruned.
        let _ = layout.touch(&digest);
    }
    Ok(response)
}

/// The bytes of the blob from `start` up to `end`.
async fn part(layout: &Layout, digest: &Digest, start: u64, end: u64) -> Result<Body, Problem> {
    let descriptor = Descriptor::new(MediaType::Other(String::new()), digest.clone(), end);
    let stream = layout.blob(&descriptor).open(start).await.map_err(|_| unknown_blob(digest))?;
    Ok(Body::from_stream(cut(stream, end - start)))
}

/// The first bytes of a stream.
pub(crate) fn cut(
    stream: wharf_registry::BlobStream,
    length: u64,
) -> impl futures_util::Stream<Item = wharf_registry::Result<Bytes>> {
    stream.scan(length, |left, piece| {
        let piece = piece.map(|mut piece: Bytes| {
            piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= piece.len() as u64;
            piece
        });
        let ended = matches!(&piece, Ok(piece) if piece.is_empty());
        std::future::ready(if ended { None } else { Some(piece) })
    })
}

pub(crate) async fn delete(depot: &Depot, name: String, digest: Digest) -> Result<Response, Problem> {
    let layout = existing(depot, name).await?;
    let removed = {
        let digest = digest.clone();
        blocking(move || Ok(layout.remove(&digest)?)).await?
    };
    if removed { Ok(status_only(StatusCode::ACCEPTED)) } else { Err(unknown_blob(&digest)) }
}

/// Opens an upload; or mounts a blob, or takes it whole, where the query says so.
pub(crate) async fn start(
    depot: &Depot,
    name: String,
    request: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let query = query(request);
    let layout = {
        let (repositories, name) = (depot.repositories.clone(), name.clone());
        blocking(move || Ok(repositories.create(&name)?)).await?
    };
    if let Some(text) = query.get("mount") {
        let digest = parse_digest(text)?;
        if mount(depot, &layout, query.get("from").cloned(), digest.clone()).await? {
            return created(&name, "blobs", &digest);
        }
    }
    let uploads = depot.uploads(layout);
    let id = {
        let uploads = uploads.clone();
        blocking(move || uploads.start()).await?
    };
    if let Some(text) = query.get("digest") {
        let digest = parse_digest(text)?;
        receive(&uploads, id, None, body).await?;
        return close(uploads, &name, id, digest).await;
    }
    progress(&name, id, Received(0), StatusCode::ACCEPTED)
}

async fn mount(
    depot: &Depot,
    layout: &Layout,
    from: Option<String>,
    digest: Digest,
) -> Result<bool, Problem> {
    let (repositories, layout) = (depot.repositories.clone(), layout.clone());
    blocking(move || {
        if layout.has(&digest) {
            layout.touch(&digest)?;
            return Ok(true);
        }
        let holder = match from {
            // Whoever may read one repository here may read all, so any will do.
            None => repositories.holder(&digest)?,
            // A name that cannot be is one that is not there.
            Some(name) if crate::route::Route::parse(&format!("/v2/{name}/tags/list")).is_err() => None,
            Some(name) => repositories.get(&name)?,
        };
        match holder {
            Some(other) if layout.take_from(&other, &digest)? => {
                layout.touch(&digest)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    })
    .await
}

pub(crate) async fn status(depot: &Depot, name: String, id: String) -> Result<Response, Problem> {
    let (uploads, id) = find(depot, &name, &id).await?;
    let received = blocking(move || uploads.received(id)).await?;
    progress(&name, id, received, StatusCode::NO_CONTENT)
}

pub(crate) async fn cancel(depot: &Depot, name: String, id: String) -> Result<Response, Problem> {
    let (uploads, id) = find(depot, &name, &id).await?;
    blocking(move || uploads.cancel(id)).await?;
    Ok(status_only(StatusCode::NO_CONTENT))
}

pub(crate) async fn append(
    depot: &Depot,
    name: String,
    id: String,
    request: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let (uploads, id) = find(depot, &name, &id).await?;
    let start = claimed_start(&request.headers)?;
    let received = receive(&uploads, id, start, body).await?;
    progress(&name, id, received, StatusCode::ACCEPTED)
}

pub(crate) async fn finish(
    depot: &Depot,
    name: String,
    id: String,
    request: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let (uploads, id) = find(depot, &name, &id).await?;
    let query = query(request);
    let digest =
        query.get("digest").ok_or_else(|| Problem::new(Code::DigestInvalid, "the digest is missing"))?;
    let digest = parse_digest(digest)?;
    let start = claimed_start(&request.headers)?;
    receive(&uploads, id, start, body).await?;
    close(uploads, &name, id, digest).await
}

async fn close(uploads: Uploads, name: &str, id: Uuid, digest: Digest) -> Result<Response, Problem> {
    let wanted = digest.clone();
    blocking(move || uploads.finish(id, &wanted)).await?;
    created(name, "blobs", &digest)
}

/// Takes the body into the upload, a bounded number of pieces ahead of the disk. A body that breaks off is an
/// error to the sender, if that still listens, but what came of it stays, and the upload goes on from there.
async fn receive(uploads: &Uploads, id: Uuid, start: Option<u64>, body: Body) -> Result<Received, Problem> {
    let uploads = uploads.clone();
    let appending = blocking(move || uploads.append(id, start)).await?;
    let (sender, receiver) = mpsc::channel::<Bytes>(4);
    let writer = tokio::task::spawn_blocking(move || appending.write_all(receiver));
    let mut pieces = body.into_data_stream();
    let mut complete = true;
    loop {
        match pieces.try_next().await {
            // A writer that failed takes no more; its reason is asked for below.
            Ok(Some(piece)) if sender.send(piece.clone()).await.is_err() => break,
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => {
                complete = false;
                break;
            }
        }
    }
    drop(sender);
    let received =
        writer.await.map_err(|_| Problem::new(Code::Unknown, "the upload was not completed"))??;
    if complete {
        Ok(received)
    } else {
        Err(Problem::new(Code::SizeInvalid, format!("the upload broke off at {} bytes", received.0)))
    }
}

/// The offset at which a chunk says it begins: `Content-Range: first-last`.
fn claimed_start(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(CONTENT_RANGE) else { return Ok(None) };
    let start = value.to_str().ok().and_then(|text| {
        let (first, last) = text.trim_start_matches("bytes ").split_once('-')?;
        let last = last.split('/').next()?;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (first <= last).then_some(first)
    });
    match start {
        Some(start) => Ok(Some(start)),
        None => Err(Problem::new(Code::BlobUploadInvalid, "`Content-Range` is not `first-last`")),
    }
}

async fn find(depot: &Depot, name: &str, id: &str) -> Result<(Uploads, Uuid), Problem> {
    let unknown = || Problem::new(Code::BlobUploadUnknown, format!("there is no upload {id}"));
    let id = Uuid::try_parse(id).map_err(|_| unknown())?;
    let (repositories, name) = (depot.repositories.clone(), name.to_owned());
    let layout = blocking(move || Ok(repositories.get(&name)?)).await?.ok_or_else(unknown)?;
    Ok((depot.uploads(layout), id))
}

fn progress(name: &str, id: Uuid, received: Received, status: StatusCode) -> Result<Response, Problem> {
    let mut response = status_only(status);
    set(&mut response, LOCATION, &format!("/v2/{name}/blobs/uploads/{id}"))?;
    set(&mut response, RANGE, &received.to_range())?;
    set(&mut response, UPLOAD_ID, &id.to_string())?;
    Ok(response)
}

/// The answer to content that was stored.
pub(crate) fn created(name: &str, kind: &str, digest: &Digest) -> Result<Response, Problem> {
    let mut response = status_only(StatusCode::CREATED);
    set(&mut response, LOCATION, &format!("/v2/{name}/{kind}/{digest}"))?;
    set(&mut response, CONTENT_DIGEST, digest.as_ref())?;
    Ok(response)
}

pub(crate) fn status_only(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(crate) fn set(response: &mut Response, name: HeaderName, value: &str) -> Result<(), Problem> {
    let value = HeaderValue::try_from(value)
        .map_err(|_| Problem::new(Code::Unknown, "a header cannot be written"))?;
    response.headers_mut().insert(name, value);
    Ok(())
}

/// Whether the caller has the content already (RFC 9110, section 13.1.2).
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let text = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    text.is_some_and(|text| text.split(',').any(|known| known.trim().trim_start_matches("W/") == etag))
}

/// The repository's layout, or [`Code::NameUnknown`].
pub(crate) async fn existing(depot: &Depot, name: String) -> Result<Layout, Problem> {
    let repositories = depot.repositories.clone();
    let unknown = Problem::new(Code::NameUnknown, format!("there is no repository `{name}`"));
    blocking(move || Ok(repositories.get(&name)?)).await?.ok_or(unknown)
}

pub(crate) fn query(request: &Parts) -> HashMap<String, String> {
    url::form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn parse_digest(text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|_| Problem::new(Code::DigestInvalid, format!("`{text}` is not a digest")))
}

fn unknown_blob(digest: &Digest) -> Problem {
    Problem::new(Code::BlobUnknown, format!("{digest} is not in this repository"))
}
