//! Drone, and Woodpecker, which grew out of it and renamed its variables.

use serde_json::Value;

use super::Job;
use crate::snapshot::{Event, Repository};

const EVENTS: [(&str, &str); 9] = [
    ("push", "push"),
    ("tag", "push"),
    ("pull_request", "pull_request"),
    ("pull_request_closed", "pull_request"),
    ("release", "release"),
    ("cron", "schedule"),
    ("deployment", "deployment"),
    ("promote", "deployment"),
    ("rollback", "deployment"),
];

pub(super) fn event(job: &Job<'_>, _: &Value) -> Event {
    Event {
        name: job.event_name("DRONE_BUILD_EVENT", &EVENTS, "workflow_dispatch"),
        reference: job
            .pull_request(&["DRONE_PULL_REQUEST"])
            .or_else(|| job.reference("refs/tags/", &["DRONE_TAG"]))
            .or_else(|| {
                job.reference("refs/heads/", &["DRONE_COMMIT_REF", "DRONE_COMMIT_BRANCH", "DRONE_BRANCH"])
            }),
        commit: job.fact(&["DRONE_COMMIT_SHA", "DRONE_COMMIT"]),
        base: job.fact(&["DRONE_PULL_REQUEST"]).and_then(|_| job.fact(&["DRONE_TARGET_BRANCH"])),
        default_branch: job.fact(&["DRONE_REPO_BRANCH"]),
        repository: repository(job, "DRONE_REPO_NAME", "DRONE_REPO_LINK"),
        ..Event::default()
    }
}

pub(super) fn woodpecker(job: &Job<'_>, _: &Value) -> Event {
    Event {
        name: job.event_name("CI_PIPELINE_EVENT", &EVENTS, "workflow_dispatch"),
        reference: job
            .pull_request(&["CI_COMMIT_PULL_REQUEST"])
            .or_else(|| job.reference("refs/tags/", &["CI_COMMIT_TAG"]))
            .or_else(|| job.reference("refs/heads/", &["CI_COMMIT_REF", "CI_COMMIT_BRANCH"])),
        commit: job.fact(&["CI_COMMIT_SHA"]),
        base: job.fact(&["CI_COMMIT_PULL_REQUEST"]).and_then(|_| job.fact(&["CI_COMMIT_TARGET_BRANCH"])),
        default_branch: job.fact(&["CI_REPO_DEFAULT_BRANCH"]),
        repository: repository(job, "CI_REPO_NAME", "CI_REPO_URL"),
        ..Event::default()
    }
}

fn repository(job: &Job<'_>, name: &str, url: &str) -> Repository {
    let text = |name: &str| job.text(name).unwrap_or_default().to_owned();
    Repository { name: text(name), url: text(url), ..Repository::default() }
}
