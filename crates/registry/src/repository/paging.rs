//! Lists that come in pages (distribution-spec 1.1, "Listing Tags"; RFC 5988 links).

use futures_util::FutureExt;
use http::Method;
use http::header::LINK;
use serde::Deserialize;
use url::Url;
use wharf_oci::Reference;

use super::{Place, Repository};
use crate::auth::Scopes;
use crate::endpoint::Ask;
use crate::{Cause, Client, DOCUMENT_MAX, Error, Result, Task, answer};

/// How many entries to ask for at once; registries may give fewer.
const PAGE: &str = "1000";
/// A list longer than this many pages never ends.
const PAGES_MAX: usize = 10_000;

#[derive(Deserialize)]
struct TagList {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalogue {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

impl Client {
    /// The repositories of a registry, sorted, as far as it tells them: some have no such list, or only for
    /// those who run them.
    pub async fn repositories(&self, registry: &str) -> Result<Vec<String>> {
        let task = Task::new("listing", "repositories", format!("of {registry}"));
        let any = format!("{registry}/any").parse::<Reference>();
        let any = any.map_err(|error| Error::new(task.clone(), Cause::Protocol(error.to_string())))?;
        let repository = self.repository(&any)?;
        let names = repository.at_origin(task.clone(), &[], |mut place| {
            async move {
                place.scopes = Scopes::catalogue();
                let mut ask = Ask::new(Method::GET, place.endpoint.url("_catalog").await?);
                ask.url.query_pairs_mut().append_pair("n", PAGE);
                let names = |body: &[u8]| {
                    serde_json::from_slice::<Catalogue>(body)
                        .map(|list| list.repositories.unwrap_or_default())
                };
                collect(&place, ask, names).await
            }
            .boxed()
        });
        let missing = || Cause::NotFound { message: "it has no list of repositories".into() };
        let mut names = names.await?.ok_or_else(|| Error::new(task, missing()))?;
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

impl Repository {
    pub(super) async fn list_tags(&self) -> Result<Vec<String>> {
        let task = || self.from("listing", "tags");
        let tags = self.anywhere(task, |place| {
            async move {
                let mut ask = place.ask(Method::GET, "tags/list").await?;
                ask.url.query_pairs_mut().append_pair("n", PAGE);
                let tags = |body: &[u8]| {
                    serde_json::from_slice::<TagList>(body).map(|list| list.tags.unwrap_or_default())
                };
                collect(&place, ask, tags).await
            }
            .boxed()
        });
        let mut tags = tags.await?.unwrap_or_default();
        // Lexical order is what the specification says, but not what every registry does.
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }
}

/// All pages from the one that `ask` asks for; `None` when there is no such list.
pub(super) async fn collect<T>(
    place: &Place<'_>,
    mut ask: Ask,
    entries: impl Fn(&[u8]) -> Result<Vec<T>, serde_json::Error>,
) -> Result<Option<Vec<T>>, Cause> {
    let mut all = Vec::new();
    for _ in 0..PAGES_MAX {
        let Some(response) = place.endpoint.send_if_found(ask.clone(), place.access()).await? else {
            return Ok(None);
        };
        let link = response.headers().get(LINK).and_then(|value| value.to_str().ok()).and_then(next_page);
        let next = link.and_then(|target| ask.url.join(target).ok());
        let body = answer::body(&place.endpoint.host, response, DOCUMENT_MAX).await?;
        all.extend(
            entries(&body).map_err(|error| Cause::Protocol(format!("its list does not parse: {error}")))?,
        );
        match next {
            Some(url) if is_further(&ask.url, &url) => ask.url = url,
            _ => return Ok(Some(all)),
        }
    }
    Err(Cause::Protocol(format!("its list has more than {PAGES_MAX} pages")))
}

/// A page is fetched only from the same host, and not twice in a row.
fn is_further(current: &Url, next: &Url) -> bool {
    current.host() == next.host() && current != next
}

/// The target of the link with `rel="next"`.
fn next_page(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        for (header, expected) in [
            (r#"</v2/a/tags/list?last=b&n=2>; rel="next""#, Some("/v2/a/tags/list?last=b&n=2")),
            (r#"</x>; rel="prev", </y>; title=z; rel=next"#, Some("/y")),
            (r#"</x>; rel="prev""#, None),
            ("<", None),
            ("", None),
        ] {
            assert_eq!(next_page(header), expected, "{header}");
        }
    }
}
