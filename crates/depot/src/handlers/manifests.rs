//! Manifests: read, written and deleted, by tag or digest.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, Method, StatusCode, header};
use wharf_registry::{Condition, Document, LayoutError, Name, Parsed};

use super::{CONTENT_DIGEST, blocking, empty};
use crate::answer::Refusal;
use crate::route::Reference;
use crate::server::Depot;

/// The largest manifest that is taken (distribution-spec 1.1 asks for at least 4 MiB).
const MANIFEST_MAX: usize = 4 << 20;

/// Says that the subject of a manifest was understood (distribution-spec 1.1, "Pushing Manifests with Subject").
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Reference {
    fn name(&self) -> Name<'_> {
        match self {
            Self::Tag(tag) => Name::Tag(tag),
            Self::Digest(digest) => Name::Digest(digest),
        }
    }
}

pub(crate) async fn one(
    depot: &Depot,
    head: &Parts,
    body: Body,
    repository: &str,
    reference: &Reference,
) -> Result<Response, Refusal> {
    match head.method {
        Method::GET | Method::HEAD => read(depot, head, repository, reference).await,
        Method::PUT => write(depot, head, body, repository, reference).await,
        Method::DELETE => delete(depot, repository, reference).await,
        _ => Err(Refusal::unsupported("a manifest can be read, written and deleted")),
    }
}

async fn read(
    depot: &Depot,
    head: &Parts,
    repository: &str,
    reference: &Reference,
) -> Result<Response, Refusal> {
    let layout = depot.shared.repositories.existing(repository).ok_or_else(|| Refusal::name_unknown(repository))?;
    let wanted = reference.clone();
    let document = blocking(move || Ok(layout.manifest(wanted.name())?)).await?;
    let document = document.ok_or_else(|| Refusal::manifest_unknown(&reference.name().to_string()))?;
    let digest = document.descriptor.digest.to_string();
    let known = head.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.trim_matches('"') == digest) {
        return Ok(empty(StatusCode::NOT_MODIFIED, &[(CONTENT_DIGEST, digest)]));
    }
    let mut response = empty(
        StatusCode::OK,
        &[
            (header::CONTENT_TYPE, document.descriptor.media_type.to_string()),
            (header::CONTENT_LENGTH, document.bytes.len().to_string()),
            (header::ETAG, format!("\"{digest}\"")),
            (CONTENT_DIGEST, digest),
        ],
    );
    *response.body_mut() = Body::from(document.bytes);
    Ok(response)
}

async fn write(
    depot: &Depot,
    head: &Parts,
    body: Body,
    repository: &str,
    reference: &Reference,
) -> Result<Response, Refusal> {
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let media_type = header(header::CONTENT_TYPE).unwrap_or_default();
    let create_only = header(header::IF_NONE_MATCH).is_some_and(|value| value.trim() == "*");
    let bytes = axum::body::to_bytes(body, MANIFEST_MAX).await.map_err(|_| {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", "the manifest is larger than 4 MiB")
    })?;
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
    let document = Document::new(media_type.as_str(), bytes);
    let subject = match document.parse() {
        Ok(Parsed::Manifest(manifest)) => manifest.subject,
        Ok(Parsed::Index(index)) => index.subject,
        Err(error) => {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", error.to_string()));
        }
    };
    let digest = match reference {
        Reference::Digest(digest) => digest.clone(),
        Reference::Tag(_) => document.descriptor.digest.clone(),
    };
    let immutable = depot.shared.options.immutable_tags;
    let (shared, name, wanted) = (depot.shared.clone(), repository.to_owned(), reference.clone());
    blocking(move || {
        let layout = shared.repositories.create(&name)?;
        let condition = if create_only || immutable { Condition::Absent } else { Condition::Always };
        match layout.put_manifest(wanted.name(), &document, condition) {
            // The same digest again changes nothing, so an immutable tag takes it.
            Err(LayoutError::Taken { .. }) if !create_only && is_same(&layout, &wanted, &document)? => Ok(()),
            other => Ok(other?),
        }
    })
    .await?;
    let mut headers = vec![
        (header::LOCATION, format!("/v2/{repository}/manifests/{digest}")),
        (CONTENT_DIGEST, digest.to_string()),
    ];
    headers.extend(subject.map(|subject| (OCI_SUBJECT, subject.digest.to_string())));
    Ok(empty(StatusCode::CREATED, &headers))
}

fn is_same(layout: &wharf_registry::Layout, reference: &Reference, document: &Document) -> Result<bool, Refusal> {
    let there = layout.manifest_descriptor(reference.name())?;
    Ok(there.is_some_and(|there| there.digest == document.descriptor.digest))
}

async fn delete(depot: &Depot, repository: &str, reference: &Reference) -> Result<Response, Refusal> {
    let layout = depot.shared.repositories.existing(repository).ok_or_else(|| Refusal::name_unknown(repository))?;
    let wanted = reference.clone();
    if blocking(move || Ok(layout.delete_manifest(wanted.name())?)).await? {
        return Ok(empty(StatusCode::ACCEPTED, &[]));
    }
    Err(Refusal::manifest_unknown(&reference.name().to_string()))
}
