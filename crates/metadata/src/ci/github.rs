//! GitHub Actions, and Gitea's and Forgejo's, which set the same variables and event file.

use serde_json::Value;

use super::{Job, branch, date, fact};
use crate::snapshot::{Event, Fact, Repository};

pub(super) fn event(job: &Job<'_>, document: &Value) -> Event {
    let name = job.fact(&["GITHUB_EVENT_NAME"]);
    let of_target = name.as_ref().is_some_and(|name| name.value == "pull_request_target");
    let commit = job.fact(&["GITHUB_SHA"]);
    let commit_date = commit.as_ref().and_then(|commit| commit_date(document, &commit.value));
    Event {
        // That event runs for the base branch, but what it builds is the pull request.
        reference: if of_target { target(document) } else { None }.or_else(|| job.fact(&["GITHUB_REF"])),
        base: job
            .fact(&["GITHUB_BASE_REF"])
            .or_else(|| text(document, "/base_ref", "event.base_ref"))
            .map(branch),
        default_branch: text(document, "/repository/default_branch", "event.repository.default_branch"),
        repository: repository(job, document),
        name,
        commit,
        commit_date,
        ..Event::default()
    }
}

fn target(document: &Value) -> Option<Fact> {
    let number = document["number"].as_u64()?;
    Some(fact(&format!("refs/pull/{number}/merge"), "event.number"))
}

fn text(document: &Value, pointer: &str, origin: &str) -> Option<Fact> {
    let value = document.pointer(pointer)?.as_str().filter(|value| !value.is_empty())?;
    Some(fact(value, origin))
}

fn commit_date(document: &Value, commit: &str) -> Option<jiff::Timestamp> {
    let pushed = document["commits"].as_array().into_iter().flatten();
    let named = pushed.chain([&document["head_commit"]]).find(|pushed| pushed["id"] == commit)?;
    date(named["timestamp"].as_str())
}

fn repository(job: &Job<'_>, document: &Value) -> Repository {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let full = job.text("GITHUB_REPOSITORY");
    let server = job.text("GITHUB_SERVER_URL");
    Repository {
        name: text("/repository/name")
            .or_else(|| full?.rsplit('/').next().map(str::to_owned))
            .unwrap_or_default(),
        description: text("/repository/description").unwrap_or_default(),
        url: text("/repository/html_url")
            .or_else(|| Some(format!("{}/{}", server?, full?)))
            .unwrap_or_default(),
        license: text("/repository/license/spdx_id").filter(|id| id != "NOASSERTION").unwrap_or_default(),
    }
}
