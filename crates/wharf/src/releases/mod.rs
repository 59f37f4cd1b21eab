//! What the release verbs share: where a log is, who asks, what speaks for a release, and how a refusal ends.
//!
//! Decisions are `wharf_ledger`'s and pure; here is what they are fed with, and what is done with them.

pub(crate) mod approvals;
pub(crate) mod configs;
pub(crate) mod describe;
pub(crate) mod evidence;
pub(crate) mod failure;
pub(crate) mod files;
pub(crate) mod git_ref;
pub(crate) mod overview;
pub(crate) mod page;
pub(crate) mod place;
pub(crate) mod policy;
pub(crate) mod retention;
pub(crate) mod write;

use wharf_ledger::{Kind, LogName, Record};

use crate::settings::host::variable;

/// A record of this run: who and when, and which operation it is.
pub(crate) fn record(log: &LogName, kind: Kind, op_id: &str, reason: Option<&str>) -> Record {
    let now = crate::world::now().to_string();
    let mut record = Record::new(log.clone(), kind, op_id, crate::actor::current(), now);
    record.reason = reason.map(str::to_owned);
    record
}

/// The operation's name: what was typed, else the CI job (so that a job that runs again is the same operation),
/// else a new one.
pub(crate) fn operation(typed: Option<&str>, kind: Kind, log: &LogName, about: &str) -> String {
    if let Some(typed) = typed {
        return typed.to_owned();
    }
    let job =
        [("GITHUB_RUN_ID", "GITHUB_JOB"), ("CI_PIPELINE_ID", "CI_JOB_NAME"), ("BUILD_TAG", "STAGE_NAME")]
            .into_iter()
            .find_map(|(run, job)| Some((variable(run)?, variable(job).unwrap_or_default())));
    match job {
        Some((run, job)) => {
            let text = format!("{run} {job} {kind} {log} {about}");
            let name = wharf_oci::digest::sha256(text.as_bytes());
            format!("ci-{run}-{}", wharf_oci::digest::short(&name, 16))
        }
        None => uuid::Uuid::new_v4().to_string(),
    }
}
