//! Buildkite. The commit may be the word `HEAD`, for builds started by hand; git knows it then.

use serde_json::Value;

use super::{Job, fact};
use crate::snapshot::{Event, Repository};

const EVENTS: [(&str, &str); 2] = [("webhook", "push"), ("schedule", "schedule")];

pub(super) fn event(job: &Job<'_>, _: &Value) -> Event {
    let pull_request = job.pull_request(&["BUILDKITE_PULL_REQUEST"]);
    let name = match &pull_request {
        Some(_) => Some(fact("pull_request", "BUILDKITE_PULL_REQUEST")),
        None => job.event_name("BUILDKITE_SOURCE", &EVENTS, "workflow_dispatch"),
    };
    Event {
        name,
        reference: pull_request
            .or_else(|| job.reference("refs/tags/", &["BUILDKITE_TAG"]))
            .or_else(|| job.reference("refs/heads/", &["BUILDKITE_BRANCH"])),
        commit: job.fact(&["BUILDKITE_COMMIT"]).filter(|commit| commit.value != "HEAD"),
        base: job.fact(&["BUILDKITE_PULL_REQUEST_BASE_BRANCH"]),
        default_branch: job.fact(&["BUILDKITE_PIPELINE_DEFAULT_BRANCH"]),
        repository: Repository::default(),
        ..Event::default()
    }
}
