//! How the ledger's refusals and failures end: exit code, words, and the way out.

use anyhow::anyhow;
use wharf_ledger::{AppendError, Refusal, ViewError};

use crate::commands::registry_failure;
use crate::exit::{Exit, Failure};

/// A log that cannot be read.
pub(crate) fn unreadable(error: ViewError) -> Failure {
    match error {
        ViewError::Store { place, source } => {
            registry_failure(*source).context(format!("the ledger in {place} cannot be read"))
        }
        other => {
            let place = match &other {
                ViewError::Damaged { place, .. } | ViewError::Missing { place, .. } => place.clone(),
                ViewError::Gap { place, .. } => place.clone(),
                ViewError::Store { .. } => String::new(),
            };
            Failure::from(anyhow!(other))
                .hint(format!("`wharf fsck {place}` says what is left and what a rollback can still reach"))
        }
    }
}

/// An entry that was not written.
pub(crate) fn unwritten(error: AppendError) -> Failure {
    match error {
        AppendError::View(error) => unreadable(error),
        AppendError::Store { place, tag, source } => {
            registry_failure(*source).context(format!("the ledger entry `{tag}` was not written to {place}"))
        }
        AppendError::Lost { .. } => Failure::new(Exit::Race, anyhow!(error))
            .hint("nothing was changed; look at `wharf log`, and run the command again if it is still right"),
        AppendError::Arbiter { .. } => Failure::from(anyhow!(error)).hint(
            "the git repository must be reachable, with credentials that git knows; `wharf rollback --emergency` \
             goes on without it",
        ),
        AppendError::Entry(_) => Failure::from(anyhow!(error)),
    }
}

/// A decision that said no.
pub(crate) fn refused(refusal: Refusal, repository: &str) -> Failure {
    let (exit, hint) = match &refusal {
        Refusal::Empty(env) => {
            (Exit::Usage, format!("promote a release there: wharf promote {repository}:VERSION --env {env}"))
        }
        Refusal::Begun { .. } => (Exit::Gate, "a log's tier is settled once".into()),
        Refusal::Unexpected { log, .. } => {
            (Exit::Race, format!("somebody else moved it; look first: wharf status {repository} --env {log}"))
        }
        Refusal::Quarantined { log, entry } => (
            Exit::Gate,
            format!(
                "ship a fixed release; to take the quarantine back: wharf hold {repository} --env {log} --release \
                 --pardon {}",
                entry.digest
            ),
        ),
        Refusal::Held { log, .. } => (
            Exit::Gate,
            format!("when the cause is dealt with: wharf hold {repository} --env {log} --release"),
        ),
        Refusal::Forked { log, .. } => {
            (Exit::Gate, format!("decide which side counts: wharf ledger resolve {repository} --env {log}"))
        }
        Refusal::NothingBefore(env) => (
            Exit::Gate,
            format!(
                "promote a release that works, or name one: wharf rollback {repository} --env {env} --to VERSION"
            ),
        ),
        Refusal::Already { .. } | Refusal::NotHeld(_) => (Exit::Done, String::new()),
    };
    let failure = Failure::new(exit, anyhow!(refusal));
    if hint.is_empty() { failure } else { failure.hint(hint) }
}
