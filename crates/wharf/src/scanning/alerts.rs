//! Alerts: what is new and stops a ship is told to whoever should know, once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use wharf_oci::digest;
use wharf_scan::{Finding, Policy, Report};

use super::github::GitHub;
use crate::exit::Failure;
use crate::settings::document::expand;
use crate::settings::{host, project};
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(30);
/// Findings that one message names.
const MOST: usize = 10;

/// The findings that stop a ship and were not told before, by what they are and not by the build.
pub(crate) fn news<'a>(report: &'a Report, policy: &Policy, told: &BTreeSet<String>) -> Vec<&'a Finding> {
    let stops = |finding: &&Finding| policy.stops(finding) && !told.contains(&finding.fingerprint);
    report.findings.iter().filter(stops).collect()
}

/// What was told of an image already.
pub(crate) struct Memory {
    path: PathBuf,
    pub(crate) told: BTreeSet<String>,
}

impl Memory {
    /// `name` is the image without its tag, so that the next version is not news.
    pub(crate) fn of(name: &str, world: &World) -> Self {
        let key = digest::sha256(name.as_bytes()).digest()[..32].to_owned();
        let path = world.data_dir.join("alerts").join(format!("{key}.json"));
        let known = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, told: known.unwrap_or_default() }
    }

    /// Keeps what stops now: what went away and comes back is news again.
    pub(crate) fn keep(&self, report: &Report, policy: &Policy) -> Result<(), Failure> {
        let stopping = report.findings.iter().filter(|finding| policy.stops(finding));
        let told: BTreeSet<&str> = stopping.map(|finding| finding.fingerprint.as_str()).collect();
        if let Some(directory) = self.path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(&self.path, serde_json::to_vec(&told)?)
            .with_context(|| format!("writing {}", self.path.display()))?;
        Ok(())
    }
}

/// Tells everyone that the settings name. A channel that fails is a warning: the scan's own verdict stands.
pub(crate) fn send(
    settings: &project::Alerts,
    name: &str,
    news: &[&Finding],
    world: &World,
) -> Result<usize, Failure> {
    let mut sent = 0;
    if news.is_empty() {
        return Ok(sent);
    }
    let targets = [(&settings.webhook, message(name, news)), (&settings.slack, slack(name, news))];
    for (url, body) in targets {
        let Some(url) = url else { continue };
        let url = expand(url, "an address in [scan.alerts]", &host::variable)?;
        match world.runtime.block_on(post(&url, &body)) {
            Ok(()) => sent += 1,
            Err(error) => world.progress.note(&format!("warning: an alert was not delivered: {error:#}")),
        }
    }
    if settings.github_issue {
        let github = GitHub::from_environment()?;
        let (title, text) = (title(name, news), markdown(name, news));
        let opened = github.issue(&title, &text);
        match world.runtime.block_on(opened) {
            Ok(_) => sent += 1,
            Err(error) => world.progress.note(&format!("warning: an alert was not delivered: {error:#}")),
        }
    }
    Ok(sent)
}

async fn post(url: &str, body: &Value) -> Result<()> {
    let settings = wharf_registry::Settings { proxies: crate::world::proxies(), ..Default::default() };
    let http = wharf_registry::http_client(&settings).context("setting up the HTTP client")?;
    // The address of a webhook is a secret, so errors name its host only.
    let host =
        reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let response = http.post(url).timeout(PATIENCE).json(body).send().await;
    let response = response.map_err(|error| anyhow!("{host}: {}", error.without_url()))?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(anyhow!("{host} answered {status}")),
    }
}

fn title(name: &str, news: &[&Finding]) -> String {
    match news {
        [one] => format!("{name}: {} ({})", one.rule, one.severity),
        several => format!("{name}: {} and {} more", several[0].rule, several.len() - 1),
    }
}

/// For programs.
fn message(name: &str, news: &[&Finding]) -> Value {
    json!({ "event": "wharf.scan.new-findings", "image": name, "time": super::format::now(), "findings": news })
}

/// Slack's own form.
fn slack(name: &str, news: &[&Finding]) -> Value {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let lines: Vec<String> = news
        .iter()
        .take(MOST)
        .map(|finding| {
            format!("• *{}* {}: {}", finding.severity, escape(&finding.rule), escape(&finding.title))
        })
        .collect();
    let more = news.len().saturating_sub(MOST);
    let more = if more > 0 { format!("\n…and {more} more") } else { String::new() };
    json!({ "text": format!("*{}*: {} new\n{}{more}", escape(name), news.len(), lines.join("\n")) })
}

fn markdown(name: &str, news: &[&Finding]) -> String {
    let mut text = format!("`wharf` found in `{name}`:\n\n");
    for finding in news.iter().take(MOST) {
        let title = finding.title.replace(['\n', '@', '<'], " ");
        text.push_str(&format!("- **{}** `{}`: {title}\n", finding.severity, finding.rule.replace('`', "'")));
    }
    if news.len() > MOST {
        text.push_str(&format!("\n…and {} more.\n", news.len() - MOST));
    }
    text
}
