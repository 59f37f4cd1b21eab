//! Git repositories, by the host's own `git`, which knows the user's keys, proxies and certificates.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::address::without_credentials;
use crate::engine::Engine;
use crate::error::{Cause, StepError};
use crate::id::Hasher;
use crate::plan::GitSource;

/// So much of what git says is kept for the error.
const MESSAGE_MAX: usize = 2000;

/// What stands before the branch that `HEAD` is.
const BRANCH: &str = "ref: ";

/// Files of a commit.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    /// Where they are.
    pub(crate) directory: PathBuf,
}

/// What a source stands for at its remote now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) commit: String,
    /// The full name of the branch or tag, as `refs/tags/v1`; none of a commit.
    pub(crate) reference: Option<String>,
}

/// The commit that `source` stands for at its remote now.
pub(crate) fn find_commit(source: &GitSource) -> Result<Found, StepError> {
    let found = if is_commit(&source.reference) {
        Found { commit: source.reference.clone(), reference: None }
    } else {
        let pattern = if source.reference.is_empty() { "HEAD" } else { &source.reference };
        let peeled = format!("{pattern}^{{}}");
        let listing = git(Path::new("/"), ["ls-remote", "--symref", "--", &source.remote, pattern, &peeled])?;
        let missing = || Cause::Refused(format!("the repository {} has no {pattern:?}", source.remote));
        choose(&listing, pattern).ok_or_else(missing)?
    };
    match &source.checksum {
        Some(expected) if !found.commit.starts_with(expected) => Err(Cause::Checksum {
            what: source.remote.clone(),
            expected: expected.clone(),
            found: found.commit,
        }
        .into()),
        _ => Ok(found),
    }
}

/// Checks the commit out into `directory`.
pub(crate) fn check_out(
    source: &GitSource,
    engine: &Engine,
    directory: PathBuf,
) -> Result<Checkout, StepError> {
    let found = find_commit(source)?;
    let repository = fetch(source, &found.commit, engine)?;
    let repository = repository.to_string_lossy();
    git(&directory, ["init", "--quiet", "."])?;
    git(&directory, ["remote", "add", "origin", &source.remote])?;
    let place = format!("refs/wharf/{}", found.commit);
    git(&directory, ["fetch", "--quiet", "--depth=1", "--", &repository, &place])?;
    git(&directory, ["checkout", "--quiet", "--detach", &found.commit])?;
    if source.keep_git_dir {
        tidy(source, &found, &directory)?;
    }
    if source.submodules && directory.join(".gitmodules").exists() {
        git(&directory, ["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"])?;
    }
    if !source.keep_git_dir {
        let dot_git = directory.join(".git");
        fs::remove_dir_all(&dot_git).map_err(Cause::file("removing", &dot_git))?;
    }
    Ok(Checkout { directory })
}

/// Makes the `.git` of `directory` one that an image may have: the branch or tag that was asked for has its name, so
/// that `git describe` finds it, and nothing tells of credentials, of this machine or of the time.
fn tidy(source: &GitSource, found: &Found, directory: &Path) -> Result<(), StepError> {
    if let Some(reference) = found.reference.as_ref().filter(|name| name.starts_with("refs/")) {
        let same = format!("+{reference}:{reference}");
        git(directory, ["fetch", "--quiet", "--depth=1", "--no-tags", "--", "origin", &same])?;
        let named = git(directory, ["rev-parse", &format!("{reference}^{{commit}}")])?;
        if named.trim() != found.commit {
            // It was moved since it was looked up.
            git(directory, ["update-ref", "-d", reference])?;
        }
    }
    git(directory, ["remote", "set-url", "origin", &without_credentials(&source.remote)])?;
    git(directory, ["reflog", "expire", "--all", "--expire=now"])?;
    let fetched = directory.join(".git/FETCH_HEAD");
    fs::remove_file(&fetched).map_err(Cause::file("removing", &fetched))
}

