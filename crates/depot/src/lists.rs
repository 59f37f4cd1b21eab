//! Lists: repositories, tags, referrers (distribution-spec 1.1, "Listing Tags", "Listing Referrers").

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, LINK};
use http::request::Parts;
use serde_json::json;
use wharf_oci::{Digest, Index};

use crate::blobs::{existing, query, set};
use crate::depot::{Depot, blocking};
use crate::problem::{Code, Problem};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

pub(crate) async fn catalog(depot: &Depot, request: &Parts) -> Result<Response, Problem> {
    let repositories = depot.repositories.clone();
    let names = blocking(move || Ok(repositories.names())).await?;
    let page = Page::of(names, request)?;
    let mut response = json_response(json!({"repositories": page.entries}).to_string());
    page.link(&mut response, "/v2/_catalog")?;
    Ok(response)
}

pub(crate) async fn tags(depot: &Depot, name: String, request: &Parts) -> Result<Response, Problem> {
    let there = match &depot.options.upstream {
        Some(upstream) => upstream.tags(&name).await?,
        None => None,
    };
    let tags = match there {
        Some(tags) => tags,
        None => {
            let layout = existing(depot, name.clone()).await?;
            blocking(move || Ok(layout.manifest_tags()?)).await?
        }
    };
    let page = Page::of(tags, request)?;
    let mut response = json_response(json!({"name": name, "tags": page.entries}).to_string());
    page.link(&mut response, &format!("/v2/{name}/tags/list"))?;
    Ok(response)
}

pub(crate) async fn referrers(
    depot: &Depot,
    name: String,
    digest: Digest,
    request: &Parts,
) -> Result<Response, Problem> {
    let wanted = query(request).remove("artifactType");
    let (repositories, filter) = (depot.repositories.clone(), wanted.clone());
    let there = match &depot.options.upstream {
        Some(upstream) => upstream.referrers(&name, &digest).await?,
        None => None,
    };
    let found = blocking(move || {
        // A repository that is not there has no referrers, which is an answer.
        let mut found = match (there, repositories.get(&name)?) {
            (Some(there), _) => there,
            (None, Some(layout)) => layout.manifest_referrers(&digest)?,
            (None, None) => Vec::new(),
        };
        if let Some(filter) = filter {
            found.retain(|entry| entry.artifact_type.as_ref().is_some_and(|found| found.as_ref() == filter));
        }
        Ok(found)
    })
    .await?;
    let index = serde_json::to_string(&Index::new(found))
        .map_err(|_| Problem::new(Code::Unknown, "the list cannot be written"))?;
    let mut response = json_response(index);
    set(&mut response, CONTENT_TYPE, "application/vnd.oci.image.index.v1+json")?;
    if wanted.is_some() {
        set(&mut response, FILTERS_APPLIED, "artifactType")?;
    }
    Ok(response)
}

fn json_response(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// A part of a sorted list, and where the next one begins.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    entries: Vec<String>,
    /// The size of a page and the last entry of this one, where more follow.
    next: Option<(usize, String)>,
}

impl Page {
    fn of(sorted: Vec<String>, request: &Parts) -> Result<Self, Problem> {
        let query = query(request);
        let limit = match query.get("n").map(|text| text.parse::<usize>()) {
            None => None,
            Some(Ok(limit)) => Some(limit),
            Some(Err(_)) => {
                return Err(Problem::new(Code::Unsupported, "`n` is not a number")
                    .with_status(http::StatusCode::BAD_REQUEST));
            }
        };
        Ok(Self::cut(sorted, limit, query.get("last").map(String::as_str)))
    }

    fn cut(sorted: Vec<String>, limit: Option<usize>, last: Option<&str>) -> Self {
        let start = last.map_or(0, |last| sorted.partition_point(|entry| entry.as_str() <= last));
        let mut entries: Vec<String> = sorted.into_iter().skip(start).collect();
        let Some(limit) = limit.filter(|limit| *limit < entries.len()) else {
            return Self { entries, next: None };
        };
        entries.truncate(limit);
        let next = entries.last().map(|last| (limit, last.clone()));
        Self { entries, next }
    }

    fn link(&self, response: &mut Response, path: &str) -> Result<(), Problem> {
        let Some((limit, last)) = &self.next else { return Ok(()) };
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("n", &limit.to_string())
            .append_pair("last", last)
            .finish();
        set(response, LINK, &format!("<{path}?{query}>; rel=\"next\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_without_gap_or_overlap() {
        let all: Vec<String> = ["a", "b", "c"].map(String::from).into();
        let page = |limit, last| Page::cut(all.clone(), limit, last);
        assert_eq!(
            page(Some(2), None),
            Page { entries: vec!["a".into(), "b".into()], next: Some((2, "b".into())) }
        );
        assert_eq!(page(Some(2), Some("b")), Page { entries: vec!["c".into()], next: None });
        assert_eq!(page(None, Some("bb")), Page { entries: vec!["c".into()], next: None });
        assert_eq!(page(Some(3), None).next, None);
        assert_eq!(page(Some(0), None), Page { entries: vec![], next: None });
        assert_eq!(page(None, Some("z")), Page { entries: vec![], next: None });
    }
}
