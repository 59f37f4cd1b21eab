//! Lists: tags, repositories, referrers.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, Method, StatusCode, header};
use serde_json::json;
use wharf_oci::{Digest, Index};

use super::{blocking, empty, query};
use crate::answer::Refusal;
use crate::server::Depot;

/// Says which filters a list of referrers went through.
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

pub(crate) async fn tags(depot: &Depot, head: &Parts, repository: &str) -> Result<Response, Refusal> {
    only_get(head)?;
    let layout = depot.shared.repositories.existing(repository).ok_or_else(|| Refusal::name_unknown(repository))?;
    let tags = blocking(move || Ok(layout.manifest_tags()?)).await?;
    let (page, next) = page(tags, head)?;
    let link = next.map(|query| format!("</v2/{repository}/tags/list?{query}>; rel=\"next\""));
    Ok(document(&json!({ "name": repository, "tags": page }), "application/json", link))
}

pub(crate) async fn catalog(depot: &Depot, head: &Parts) -> Result<Response, Refusal> {
    only_get(head)?;
    let shared = depot.shared.clone();
    let names = blocking(move || Ok(shared.repositories.names()?)).await?;
    let (page, next) = page(names, head)?;
    let link = next.map(|query| format!("</v2/_catalog?{query}>; rel=\"next\""));
    Ok(document(&json!({ "repositories": page }), "application/json", link))
}

pub(crate) async fn referrers(
    depot: &Depot,
    head: &Parts,
    repository: &str,
    digest: &Digest,
) -> Result<Response, Refusal> {
    only_get(head)?;
    let mut manifests = match depot.shared.repositories.existing(repository) {
        Some(layout) => {
            let subject = digest.clone();
            blocking(move || Ok(layout.manifest_referrers(&subject)?)).await?
        }
        None => Vec::new(),
    };
    let filter = query(head, "artifactType");
    if let Some(kind) = &filter {
        manifests.retain(|entry| entry.artifact_type.as_ref().is_some_and(|found| found.as_ref() == kind.as_str()));
    }
    let list = json!(Index::new(manifests));
    let mut response = document(&list, "application/vnd.oci.image.index.v1+json", None);
    if filter.is_some() {
        response.headers_mut().insert(FILTERS_APPLIED, http::HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}

fn only_get(head: &Parts) -> Result<(), Refusal> {
    match head.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Refusal::unsupported("a list can be read")),
    }
}

/// The part of a sorted list that `n` and `last` ask for, and the query for the next part.
fn page(all: Vec<String>, head: &Parts) -> Result<(Vec<String>, Option<String>), Refusal> {
    let count = match query(head, "n").map(|n| n.parse::<usize>()) {
        None => usize::MAX,
        Some(Ok(count)) => count,
        Some(Err(_)) => {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", "`n` is not a number"));
        }
    };
    let last = query(head, "last").unwrap_or_default();
    let mut rest = all.into_iter().filter(|name| *name > last);
    let page: Vec<String> = rest.by_ref().take(count).collect();
    let next = match (page.last(), rest.next()) {
        (Some(last), Some(_)) => Some(format!("n={count}&last={last}")),
        _ => None,
    };
    Ok((page, next))
}

fn document(value: &serde_json::Value, media_type: &str, link: Option<String>) -> Response {
    let text = value.to_string();
    let mut headers =
        vec![(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_LENGTH, text.len().to_string())];
    headers.extend(link.map(|link| (header::LINK, link)));
    let mut response = empty(StatusCode::OK, &headers);
    *response.body_mut() = Body::from(text);
    response
}
