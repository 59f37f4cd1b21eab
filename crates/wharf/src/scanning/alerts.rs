//! Alerts: what is new and stops a ship is told to whoever should know, once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
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

/// What was told of an image already, and what somebody has not heard yet.
pub(crate) struct Memory {
    path: PathBuf,
    document: Document,
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    /// Findings by what they are and not by the build.
    told: BTreeSet<String>,
    /// By channel, what it did not take when it was news.
    owed: BTreeMap<String, BTreeSet<String>>,
}

impl Memory {
    /// `name` is the image without its tag, so that the next version is not news.
    pub(crate) fn of(name: &str, world: &World) -> Self {
        let key = digest::sha256(name.as_bytes()).digest()[..32].to_owned();
        let path = world.data_dir.join("alerts").join(format!("{key}.json"));
        let known = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, document: known.unwrap_or_default() }
    }

    /// Takes findings as told that others have decided upon.
    pub(crate) fn know<'a>(&mut self, findings: impl IntoIterator<Item = &'a Finding>) {
        self.document.told.extend(findings.into_iter().map(|finding| finding.fingerprint.clone()));
    }

    /// The findings that stop a ship and were not told before.
    pub(crate) fn news<'a>(&self, report: &'a Report, policy: &Policy) -> Vec<&'a Finding> {
        self.due(report, policy, None)
    }

    /// What a channel has to hear: the news, and what it is owed.
    fn due<'a>(&self, report: &'a Report, policy: &Policy, channel: Option<&str>) -> Vec<&'a Finding> {
        let owed = channel.and_then(|channel| self.document.owed.get(channel));
        let is_due = |finding: &&Finding| {
            let (told, owes) = (&self.document.told, owed.is_some_and(|o| o.contains(&finding.fingerprint)));
            policy.stops(finding) && (owes || !told.contains(&finding.fingerprint))
        };
        report.findings.iter().filter(is_due).collect()
    }

    /// Keeps what stops now: what went away and comes back is news again.
    fn keep(&mut self, report: &Report, policy: &Policy) -> Result<(), Failure> {
        let stopping = report.findings.iter().filter(|finding| policy.stops(finding));
        self.document.told = stopping.map(|finding| finding.fingerprint.clone()).collect();
        if let Some(directory) = self.path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(&self.path, serde_json::to_vec(&self.document)?)
            .with_context(|| format!("writing {}", self.path.display()))?;
        Ok(())
    }
}

/// Tells everyone that the settings name what is news to them; gives how many were told. A channel that fails is a warning, as
/// the scan's own verdict stands, and hears of it the next time.
pub(crate) fn tell(
    settings: &project::Alerts,
    name: &str,
    report: &Report,
    policy: &Policy,
    mut memory: Memory,
    world: &World,
) -> Result<usize, Failure> {
    let mut sent = 0;
    for channel in Channel::of(settings)? {
        let due = memory.due(report, policy, Some(channel.name()));
        if due.is_empty() {
            continue;
        }
        match world.runtime.block_on(channel.deliver(name, &due)) {
            Ok(()) => {
                memory.document.owed.remove(channel.name());
                sent += 1;
            }
            Err(error) => {
                let owed = due.iter().map(|finding| finding.fingerprint.clone()).collect();
                memory.document.owed.insert(channel.name().to_owned(), owed);
                world.progress.note(&format!(
                    "warning: an alert was not delivered, and will be tried again: {error:#}"
                ));
            }
        }
    }
    memory.keep(report, policy)?;
    Ok(sent)
}

/// A way to tell somebody.
enum Channel {
    /// An address that takes JSON.
    Webhook(String),
    /// A webhook of Slack's.
    Slack(String),
    /// Issues of a repository.
    Issue(Box<GitHub>),
}

impl Channel {
    fn of(settings: &project::Alerts) -> Result<Vec<Self>, Failure> {
        let address = |url: &Option<String>| {
            let url = url.as_deref().map(|url| expand(url, "an address in [scan.alerts]", &host::variable));
            url.transpose()
        };
        let webhook = address(&settings.webhook)?.map(Self::Webhook);
        let slack = address(&settings.slack)?.map(Self::Slack);
        let issue = match settings.github_issue {
            true => Some(Self::Issue(Box::new(GitHub::from_environment()?))),
            false => None,
        };
        Ok([webhook, slack, issue].into_iter().flatten().collect())
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Issue(_) => "github-issue",
        }
    }

    async fn deliver(&self, name: &str, news: &[&Finding]) -> Result<()> {
        match self {
            Self::Webhook(url) => post(url, &message(name, news)).await,
            Self::Slack(url) => post(url, &slack(name, news)).await,
            Self::Issue(github) => github.issue(&title(name, news), &markdown(name, news)).await.map(drop),
        }
    }
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
