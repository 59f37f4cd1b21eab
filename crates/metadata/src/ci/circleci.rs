//! CircleCI. It builds branches, and says of an open pull request only that there is one: a branch with a
//! request is still built as the branch. Only requests from forks (`pull/7`) are built as such.

use serde_json::Value;

use super::{Job, fact};
use crate::snapshot::{Event, Fact, Repository};

pub(super) fn event(job: &Job<'_>, _: &Value) -> Event {
    let forked = forked(job);
    let name = match &forked {
        Some(request) => fact("pull_request", &request.origin),
        None => fact("push", "CIRCLECI"),
    };
    Event {
        name: Some(name),
        reference: forked
            .or_else(|| job.reference("refs/tags/", &["CIRCLE_TAG"]))
            .or_else(|| job.reference("refs/heads/", &["CIRCLE_BRANCH"])),
        commit: job.fact(&["CIRCLE_SHA1"]),
        repository: Repository {
            name: job.text("CIRCLE_PROJECT_REPONAME").unwrap_or_default().to_owned(),
            ..Repository::default()
        },
        ..Event::default()
    }
}

fn forked(job: &Job<'_>) -> Option<Fact> {
    job.pull_request(&["CIRCLE_PR_NUMBER"]).or_else(|| {
        let number = job.text("CIRCLE_BRANCH")?.strip_prefix("pull/")?.split('/').next()?;
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| fact(&format!("refs/pull/{number}/merge"), "CIRCLE_BRANCH"))
    })
}
