//! Jenkins: multibranch pipelines (`BRANCH_NAME`, `CHANGE_ID`, `TAG_NAME`), and the git plugin's `GIT_BRANCH`
//! (`origin/main`) in other jobs.

use serde_json::Value;

use super::{Job, branch, fact};
use crate::snapshot::{Event, Fact, Repository};

pub(super) fn event(job: &Job<'_>, _: &Value) -> Event {
    let pull_request = job.pull_request(&["CHANGE_ID"]);
    let name = match &pull_request {
        Some(_) => fact("pull_request", "CHANGE_ID"),
        None => fact("push", "JENKINS_URL"),
    };
    let primary = job.is("BRANCH_IS_PRIMARY", "true");
    Event {
        name: Some(name),
        reference: pull_request
            .or_else(|| job.reference("refs/tags/", &["TAG_NAME"]))
            .or_else(|| job.reference("refs/heads/", &["BRANCH_NAME", "GIT_LOCAL_BRANCH"]))
            .or_else(|| job.fact(&["GIT_BRANCH"]).and_then(of_remote)),
        commit: job.fact(&["GIT_COMMIT"]),
        base: job.fact(&["CHANGE_TARGET"]).map(branch),
        default_branch: if primary { job.fact(&["BRANCH_NAME"]) } else { None },
        repository: Repository::default(),
        ..Event::default()
    }
}

/// `origin/feature/x` is the branch `feature/x`; a detached checkout names none.
fn of_remote(given: Fact) -> Option<Fact> {
    let Fact { value, origin } = given;
    if value.starts_with("refs/") {
        return Some(Fact { value, origin });
    }
    let (_, name) = value.split_once('/')?;
    Some(Fact { value: format!("refs/heads/{name}"), origin })
}
