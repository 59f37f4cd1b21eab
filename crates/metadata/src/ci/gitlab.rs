//! GitLab CI. Merge requests count as pull requests.

use serde_json::Value;

use super::{Job, date};
use crate::snapshot::{Event, Repository};

const EVENTS: [(&str, &str); 5] = [
    ("push", "push"),
    ("merge_request_event", "pull_request"),
    ("external_pull_request_event", "pull_request"),
    ("schedule", "schedule"),
    ("web", "workflow_dispatch"),
];

pub(super) fn event(job: &Job<'_>, _: &Value) -> Event {
    let url = job.text("CI_PROJECT_URL").unwrap_or_default();
    Event {
        name: job.event_name("CI_PIPELINE_SOURCE", &EVENTS, "workflow_dispatch"),
        reference: job
            .pull_request(&["CI_MERGE_REQUEST_IID", "CI_EXTERNAL_PULL_REQUEST_IID"])
            .or_else(|| job.reference("refs/tags/", &["CI_COMMIT_TAG"]))
            .or_else(|| job.reference("refs/heads/", &["CI_COMMIT_BRANCH", "CI_COMMIT_REF_NAME"])),
        commit: job.fact(&["CI_COMMIT_SHA"]),
        commit_date: date(job.text("CI_COMMIT_TIMESTAMP")),
        base: job
            .fact(&["CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME"]),
        default_branch: job.fact(&["CI_DEFAULT_BRANCH"]),
        repository: Repository {
            name: job.text("CI_PROJECT_NAME").unwrap_or_default().to_owned(),
            description: job.text("CI_PROJECT_DESCRIPTION").unwrap_or_default().to_owned(),
            url: url.to_owned(),
            license: String::new(),
        },
        ..Event::default()
    }
}