/// Brings the commit into the data directory's copy of the repository.
fn fetch(source: &GitSource, commit: &str, engine: &Engine) -> Result<PathBuf, StepError> {
    let mut name = Hasher::new("repository");
    let name = name.text(&source.remote).finish().to_string();
    let repository = engine.data.join("git").join(&name[..32]);
    fs::create_dir_all(&repository).map_err(Cause::file("making directory", &repository))?;
    let lock = repository.join("wharf.lock");
    let file = File::create(&lock).map_err(Cause::file("making", &lock))?;
    file.lock().map_err(Cause::file("locking", &lock))?;
    if !repository.join("HEAD").exists() {
        git(&repository, ["init", "--quiet", "--bare", "."])?;
        git(&repository, ["config", "uploadpack.allowAnySHA1InWant", "true"])?;
    }
    let place = format!("refs/wharf/{commit}");
    if git(&repository, ["rev-parse", "--quiet", "--verify", &place]).is_ok() {
        return Ok(repository);
    }
    let shallow = ["fetch", "--quiet", "--depth=1", "--no-tags", "--", &source.remote, commit];
    if git(&repository, shallow).is_err() {
        // Not every server hands out a commit by its name alone.
        git(
            &repository,
            ["fetch", "--quiet", "--tags", "--", &source.remote, "+refs/heads/*:refs/remotes/origin/*"],
        )?;
    }
    git(&repository, ["update-ref", &place, commit])?;
    Ok(repository)
}

/// The commit in the answer of `ls-remote --symref`: of an annotated tag what it stands for, tags before branches,
/// and of `HEAD` the branch.
fn choose(listing: &str, pattern: &str) -> Option<Found> {
    let lines = || listing.lines().filter_map(|line| line.split_once('\t'));
    let find = |name: &str| {
        let mut lines = lines().filter(|(_, reference)| *reference == name);
        lines.find(|(commit, _)| !commit.starts_with(BRANCH)).map(|(commit, _)| commit.to_owned())
    };
    let branch = |name: &str| {
        let mut lines = lines().filter(|(_, reference)| *reference == name);
        lines.find_map(|(branch, _)| branch.strip_prefix(BRANCH)).map(str::to_owned)
    };
    let full = [format!("refs/tags/{pattern}"), format!("refs/heads/{pattern}"), pattern.to_owned()];
    full.into_iter().find_map(|name| {
        let commit = find(&format!("{name}^{{}}")).or_else(|| find(&name))?;
        Some(Found { commit, reference: branch(&name).or(Some(name)) })
    })
}

fn is_commit(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64) && reference.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Runs git in `directory` and gives what it prints. Files it makes can be read by everyone.
fn git<S: AsRef<OsStr>>(directory: &Path, args: impl IntoIterator<Item = S>) -> Result<String, StepError> {
    let args: Vec<S> = args.into_iter().collect();
    let words: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect();
    let command = format!("git {}", words.join(" "));
    let output = Command::new("/bin/sh")
        .args(["-c", "umask 022; exec git \"$@\"", "git"])
        .args(["-c", "advice.detachedHead=false", "-c", "protocol.ext.allow=never"])
        .args(&args)
        .current_dir(directory)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Cause::Command { command: command.clone(), message: error.to_string() })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let message = message.trim();
    let start = message.len().saturating_sub(MESSAGE_MAX);
    let start = (start..message.len()).find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    Err(Cause::Command { command, message: message[start..].to_owned() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_before_branches_and_are_peeled() {
        let listing = "aaa\trefs/heads/v1\nbbb\trefs/tags/v1\nccc\trefs/tags/v1^{}\nddd\trefs/heads/x/v1\n";
        let found = |listing, pattern| {
            let Found { commit, reference } = choose(listing, pattern)?;
            Some(format!("{commit} {}", reference?))
        };
        assert_eq!(found(listing, "v1").as_deref(), Some("ccc refs/tags/v1"));
        assert_eq!(found("aaa\trefs/heads/main\n", "main").as_deref(), Some("aaa refs/heads/main"));
        assert_eq!(found("aaa\tHEAD\n", "HEAD").as_deref(), Some("aaa HEAD"));
        assert_eq!(
            found("ref: refs/heads/trunk\tHEAD\naaa\tHEAD\n", "HEAD").as_deref(),
            Some("aaa refs/heads/trunk")
        );
        assert_eq!(found("aaa\trefs/heads/other/main\n", "main"), None);
    }
}
