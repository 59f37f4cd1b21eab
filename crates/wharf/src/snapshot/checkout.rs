//! What is checked out, as docker/metadata-action with `context: git` finds it.
//!
//! The steps, and so the answers for odd checkouts, are those of the action; [`super::git`] is what everything
//! else uses.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkout {
    /// The full ref.
    pub(crate) reference: String,
    /// The commit's full id.
    pub(crate) commit: String,
    /// The committer's date, as git prints it.
    pub(crate) date: String,
}

/// Looks at the checkout in `directory`.
pub(crate) fn read(directory: &Path) -> Result<Checkout> {
    let git = Git { directory };
    let reference = match git.run(&["branch", "--show-current"])?.as_str() {
        "" => git.detached()?,
        _ => git.run(&["symbolic-ref", "HEAD"])?,
    };
    let commit = git.run(&["show", "--format=%H", "HEAD", "--quiet", "--"])?;
    let date = git.run(&["show", "-s", "--format=%ci", &commit])?;
    Ok(Checkout { reference, commit, date })
}

struct Git<'a> {
    directory: &'a Path,
}

impl Git<'_> {
    /// What git prints. Failing silently counts as printing nothing.
    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("git").current_dir(self.directory).args(arguments).output();
        let output = output.context("starting git")?;
        if !output.status.success() && !output.stderr.is_empty() {
            bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The ref of a detached HEAD, from the names that git decorates the commit with.
    fn detached(&self) -> Result<String> {
        let decoration = self.run(&["show", "-s", "--pretty=%D"])?;
        let names = decoration.strip_prefix("grafted, ").unwrap_or(&decoration).trim();
        if names == "HEAD" {
            return self.inferred();
        }
        let Some(names) = names.strip_prefix("HEAD, ").map(str::trim).filter(|names| !names.is_empty())
        else {
            bail!("git names no ref for the detached HEAD: `{decoration}`");
        };
        if names.starts_with("tag: ") {
            return self.tag(names);
        }
        if is_pull_request(names) {
            return Ok(format!("refs/{names}"));
        }
        match branch(names) {
            Some(branch) => Ok(format!("refs/heads/{}", branch.trim())),
            None => bail!("the detached HEAD is at no ref that can be built: `{decoration}`"),
        }
    }

    /// The longest tag that the decorations begin with; tags may hold commas.
    fn tag(&self, names: &str) -> Result<String> {
        let refs = self.run(&["for-each-ref", "--format=%(refname)", "--points-at", "HEAD", "refs/tags/"])?;
        let mut tags: Vec<&str> = refs.lines().map(str::trim).filter(|tag| !tag.is_empty()).collect();
        tags.sort_by_key(|tag| std::cmp::Reverse(tag.len()));
        let decorates = |tag: &&&str| {
            let rest =
                tag.strip_prefix("refs/tags/").and_then(|tag| names.strip_prefix("tag: ")?.strip_prefix(tag));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(", "))
        };
        match (tags.iter().find(decorates), tags.as_slice()) {
            (Some(tag), _) => Ok((*tag).to_owned()),
            (None, [only]) => Ok((*only).to_owned()),
            (None, _) => bail!("no tag at the detached HEAD is `{names}`"),
        }
    }

    /// A ref that contains the commit: the newest local branch, the newest remote one, the first tag.
    fn inferred(&self) -> Result<String> {
        if let Some(local) = self.containing("refs/heads/")? {
            return Ok(local);
        }
        if let Some(remote) = self.containing("refs/remotes/")? {
            let branch = remote.strip_prefix("refs/remotes/").and_then(|name| name.split_once('/'));
            return Ok(match branch {
                Some((_, branch)) => format!("refs/heads/{branch}"),
                None => remote,
            });
        }
        let tags = self.run(&["tag", "--contains", "HEAD"])?;
        match tags.lines().map(str::trim).find(|tag| !tag.is_empty()) {
            Some(tag) => Ok(format!("refs/tags/{tag}")),
            None => bail!("no branch and no tag contains the detached HEAD"),
        }
    }

    fn containing(&self, scope: &str) -> Result<Option<String>> {
        let format =
            ["for-each-ref", "--format=%(refname)", "--contains", "HEAD", "--sort=-committerdate", scope];
        let refs = self.run(&format)?;
        Ok(refs.lines().map(str::trim).find(|name| !name.is_empty()).map(str::to_owned))
    }
}

/// `pull/12/merge` or `pull/12/head`.
fn is_pull_request(name: &str) -> bool {
    let mut parts = name.split('/');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.next() == Some("pull")
        && parts.next().is_some_and(digits)
        && matches!(parts.next(), Some("head" | "merge"))
        && parts.next().is_none()
}

/// The branch of `origin/main, main` (what follows the comma) or of `origin/topic/x` (what follows the slash).
fn branch(names: &str) -> Option<&str> {
    let (remote, rest) = names.split_once('/')?;
    if remote.is_empty() || rest.is_empty() {
        return None;
    }
    match rest.split_once(", ") {
        Some((of_remote, local))
            if !of_remote.is_empty() && !of_remote.contains('/') && !local.is_empty() =>
        {
            Some(local)
        }
        _ => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decorations_name_branches_as_the_action_reads_them() {
        assert_eq!(branch("origin/x, x"), Some("x"));
        assert_eq!(branch("origin/topic/x"), Some("topic/x"));
        // Not sensible, but what the action does.
        assert_eq!(branch("origin/a/b, main"), Some("a/b, main"));
        assert_eq!(branch("main"), None);
    }

    #[test]
    fn pull_requests_are_recognised() {
        assert!(is_pull_request("pull/7/merge") && is_pull_request("pull/7/head"));
        assert!(!is_pull_request("pull/x/merge") && !is_pull_request("pull/7/merge, main"));
    }
}
