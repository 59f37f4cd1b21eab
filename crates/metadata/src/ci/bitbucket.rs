//! Bitbucket Pipelines. In a pull request the source branch is set too; the request comes first.

use serde_json::Value;

use super::{Job, fact};
use crate::snapshot::{Event, Repository};

pub(super) fn event(job: &Job<'_>, _: &Value) -> Event {
    let pull_request = job.pull_request(&["BITBUCKET_PR_ID"]);
    let name = match &pull_request {
        Some(_) => fact("pull_request", "BITBUCKET_PR_ID"),
        None => fact("push", "BITBUCKET_BUILD_NUMBER"),
    };
    Event {
        name: Some(name),
        reference: pull_request
            .or_else(|| job.reference("refs/tags/", &["BITBUCKET_TAG"]))
            .or_else(|| job.reference("refs/heads/", &["BITBUCKET_BRANCH"])),
        commit: job.fact(&["BITBUCKET_COMMIT"]),
        base: job.fact(&["BITBUCKET_PR_DESTINATION_BRANCH"]),
        repository: Repository {
            name: job.text("BITBUCKET_REPO_SLUG").unwrap_or_default().to_owned(),
            url: url(job),
            ..Repository::default()
        },
        ..Event::default()
    }
}

/// The repository's page; the variable has had `http` in it since before the site had `https`.
fn url(job: &Job<'_>) -> String {
    job.text("BITBUCKET_GIT_HTTP_ORIGIN").unwrap_or_default().replacen("http://", "https://", 1)
}
