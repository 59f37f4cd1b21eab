//! The forge's API: what GitHub says of a repository and of a commit.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use reqwest::header::{ACCEPT, AUTHORIZATION, LOCATION};
use reqwest::{Client, Response, Url};
use serde_json::Value;
use wharf_metadata::Variables;
use wharf_metadata::action::Named;

/// How long the API has for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// No answer is larger than this.
const ANSWER_MAX: usize = 16 << 20;
/// A repository that was renamed is elsewhere, and maybe once more.
const REDIRECTS: usize = 5;

/// GitHub's API, or a compatible one.
pub(crate) struct Forge {
    base: String,
    token: String,
    http: Client,
}

impl Forge {
    /// The API that `GITHUB_API_URL` names. An empty token means to ask as nobody.
    pub(crate) fn new(variables: &Variables, token: &str) -> Result<Self> {
        let url = variables.get("GITHUB_API_URL").filter(|url| !url.is_empty());
        let settings = wharf_registry::Settings { proxies: crate::world::proxies(), ..Default::default() };
        Ok(Self {
            base: url.map_or("https://api.github.com", String::as_str).trim_end_matches('/').to_owned(),
            token: token.to_owned(),
            http: wharf_registry::http_client(&settings).context("setting up the HTTP client")?,
        })
    }

    /// What the forge says of `repository`.
    pub(crate) async fn repository(&self, repository: &Named) -> Result<Value> {
        self.get(&format!("/repos/{}/{}", encoded(&repository.owner), encoded(&repository.name))).await
    }

    /// When the commit was made, in the forge's words; none where it does not say.
    pub(crate) async fn commit_date(&self, repository: &Named, commit: &str) -> Option<String> {
        let (owner, name) = (encoded(&repository.owner), encoded(&repository.name));
        let answer = self.get(&format!("/repos/{owner}/{name}/commits/{}", encoded(commit))).await.ok()?;
        answer.pointer("/commit/committer/date")?.as_str().filter(|date| !date.is_empty()).map(str::to_owned)
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.base);
        self.fetch(&url).await.with_context(|| format!("asking {url}"))
    }

    async fn fetch(&self, url: &str) -> Result<Value> {
        let mut url = Url::parse(url)?;
        for _ in 0..=REDIRECTS {
            let mut request =
                self.http.get(url.clone()).timeout(PATIENCE).header(ACCEPT, "application/vnd.github+json");
            if !self.token.is_empty() {
                request = request.header(AUTHORIZATION, format!("token {}", self.token));
            }
            let response = request.send().await?;
            if !response.status().is_redirection() {
                return document(response).await;
            }
            url = next(&url, &response)?;
        }
        bail!("redirected more than {REDIRECTS} times")
    }
}

/// Where a redirect leads. The token only goes to the host that it is for.
fn next(url: &Url, response: &Response) -> Result<Url> {
    let location = response.headers().get(LOCATION).context("a redirect to nowhere")?.to_str()?;
    let next = url.join(location)?;
    if next.origin() != url.origin() {
        bail!("redirected to another host, {}", next.origin().ascii_serialization());
    }
    Ok(next)
}

async fn document(mut response: Response) -> Result<Value> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_MAX {
            bail!("the answer is longer than {ANSWER_MAX} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(serde_json::from_slice(&body)?);
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    Err(anyhow!("{status}: {}", answer["message"].as_str().unwrap_or("no reason given")))
}

/// A path segment, percent-encoded.
fn encoded(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match plain(byte) {
            true => encoded.push(char::from(byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
