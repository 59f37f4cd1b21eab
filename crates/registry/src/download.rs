//! Plain files from URLs, such as `ADD` asks for, into a layout.

use std::io::Write;

use http::header::{ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use http::{HeaderValue, StatusCode};
use reqwest::Response;
use url::Url;

use crate::{Cause, Client, Content, Error, Layout, LayoutError, Progress, Result, Task, answer};

/// More redirects than this are a circle.
const REDIRECTS: usize = 10;

/// What is known of an earlier download of the same URL.
#[derive(Debug, Clone, Copy, Default)]
pub struct Validators<'a> {
    /// The server's mark for the version we have.
    pub etag: Option<&'a str>,
    /// When the server said that version was changed.
    pub modified: Option<&'a str>,
}

/// What a URL gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// The version we have is the current one.
    Unchanged,
    /// A file, now in the layout.
    File {
        /// Its digest and size.
        content: Content,
        /// The server's mark for this version.
        etag: Option<String>,
        /// When it was changed, as the server says it (`Last-Modified`).
        modified: Option<String>,
    },
}

/// Brings the file at `url` into `layout`, unless the server says that it is the one we have. Redirects are
/// followed; a name and password in the URL are for its own host only.
///
/// `progress` hears of retries.
pub async fn download(
    client: &Client,
    url: &str,
    known: Validators<'_>,
    layout: &Layout,
    progress: Progress<'_>,
) -> Result<Download> {
    let task = || Task::new(Error::DOWNLOADING, "a file", format!("from {}", shown(url)));
    let work = async {
        let mut tries = client.patience().start();
        loop {
            let cause = match attempt(client, url, known, layout).await {
                Ok(download) => return Ok(download),
                Err(cause) => cause,
            };
            let Some(wait) = tries.after(&cause) else { return Err(Error::new(task(), cause)) };
            progress(crate::Event::Retrying { what: task().to_string(), cause: cause.to_string(), wait });
            tokio::time::sleep(wait).await;
        }
    };
    client.within_deadline(task, work).await
}

async fn attempt(
    client: &Client,
    url: &str,
    known: Validators<'_>,
    layout: &Layout,
) -> Result<Download, Cause> {
    let url = Url::parse(url).map_err(|error| Cause::Protocol(format!("this is no URL: {error}")))?;
    let mut headers = HeaderMap::new();
    set(&mut headers, IF_NONE_MATCH, known.etag);
    set(&mut headers, IF_MODIFIED_SINCE, known.modified);
    let response = follow(client, url, headers).await?;
    let host = response.url().host_str().unwrap_or_default().to_owned();
    match response.status() {
        StatusCode::NOT_MODIFIED => Ok(Download::Unchanged),
        status if status.is_success() => receive(client, &host, response, layout).await,
        _ => Err(answer::refusal(&host, response).await),
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    // What a server said once it can be told again; anything else is left out.
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

async fn follow(client: &Client, mut url: Url, headers: HeaderMap) -> Result<Response, Cause> {
    for _ in 0..REDIRECTS {
        let host = url.host_str().unwrap_or_default().to_owned();
        let request = client.http().get(url.clone()).headers(headers.clone()).send();
        let response = match tokio::time::timeout(client.settings().stall, request).await {
            Ok(result) => result.map_err(|error| answer::broken(&host, error))?,
            Err(_) => return Err(Cause::Stalled { registry: host, waited: client.settings().stall }),
        };
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        match location {
            Some(location) if response.status().is_redirection() => {
                url = url.join(location).map_err(|error| {
                    Cause::Protocol(format!("it redirects to a place that is no URL: {error}"))
                })?;
            }
            _ => return Ok(response),
        }
    }
    Err(Cause::Protocol(format!("it redirects more than {REDIRECTS} times")))
}

async fn receive(
    client: &Client,
    host: &str,
    mut response: Response,
    layout: &Layout,
) -> Result<Download, Cause> {
    let text =
        |name: HeaderName| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (etag, modified) = (text(ETAG), text(LAST_MODIFIED));
    let stall = client.settings().stall;
    let mut writer = layout.writer()?;
    loop {
        let piece = match tokio::time::timeout(stall, response.chunk()).await {
            Ok(piece) => piece.map_err(|error| answer::broken(host, error))?,
            Err(_) => return Err(Cause::Stalled { registry: host.to_owned(), waited: stall }),
        };
        let Some(piece) = piece else { break };
        writer.write_all(&piece).map_err(|source| LayoutError::Io {
            action: "writing a download to",
            path: layout.root().to_owned(),
            source,
        })?;
    }
    Ok(Download::File { content: writer.commit(None)?, etag, modified })
}

/// A URL as it may be shown: without name, password and query.
fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.to_string()
        }
        Err(_) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_urls_are_not_shown() {
        assert_eq!(shown("https://me:secret@host/a/b?token=x#f"), "https://host/a/b#f");
        assert_eq!(shown("nonsense"), "nonsense");
    }
}
