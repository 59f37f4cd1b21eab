//! Manifests (distribution-spec 1.1, "Pulling manifests", "Pushing Manifests", "Deleting tags / manifests").

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use wharf_oci::{Descriptor, Digest, MediaType};
use wharf_registry::{Condition, Document, Layout, LayoutError, Name, Parsed};

use crate::blobs::{CONTENT_DIGEST, created, existing, is_known, set, status_only};
use crate::depot::{Depot, blocking};
use crate::problem::{Code, Problem};
use crate::route::Wanted;

/// The size that the specification asks registries to take at least, and that most take at most.
const SIZE_MAX: usize = 4 << 20;
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Wanted {
    fn name(&self) -> Name<'_> {
        match self {
            Self::Tag(tag) => Name::Tag(tag),
            Self::Digest(digest) => Name::Digest(digest),
        }
    }

    fn unknown(&self) -> Problem {
        Problem::new(Code::ManifestUnknown, format!("there is no manifest {}", self.name()))
    }
}

pub(crate) async fn get(
    depot: &Depot,
    name: String,
    wanted: Wanted,
    request: &Parts,
) -> Result<Response, Problem> {
    if let Some(upstream) = &depot.options.upstream {
        upstream.refresh(&depot.repositories, &name, wanted.name()).await?;
    }
    let layout = existing(depot, name).await?;
    let (unknown, held) = (wanted.unknown(), layout.clone());
    let document = blocking(move || Ok(held.manifest(wanted.name())?)).await?.ok_or(unknown)?;
    let Descriptor { media_type, digest, size, .. } = &document.descriptor;
    let etag = format!("\"{digest}\"");
    let mut response = Response::new(Body::empty());
    set(&mut response, CONTENT_DIGEST, digest.as_ref())?;
    set(&mut response, ETAG, &etag)?;
    set(&mut response, CONTENT_TYPE, media_type.as_ref())?;
    if is_known(&request.headers, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    response.headers_mut().insert(CONTENT_LENGTH, (*size).into());
    if request.method == Method::GET {
        *response.body_mut() = Body::from(document.bytes);
    } else if !depot.options.read_only {
        // As with a blob: whoever hears that it is here will not send it.
        let _ = layout.touch(digest);
    }
    Ok(response)
}

pub(crate) async fn put(
    depot: &Depot,
    name: String,
    wanted: Wanted,
    request: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let condition = condition(depot, &request.headers);
    let declared = declared_type(&request.headers);
    let bytes = axum::body::to_bytes(body, SIZE_MAX).await.map_err(|_| {
        Problem::new(Code::ManifestInvalid, format!("a manifest has at most {SIZE_MAX} bytes"))
            .with_status(StatusCode::PAYLOAD_TOO_LARGE)
    })?;
    let document = understand(bytes, declared)?;
    let parsed = parse(&document)?;
    let digest = match &wanted {
        Wanted::Tag(_) => document.descriptor.digest.clone(),
        Wanted::Digest(digest) => digest.clone(),
    };
    let (repositories, repository) = (depot.repositories.clone(), name.clone());
    blocking(move || store(&repositories.create(&repository)?, &wanted, &document, condition)).await?;
    let mut response = created(&name, "manifests", &digest)?;
    if let Some(subject) = subject(&parsed) {
        set(&mut response, OCI_SUBJECT, subject.as_ref())?;
    }
    Ok(response)
}

fn condition(depot: &Depot, headers: &HeaderMap) -> Condition {
    match headers.get(IF_NONE_MATCH) {
        Some(value) if value == "*" => Condition::Absent,
        _ if depot.options.immutable_tags => Condition::Unchanged,
        _ => Condition::Always,
    }
}

fn declared_type(headers: &HeaderMap) -> Option<MediaType> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(MediaType::from(text.split(';').next().unwrap_or_default().trim()))
}

/// The document with its type: what the sender says, which the document itself must not contradict.
fn understand(bytes: Bytes, declared: Option<MediaType>) -> Result<Document, Problem> {
    let own: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(Code::ManifestInvalid, format!("it is not JSON: {error}")))?;
    let own_type = own["mediaType"].as_str().map(MediaType::from);
    if let (Some(declared), Some(own)) = (&declared, &own_type)
        && declared != own
    {
        let message = format!("it is sent as `{declared}` and calls itself `{own}`");
        return Err(Problem::new(Code::ManifestInvalid, message));
    }
    let by_shape =
        || if own["manifests"].is_array() { MediaType::ImageIndex } else { MediaType::ImageManifest };
    Ok(Document::new(declared.or(own_type).unwrap_or_else(by_shape), bytes))
}

fn parse(document: &Document) -> Result<Parsed, Problem> {
    document.parse().map_err(|error| {
        Problem::new(Code::ManifestInvalid, format!("it is neither a manifest nor an index: {error}"))
    })
}

fn store(layout: &Layout, wanted: &Wanted, document: &Document, condition: Condition) -> Result<(), Problem> {
    match layout.put_manifest(wanted.name(), document, condition) {
        Err(LayoutError::Taken { name, .. }) if condition == Condition::Unchanged => {
            let message = format!("tag `{name}` is immutable and names something else");
            Err(Problem::new(Code::Denied, message).with_status(StatusCode::CONFLICT))
        }
        result => Ok(result?),
    }
}

fn subject(parsed: &Parsed) -> Option<&Digest> {
    match parsed {
        Parsed::Manifest(manifest) => manifest.subject.as_ref().map(|subject| &subject.digest),
        Parsed::Index(index) => index.subject.as_ref().map(|subject| &subject.digest),
    }
}

pub(crate) async fn delete(depot: &Depot, name: String, wanted: Wanted) -> Result<Response, Problem> {
    let layout = existing(depot, name).await?;
    let unknown = wanted.unknown();
    let immutable = || Problem::new(Code::Denied, "tags are immutable here");
    let work = match (depot.options.immutable_tags, wanted) {
        (true, Wanted::Tag(_)) => return Err(immutable()),
        // With the manifest its tags would go, and could come back as something else.
        (true, Wanted::Digest(digest)) => {
            blocking(move || match layout.delete_untagged(&digest) {
                Err(LayoutError::Taken { .. }) => Err(immutable()),
                result => Ok(result?),
            })
            .await
        }
        (false, wanted) => blocking(move || Ok(layout.delete_manifest(wanted.name())?)).await,
    };
    match work? {
        true => Ok(status_only(StatusCode::ACCEPTED)),
        false => Err(unknown),
    }
}
