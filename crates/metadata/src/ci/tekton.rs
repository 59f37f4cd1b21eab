//! Tekton, whose tasks have parameters instead of variables: pass them as `PARAM_<NAME>`, as the git-clone task
//! does. The names are those of Pipelines as Code: `revision`, `source_branch`, `target_branch`, `git_tag`,
//! `pull_request_number`, `event_type`, `repo_name`, `repo_url`.

use serde_json::Value;

use super::{Job, branch, fact};
use crate::snapshot::{Event, Repository};

const EVENTS: [(&str, &str); 3] =
    [("push", "push"), ("pull_request", "pull_request"), ("incoming", "workflow_dispatch")];

/// A revision alone says too little to be sure.
pub(super) fn runs(job: &Job<'_>) -> bool {
    let others =
        ["PARAM_SOURCE_BRANCH", "PARAM_GIT_TAG", "PARAM_PULL_REQUEST_NUMBER", "PARAM_REPO_URL", "PARAM_URL"];
    job.has("PARAM_REVISION") && others.iter().any(|name| job.has(name))
}

pub(super) fn event(job: &Job<'_>, _: &Value) -> Event {
    let pull_request = job.pull_request(&["PARAM_PULL_REQUEST_NUMBER"]);
    let name = match &pull_request {
        Some(request) => Some(fact("pull_request", &request.origin)),
        None => job.event_name("PARAM_EVENT_TYPE", &EVENTS, "workflow_dispatch"),
    };
    let is_request = pull_request.is_some();
    // The git-clone task's revision may be a branch; only a whole id is a commit.
    let revision = job.fact(&["PARAM_REVISION"]);
    let is_id = |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    Event {
        name,
        reference: pull_request
            .or_else(|| job.reference("refs/tags/", &["PARAM_GIT_TAG"]))
            .or_else(|| job.reference("refs/heads/", &["PARAM_SOURCE_BRANCH"])),
        commit: revision.filter(|revision| is_id(&revision.value)),
        base: job.fact(&["PARAM_TARGET_BRANCH"]).filter(|_| is_request).map(branch),
        repository: Repository {
            name: job.text("PARAM_REPO_NAME").unwrap_or_default().to_owned(),
            url: job.text("PARAM_REPO_URL").unwrap_or_default().to_owned(),
            ..Repository::default()
        },
        ..Event::default()
    }
}
