//! Uploads: monolithic, in chunks, by mount; asked about and cancelled (distribution-spec 1.1, "Pushing blobs").

use std::io::Write;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::request::Parts;
use http::{HeaderName, Method, StatusCode, header};
use wharf_oci::Digest;
use wharf_registry::Layout;

use super::{CONTENT_DIGEST, blocking, empty, query};
use crate::answer::Refusal;
use crate::server::Depot;
use crate::uploads::Upload;

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// How many pieces of a body may wait for the disk.
const WAITING: usize = 8;

/// `POST`: a mount, a whole blob at once, or the beginning of an upload.
pub(crate) async fn begin(depot: &Depot, head: &Parts, body: Body, repository: &str) -> Result<Response, Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::unsupported("an upload begins with POST"));
    }
    let (shared, name) = (depot.shared.clone(), repository.to_owned());
    let layout = blocking(move || Ok(shared.repositories.create(&name)?)).await?;
    if let (Some(digest), Some(from)) = (query(head, "mount"), query(head, "from")) {
        let digest = digest_of(&digest)?;
        let (shared, to) = (depot.shared.clone(), layout.clone());
        let wanted = digest.clone();
        if blocking(move || Ok(shared.repositories.mount(&from, &to, &wanted)?)).await? {
            return Ok(created(repository, &digest));
        }
    }
    let digest = query(head, "digest").map(|text| digest_of(&text)).transpose()?;
    let upload = new_upload(&layout, repository).await?;
    match digest {
        Some(digest) => {
            let upload = receive(upload, body).await?;
            finish(upload, digest).await
        }
        None => {
            let session = depot.shared.uploads.begin(upload);
            Ok(accepted(StatusCode::ACCEPTED, repository, &session, 0))
        }
    }
}

/// One upload: ask, append, finish, cancel.
pub(crate) async fn one(
    depot: &Depot,
    head: &Parts,
    body: Body,
    repository: &str,
    session: &str,
) -> Result<Response, Refusal> {
    let uploads = &depot.shared.uploads;
    let upload = uploads.take(session, repository).ok_or_else(Refusal::upload_unknown)?;
    match head.method {
        Method::GET | Method::HEAD => {
            let written = upload.writer.written();
            uploads.put_back(session, upload);
            Ok(accepted(StatusCode::NO_CONTENT, repository, session, written))
        }
        Method::PATCH => {
            if let Some(refused) = out_of_order(head, &upload, repository, session) {
                uploads.put_back(session, upload);
                return Ok(refused);
            }
            let upload = receive(upload, body).await?;
            let written = upload.writer.written();
            uploads.put_back(session, upload);
            Ok(accepted(StatusCode::ACCEPTED, repository, session, written))
        }
        Method::PUT => {
            let digest = match query(head, "digest").map(|text| digest_of(&text)) {
                Some(Ok(digest)) => digest,
                Some(Err(refusal)) => return Err(refusal),
                None => {
                    uploads.put_back(session, upload);
                    return Err(Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the digest is missing"));
                }
            };
            if let Some(refused) = out_of_order(head, &upload, repository, session) {
                uploads.put_back(session, upload);
                return Ok(refused);
            }
            let upload = receive(upload, body).await?;
            finish(upload, digest).await
        }
        Method::DELETE => Ok(empty(StatusCode::NO_CONTENT, &[])),
        _ => {
            uploads.put_back(session, upload);
            Err(Refusal::unsupported("an upload can be asked, appended to, finished and cancelled"))
        }
    }
}

async fn new_upload(layout: &Layout, repository: &str) -> Result<Upload, Refusal> {
    let (layout, repository) = (layout.clone(), repository.to_owned());
    blocking(move || Ok(Upload { writer: layout.writer()?, repository })).await
}

/// A chunk that says where it belongs must belong at the end (416 otherwise).
fn out_of_order(head: &Parts, upload: &Upload, repository: &str, session: &str) -> Option<Response> {
    let range = head.headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let first = range.trim_start_matches("bytes").trim().split('-').next()?.parse::<u64>().ok();
    let written = upload.writer.written();
    let in_order = first == Some(written);
    (!in_order).then(|| accepted(StatusCode::RANGE_NOT_SATISFIABLE, repository, session, written))
}

/// Appends a body. Files are written on a thread of their own, fed over a short queue, so that a fast client
/// waits for the disk rather than filling memory. A body that breaks off leaves nothing.
async fn receive(upload: Upload, body: Body) -> Result<Upload, Refusal> {
    let (pieces, mut waiting) = tokio::sync::mpsc::channel::<Bytes>(WAITING);
    let writing = tokio::task::spawn_blocking(move || -> Result<Upload, Refusal> {
        let mut upload = upload;
        while let Some(piece) = waiting.blocking_recv() {
            upload.writer.write_all(&piece)?;
        }
        Ok(upload)
    });
    let mut body = body.into_data_stream();
    let mut broken = None;
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => {
                if pieces.send(piece).await.is_err() {
                    break; // The writer has failed, and says why below.
                }
            }
            Err(error) => {
                broken = Some(Refusal::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", error.to_string()));
                break;
            }
        }
    }
    drop(pieces);
    let upload = writing.await.map_err(|error| Refusal::internal(&error))??;
    match broken {
        Some(refusal) => Err(refusal),
        None => Ok(upload),
    }
}

async fn finish(upload: Upload, digest: Digest) -> Result<Response, Refusal> {
    let repository = upload.repository.clone();
    let expected = digest.clone();
    blocking(move || Ok(upload.writer.commit(Some(&expected))?)).await?;
    Ok(created(&repository, &digest))
}

fn created(repository: &str, digest: &Digest) -> Response {
    let location = (header::LOCATION, format!("/v2/{repository}/blobs/{digest}"));
    empty(StatusCode::CREATED, &[location, (CONTENT_DIGEST, digest.to_string())])
}

fn accepted(status: StatusCode, repository: &str, session: &str, written: u64) -> Response {
    empty(
        status,
        &[
            (header::LOCATION, format!("/v2/{repository}/blobs/uploads/{session}")),
            (header::RANGE, format!("0-{}", written.saturating_sub(1))),
            (UPLOAD_UUID, session.to_owned()),
        ],
    )
}

fn digest_of(text: &str) -> Result<Digest, Refusal> {
    let wrong = || Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", format!("`{text}` is not a digest"));
    text.parse().map_err(|_| wrong())
}
