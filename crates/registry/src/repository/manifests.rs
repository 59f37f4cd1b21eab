//! Manifests: reading, storing, deleting, and who refers to them.

use futures_util::FutureExt;
use http::header::{ACCEPT, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Response;
use wharf_oci::{Descriptor, Digest, Index, MediaType, digest, media};

use super::{PUSH, Place, Repository, content_length};
use crate::store::{Condition, Document, Name, Parsed, Store};
use crate::{Cause, DOCUMENT_MAX, Error, Result, Task, answer, media_type};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The registry's word that it keeps the list of referrers itself.
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// What came of asking for a manifest that may be known.
#[derive(Debug)]
pub(crate) enum Reading {
    /// It is the known one.
    Unchanged,
    /// It is this one.
    Document(Box<Document>),
}

impl Repository {
    pub(super) async fn read_manifest(&self, name: Name<'_>) -> Result<Option<Document>> {
        let task = || self.from("reading", format!("manifest {name}"));
        let read = |place| async move { read(&place, name).await }.boxed();
        self.anywhere(task, read).await
    }

    /// The manifest under `name`, unless it is still the one of digest `known`.
    pub(crate) async fn manifest_unless(
        &self,
        name: Name<'_>,
        known: Option<&Digest>,
    ) -> Result<Option<Reading>> {
        let task = || self.from("reading", format!("manifest {name}"));
        let read = |place| async move { read_unless(&place, name, known).await }.boxed();
        self.anywhere(task, read).await
    }

    pub(super) async fn look_up_manifest(&self, name: Name<'_>) -> Result<Option<Descriptor>> {
        let task =
            || Task::new("looking up", format!("manifest {name}"), format!("in {}", self.reference.name()));
        self.anywhere(task, |place| async move { look_up(&place, name).await }.boxed()).await
    }

    pub(super) async fn store_manifest(
        &self,
        name: Name<'_>,
        document: &Document,
        condition: Condition,
    ) -> Result<()> {
        let task = self.to("pushing", format!("manifest {name}"));
        if let (Name::Tag(_), Condition::Absent | Condition::Unchanged) = (name, condition) {
            // Most registries know nothing of conditions, so what can be known beforehand is asked.
            match (condition, self.clone().for_writing().look_up_manifest(name).await?) {
                (_, None) => {}
                (Condition::Unchanged, Some(found)) if found.digest == document.descriptor.digest => {
                    return Ok(());
                }
                (_, Some(found)) => {
                    let message = format!("it names {}", found.digest);
                    return Err(Error::new(task, Cause::Immutable { message }));
                }
            }
        }
        let put = |place| async move { put(&place, name, document, condition).await }.boxed();
        let response = self.at_origin(task, PUSH, put).await?;
        match document.parse() {
            Ok(Parsed::Manifest(manifest)) if !response.headers().contains_key(OCI_SUBJECT) => match manifest
                .subject
            {
                Some(subject) => {
                    self.refer_by_tag(&subject.digest, document, manifest.artifact_type, manifest.annotations)
                        .await
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    pub(super) async fn delete_manifest(&self, name: Name<'_>) -> Result<bool> {
        let task = self.from("deleting", format!("manifest {name}"));
        self.at_origin(task, &["pull", "push", "delete"], |place| {
            async move {
                let ask = place.ask(Method::DELETE, &format!("manifests/{name}")).await?;
                Ok(place.endpoint.send_if_found(ask, place.access()).await?.is_some())
            }
            .boxed()
        })
        .await
    }

    /// Manifests about `subject`, from the referrers API or, where there is none, from the fallback tag
    /// (distribution-spec 1.1, "Unavailable Referrers API").
    pub(super) async fn list_referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let mut found = match self.ask_referrers(subject, artifact_type).await? {
            Some(found) => found,
            None => self.fallback_index(subject).await?.map(|index| index.manifests).unwrap_or_default(),
        };
        found.retain(|entry| match (artifact_type, &entry.artifact_type) {
            (None, _) => true,
            (Some(wanted), Some(found)) => wanted == found.as_ref(),
            (Some(_), None) => false,
        });
        Ok(found)
    }

    async fn ask_referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>> {
        let task = || self.from("listing", format!("referrers of {subject}"));
        self.anywhere(task, |place| {
            async move {
                if !place.endpoint.dialect.referrers {
                    return Ok(None);
                }
                let mut ask = place.ask(Method::GET, &format!("referrers/{subject}")).await?;
                ask.url.query_pairs_mut().extend_pairs(artifact_type.map(|wanted| ("artifactType", wanted)));
                ask.headers
                    .insert(ACCEPT, HeaderValue::from_static("application/vnd.oci.image.index.v1+json"));
                let index = |body: &[u8]| serde_json::from_slice::<Index>(body).map(|index| index.manifests);
                super::paging::collect(&place, ask, index).await
            }
            .boxed()
        })
        .await
    }

    async fn fallback_index(&self, subject: &Digest) -> Result<Option<Index>> {
        let Some(document) = self.read_manifest(Name::Tag(&fallback_tag(subject))).await? else {
            return Ok(None);
        };
        match document.parse() {
            Ok(Parsed::Index(index)) => Ok(Some(index)),
            _ => Ok(None),
        }
    }

    /// Adds a manifest to the fallback tag of its subject. Two writers at once can lose one another's entry;
    /// the specification offers nothing better.
    async fn refer_by_tag(
        &self,
        subject: &Digest,
        document: &Document,
        artifact_type: Option<MediaType>,
        annotations: std::collections::BTreeMap<String, String>,
    ) -> Result<()> {
        let mut index = self.fallback_index(subject).await?.unwrap_or_else(|| Index::new(Vec::new()));
        if index.manifests.iter().any(|entry| entry.digest == document.descriptor.digest) {
            return Ok(());
        }
        index.manifests.push(Descriptor { artifact_type, annotations, ..document.descriptor.clone() });
        let tag = fallback_tag(subject);
        // Boxed because storing the index is what brought us here; an index of referrers has no subject.
        self.put_manifest(Name::Tag(&tag), &Document::of_index(&index), Condition::Always).await
    }
}

/// The tag under which referrers are listed where there is no API for it.
fn fallback_tag(subject: &Digest) -> String {
    let mut tag = format!("{}-{}", subject.algorithm(), subject.digest());
    tag.truncate(128);
    tag
}

fn accept_manifests() -> HeaderValue {
    HeaderValue::try_from(media::MANIFESTS.join(", ")).unwrap_or(HeaderValue::from_static("*/*"))
}

async fn read(place: &Place<'_>, name: Name<'_>) -> Result<Option<Document>, Cause> {
    match read_unless(place, name, None).await? {
        Some(Reading::Document(document)) => Ok(Some(*document)),
        Some(Reading::Unchanged) => {
            Err(Cause::Protocol("it says that nothing has changed, which nobody asked".into()))
        }
        None => Ok(None),
    }
}

async fn read_unless(
    place: &Place<'_>,
    name: Name<'_>,
    known: Option<&Digest>,
) -> Result<Option<Reading>, Cause> {
    let mut ask =
        place.ask(Method::GET, &format!("manifests/{name}")).await?.header(ACCEPT, accept_manifests());
    // Registries mark a manifest with its digest; one that marks it otherwise sends it again.
    let mark = known.and_then(|digest| HeaderValue::try_from(format!("\"{digest}\"")).ok());
    ask.headers.extend(mark.map(|mark| (IF_NONE_MATCH, mark)));
    let Some(response) = place.endpoint.send_if_found(ask, place.access()).await? else { return Ok(None) };
    if response.status() == StatusCode::NOT_MODIFIED {
        return Ok(Some(Reading::Unchanged));
    }
    let declared = declared_type(&response);
    let claimed = claimed_digest(&response);
    let bytes = answer::body(&place.endpoint.host, response, DOCUMENT_MAX).await?;
    let expected = match name {
        Name::Digest(digest) => Some(digest.clone()),
        Name::Tag(_) => claimed,
    };
    if let Some(expected) = expected.as_ref().filter(|expected| !digest::matches(expected, &bytes)) {
        return Err(Cause::Corrupt { expected: expected.clone(), found: digest::sha256(&bytes).to_string() });
    }
    let media_type = declared.unwrap_or_else(|| media_type::of_document(&bytes));
    let digest = expected.unwrap_or_else(|| digest::sha256(&bytes));
    let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
    Ok(Some(Reading::Document(Box::new(Document { descriptor, bytes }))))
}

async fn look_up(place: &Place<'_>, name: Name<'_>) -> Result<Option<Descriptor>, Cause> {
    let ask = place.ask(Method::HEAD, &format!("manifests/{name}")).await?.header(ACCEPT, accept_manifests());
    let Some(response) = place.endpoint.send_if_found(ask, place.access()).await? else { return Ok(None) };
    match (declared_type(&response), claimed_digest(&response), content_length(&response)) {
        (Some(media_type), Some(digest), Some(size)) => Ok(Some(Descriptor::new(media_type, digest, size))),
        // The headers are optional in the specification's eyes; the document itself tells all.
        _ => Ok(read(place, name).await?.map(|document| document.descriptor)),
    }
}

async fn put(
    place: &Place<'_>,
    name: Name<'_>,
    document: &Document,
    condition: Condition,
) -> Result<Response, Cause> {
    let content_type = HeaderValue::try_from(document.descriptor.media_type.as_ref())
        .map_err(|_| Cause::Protocol("the manifest's media type makes no header".into()))?;
    let mut ask =
        place.ask(Method::PUT, &format!("manifests/{name}")).await?.header(CONTENT_TYPE, content_type);
    if matches!(condition, Condition::Absent | Condition::Claim) {
        ask.headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
    ask.body = document.bytes.clone();
    place.endpoint.send_ok(ask, place.access()).await
}

/// The type that the registry gives, unless it is one that says nothing.
fn declared_type(response: &Response) -> Option<MediaType> {
    let text = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = MediaType::from(text.split(';').next().unwrap_or_default().trim());
    let known = media::is_index(&media_type) || media::is_manifest(&media_type);
    known.then_some(media_type)
}

fn claimed_digest(response: &Response) -> Option<Digest> {
    response.headers().get(CONTENT_DIGEST)?.to_str().ok()?.parse().ok()
}
