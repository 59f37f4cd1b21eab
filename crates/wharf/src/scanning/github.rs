//! GitHub's side of a scan: code scanning, issues, and the job summary.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::settings::host::variable;

/// How long the API has for one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked what became of an upload, and how long between two questions.
const POLLS: u32 = 60;

/// A repository on GitHub, or on what speaks its API, as the job's environment names it.
pub(crate) struct GitHub {
    http: Client,
    api: String,
    repository: String,
    token: String,
    /// Between two questions.
    pause: Duration,
}

/// What became of an upload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Uploaded {
    /// Code scanning has it.
    Done { id: String },
    /// The repository does not take it; that is no fault of the scan.
    Refused { why: String },
}

impl GitHub {
    /// From `GITHUB_REPOSITORY`, `GITHUB_TOKEN` (or `GH_TOKEN`) and `GITHUB_API_URL`.
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        let needed = |names: &[&str], what: &str| {
            let found = names.iter().find_map(|name| variable(name));
            found.ok_or_else(|| {
                Failure::usage(format!("{what} is not known: `{}` is not set", names[0]))
                    .hint("this works in a GitHub job, or with these variables set")
            })
        };
        let api = variable("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".into());
        let repository = needed(&["GITHUB_REPOSITORY"], "the repository")?;
        Ok(Self::at(&api, repository, needed(&["GITHUB_TOKEN", "GH_TOKEN"], "the token")?)?)
    }

    /// A repository at an API.
    pub(crate) fn at(api: &str, repository: String, token: String) -> Result<Self> {
        let settings = wharf_registry::Settings { proxies: crate::world::proxies(), ..Default::default() };
        let pause = variable("WHARF_POLL_MS").and_then(|text| text.parse().ok()).unwrap_or(2000);
        Ok(Self {
            http: wharf_registry::http_client(&settings).context("setting up the HTTP client")?,
            api: api.trim_end_matches('/').to_owned(),
            repository,
            token,
            pause: Duration::from_millis(pause),
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Value)> {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/repos/{}/{path}", self.api, self.repository)
        };
        let mut request = self.http.request(method, &url).timeout(PATIENCE);
        request = request
            .header("accept", "application/vnd.github+json")
            .header("authorization", format!("Bearer {}", self.token))
            .header("user-agent", concat!("wharf/", env!("CARGO_PKG_VERSION")))
            .header("x-github-api-version", "2022-11-28");
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("asking {url}"))?;
        let status = response.status();
        let text = response.bytes().await.with_context(|| format!("asking {url}"))?;
        Ok((status, serde_json::from_slice(&text).unwrap_or_default()))
    }

    /// Posts SARIF to code scanning, and waits until it is taken in.
    pub(crate) async fn upload(&self, sarif: &str) -> Result<Uploaded> {
        let commit = variable("GITHUB_SHA")
            .ok_or_else(|| anyhow!("the commit is not known: `GITHUB_SHA` is not set"))?;
        let reference =
            variable("GITHUB_REF").ok_or_else(|| anyhow!("the ref is not known: `GITHUB_REF` is not set"))?;
        self.upload_of(sarif, &commit, &reference).await
    }

    /// The same for a commit and a ref that are known.
    pub(crate) async fn upload_of(&self, sarif: &str, commit: &str, reference: &str) -> Result<Uploaded> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(sarif.as_bytes())?;
        let packed = base64::engine::general_purpose::STANDARD.encode(gzip.finish()?);
        let body = json!({ "commit_sha": commit, "ref": reference, "sarif": packed, "tool_name": "wharf" });
        let (status, answer) = self.ask(Method::POST, "code-scanning/sarifs", Some(&body)).await?;
        let message = answer["message"].as_str().unwrap_or("no reason given").to_owned();
        match status {
            StatusCode::ACCEPTED => self.wait(answer["id"].as_str().unwrap_or_default()).await,
            // A fork's token may not, and not every repository has the feature.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED => {
                Ok(Uploaded::Refused { why: format!("{status}: {message}") })
            }
            status => Err(anyhow!("code scanning did not take the report: {status}: {message}")),
        }
    }

    async fn wait(&self, id: &str) -> Result<Uploaded> {
        for _ in 0..POLLS {
            let (status, answer) = self.ask(Method::GET, &format!("code-scanning/sarifs/{id}"), None).await?;
            match answer["processing_status"].as_str() {
                Some("complete") => return Ok(Uploaded::Done { id: id.to_owned() }),
                Some("failed") => {
                    let errors: Vec<&str> =
                        answer["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    return Err(anyhow!("code scanning could not read the report: {}", errors.join("; ")));
                }
                // It takes a moment until the upload can be asked for.
                _ if status == StatusCode::NOT_FOUND || status.is_success() => {
                    tokio::time::sleep(self.pause).await
                }
                _ => return Err(anyhow!("asking what became of the upload: {status}")),
            }
        }
        Err(anyhow!("code scanning has had the report for long and says nothing of it (upload {id})"))
    }

    /// Opens an issue, unless one of that title is open; gives its address.
    pub(crate) async fn issue(&self, title: &str, body: &str) -> Result<String> {
        let (status, open) =
            self.ask(Method::GET, "issues?state=open&labels=security&per_page=100", None).await?;
        let known = open.as_array().into_iter().flatten().find(|issue| issue["title"] == title);
        if let Some(url) = known.filter(|_| status.is_success()).and_then(|issue| issue["html_url"].as_str())
        {
            return Ok(url.to_owned());
        }
        let body = json!({ "title": title, "body": body, "labels": ["security"] });
        let (status, answer) = self.ask(Method::POST, "issues", Some(&body)).await?;
        match status {
            StatusCode::CREATED => Ok(answer["html_url"].as_str().unwrap_or_default().to_owned()),
            status => Err(anyhow!(
                "the issue was not opened: {status}: {}",
                answer["message"].as_str().unwrap_or("no reason given")
            )),
        }
    }
}

/// Adds to the job summary, where there is a job.
pub(crate) fn summarize(markdown: &str) -> Result<(), Failure> {
    let Some(path) = variable("GITHUB_STEP_SUMMARY") else { return Ok(()) };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(markdown.as_bytes()));
    Ok(written.with_context(|| format!("writing {path}"))?)
}
