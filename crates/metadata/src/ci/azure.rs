//! Azure Pipelines, which names full refs itself.

use serde_json::Value;

use super::{Job, branch};
use crate::snapshot::{Event, Repository};

const EVENTS: [(&str, &str); 6] = [
    ("IndividualCI", "push"),
    ("BatchedCI", "push"),
    ("PullRequest", "pull_request"),
    ("ValidateShelveset", "pull_request"),
    ("Schedule", "schedule"),
    ("Manual", "workflow_dispatch"),
];

pub(super) fn event(job: &Job<'_>, _: &Value) -> Event {
    let name = job.text("BUILD_REPOSITORY_NAME").and_then(|name| name.rsplit('/').next());
    Event {
        name: job.event_name("BUILD_REASON", &EVENTS, "workflow_dispatch"),
        reference: job.reference("refs/heads/", &["BUILD_SOURCEBRANCH"]),
        commit: job.fact(&["BUILD_SOURCEVERSION"]),
        base: job.fact(&["SYSTEM_PULLREQUEST_TARGETBRANCH"]).map(branch),
        repository: Repository { name: name.unwrap_or_default().to_owned(), ..Repository::default() },
        ..Event::default()
    }
}
