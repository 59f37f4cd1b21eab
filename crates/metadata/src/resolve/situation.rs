//! What is being built: CI's word over git's, and every fact with its origin.

use crate::snapshot::{Fact, Git, Snapshot};
use crate::subject::Subject;

/// What rules see of `snapshot`.
pub(super) fn subject(snapshot: &Snapshot) -> Subject {
    let event = snapshot.event.clone().unwrap_or_default();
    let git = snapshot.git.as_ref();
    let reference = event.reference.or_else(|| git.and_then(git_reference));
    let commit = event.commit.or_else(|| git.map(|git| fact(git.commit.clone(), "git HEAD")));
    let default_branch = default_branch(snapshot);
    let now = built_at(snapshot);
    let of_git = git.filter(|git| commit.as_ref().is_some_and(|commit| commit.value == git.commit));
    let commit_date = event.commit_date.or_else(|| of_git.and_then(|git| git.commit_date));
    let on_default_branch = reference.as_ref().is_some_and(|reference| {
        reference
            .value
            .strip_prefix("refs/heads/")
            .is_some_and(|branch| default_branch.as_deref() == Some(branch))
    });
    Subject {
        event: event.name.map_or_else(String::new, |name| name.value),
        reference,
        commit,
        commit_date: Some(commit_date.map_or(now, |date| date.as_millisecond())),
        now,
        base: event.base.map_or_else(String::new, |base| base.value),
        on_default_branch: Some(on_default_branch),
        edge_branch: default_branch,
        short_commit_length: None,
    }
}

/// The instant that the image says it was made: the one asked for, or the present.
pub(super) fn built_at(snapshot: &Snapshot) -> i64 {
    snapshot.clock.source_date_epoch.unwrap_or(snapshot.clock.now).as_millisecond()
}

/// Git's ref: the branch that is checked out; else a tag of the commit; else the one remote branch that ends there.
fn git_reference(git: &Git) -> Option<Fact> {
    if let Some(branch) = &git.branch {
        return Some(fact(format!("refs/heads/{branch}"), "git branch"));
    }
    if let Some(tag) = newest_tag(&git.tags) {
        return Some(fact(format!("refs/tags/{tag}"), "git tag at HEAD"));
    }
    match git.remote_branches.as_slice() {
        [branch] => Some(fact(format!("refs/heads/{branch}"), "remote branch at HEAD")),
        _ => None,
    }
}

/// Of several tags on one commit the greatest version, else the last one.
fn newest_tag(tags: &[String]) -> Option<&String> {
    let version = |tag: &&String| crate::Version::parse(tag);
    let versions = tags.iter().filter_map(|tag| Some((tag, version(&tag)?)));
    let newest = versions.reduce(|best, next| {
        if best.1.compare(&next.1).is_some_and(std::cmp::Ordering::is_lt) { next } else { best }
    });
    newest.map(|(tag, _)| tag).or_else(|| tags.last())
}

/// The default branch: as CI says, as the remote says, or the one of the two usual names that is checked out.
fn default_branch(snapshot: &Snapshot) -> Option<String> {
    let of_event = snapshot.event.as_ref().and_then(|event| event.default_branch.as_ref());
    let of_git = || snapshot.git.as_ref().and_then(|git| git.default_branch.clone());
    of_event.map(|fact| fact.value.clone()).or_else(of_git).or_else(|| {
        let event = snapshot.event.as_ref().and_then(|event| event.reference.as_ref());
        let branch = event.and_then(|fact| fact.value.strip_prefix("refs/heads/"));
        let branch = branch.or_else(|| snapshot.git.as_ref()?.branch.as_deref());
        branch.filter(|branch| matches!(*branch, "main" | "master")).map(str::to_owned)
    })
}

fn fact(value: String, origin: &str) -> Fact {
    Fact { value, origin: origin.to_owned() }
}
