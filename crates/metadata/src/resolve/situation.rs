//! What is being built: CI's word over git's, and every fact with its origin.

use std::cmp::Ordering;

use crate::snapshot::{Fact, Git, Snapshot};
use crate::subject::Subject;
use crate::version::Version;

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

/// Git's ref: a version tag of the commit, where the tree is the commit's; else the branch that is checked out;
/// else another tag; else the one remote branch that ends there.
fn git_reference(git: &Git) -> Option<Fact> {
    let tag = |tag: &String| Some(fact(format!("refs/tags/{tag}"), "git tag at HEAD"));
    let branch = |branch: &String, origin| Some(fact(format!("refs/heads/{branch}"), origin));
    match (version_tag(git).filter(|_| !git.dirty), &git.branch) {
        (Some(version), _) => tag(version),
        (None, Some(name)) => branch(name, "git branch"),
        (None, None) => match (git.tags.last().filter(|_| !git.dirty), git.remote_branches.as_slice()) {
            (Some(name), _) => tag(name),
            (None, [only]) => branch(only, "remote branch at HEAD"),
            (None, _) => None,
        },
    }
}

/// Why a version tag of the commit does not count, where it would without local changes.
pub(super) fn ignored_tag(snapshot: &Snapshot) -> Option<String> {
    let git = snapshot.git.as_ref().filter(|git| git.dirty && snapshot.event.is_none())?;
    let tag = version_tag(git)?;
    Some(format!("the git tag `{tag}` does not count: tracked files differ from its commit"))
}

/// Of the commit's tags the one that names the greatest version.
fn version_tag(git: &Git) -> Option<&String> {
    let versions = git.tags.iter().filter_map(|tag| Some((tag, Version::parse(tag)?)));
    let greatest = versions.reduce(|best, next| {
        let newer = best.1.compare(&next.1).is_some_and(Ordering::is_lt);
        if newer { next } else { best }
    });
    greatest.map(|(tag, _)| tag)
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
