//! Git, asked through its own command.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::anyhow;
use wharf_metadata::Git;

use crate::exit::{Exit, Failure};

/// The state of the repository around `directory`; none outside of one, or where git is not installed and no
/// repository is in sight.
pub(crate) fn capture(directory: &Path) -> Result<Option<Git>, Failure> {
    let Some(head) = head(directory)? else { return Ok(None) };
    // Independent questions are asked at once: each is a process of its own.
    let branch = Question::ask(directory, &["symbolic-ref", "--quiet", "HEAD"])?;
    let refs = Question::ask(
        directory,
        &["for-each-ref", "--points-at=HEAD", "--format=%(refname)", "refs/tags/", "refs/remotes/"],
    )?;
    let origin_head = Question::ask(directory, &["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"])?;
    let remote = Question::ask(directory, &["config", "--get", "remote.origin.url"])?;
    let status = Question::ask(directory, &["status", "--porcelain", "--untracked-files=no"])?;

    let refs = refs.answer()?.unwrap_or_default();
    let under =
        |folder: &str| refs.lines().filter_map(|name| name.strip_prefix(folder)).map(str::to_owned).collect();
    Ok(Some(Git {
        commit: head.commit,
        commit_date: head.date,
        branch: branch.answer()?.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned)),
        tags: under("refs/tags/"),
        remote_branches: remote_branches(under("refs/remotes/")),
        default_branch: origin_head
            .answer()?
            .and_then(|name| name.strip_prefix("refs/remotes/origin/").map(str::to_owned)),
        remote: remote.answer()?.map(|url| without_userinfo(&url)),
        dirty: status.required("status")?.lines().next().is_some(),
        shallow: head.shallow,
    }))
}

/// Where HEAD is.
struct Head {
    commit: String,
    date: Option<jiff::Timestamp>,
    shallow: bool,
}

fn head(directory: &Path) -> Result<Option<Head>, Failure> {
    let show = ["show", "--no-patch", "--no-show-signature", "--format=%H %cI", "HEAD", "--"];
    let shallow = ["rev-parse", "--is-inside-work-tree", "--is-shallow-repository"];
    let (show, shallow) = match (Question::ask(directory, &show), Question::ask(directory, &shallow)) {
        (Ok(show), Ok(shallow)) => (show, shallow),
        (Err(error), _) | (_, Err(error)) if is_missing(&error) && !has_repository(directory) => {
            return Ok(None);
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    let (shown, about) = (show.finish()?, shallow.finish()?);
    let problem = String::from_utf8_lossy(&about.stderr).into_owned();
    if !about.status.success() {
        return if problem.contains("not a git repository") {
            Ok(None)
        } else {
            Err(refused(directory, &problem))
        };
    }
    if !shown.status.success() {
        let what = format!("the git repository in {} has no commits", directory.display());
        return Err(Failure::usage(what).hint("commit something first: tags and labels name the commit"));
    }
    let text = text(shown.stdout)?;
    let (commit, date) = text.split_once(' ').unwrap_or((&text, ""));
    let shallow = String::from_utf8_lossy(&about.stdout).lines().nth(1) == Some("true");
    Ok(Some(Head { commit: commit.to_owned(), date: date.parse().ok(), shallow }))
}

/// A git process whose answer is waited for later.
struct Question {
    child: Child,
}

impl Question {
    fn ask(directory: &Path, arguments: &[&str]) -> Result<Self, Failure> {
        let child = Command::new("git")
            .arg("-C")
            .arg(directory)
            // What is asked for must not depend on settings, language or a lock.
            .args(["-c", "log.showSignature=false", "-c", "core.quotePath=false"])
            .args(arguments)
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let child =
            child.map_err(|error| Failure::new(Exit::Environment, anyhow!(error).context("starting git")))?;
        Ok(Self { child })
    }

    fn finish(self) -> Result<Output, Failure> {
        let output = self.child.wait_with_output();
        output.map_err(|error| Failure::new(Exit::Environment, anyhow!(error).context("waiting for git")))
    }

    /// What it says; none where it says no.
    fn answer(self) -> Result<Option<String>, Failure> {
        let output = self.finish()?;
        if output.status.success() { text(output.stdout).map(Some) } else { Ok(None) }
    }

    /// What it says, which it must.
    fn required(self, what: &str) -> Result<String, Failure> {
        let output = self.finish()?;
        if output.status.success() {
            return text(output.stdout);
        }
        let problem = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(Exit::Environment, anyhow!(problem).context(format!("asking git for its {what}"))))
    }
}

/// Git's words without the last line end. Names of refs may be any bytes; tags may not.
fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let shown = String::from_utf8_lossy(error.as_bytes()).trim_end().to_owned();
        Failure::usage(format!("git names a ref that is not UTF-8: `{shown}`"))
            .hint("rename the branch or the tag")
    })?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// Names of branches, each once, from `origin/main`, `upstream/main`, `origin/HEAD`.
fn remote_branches(refs: Vec<String>) -> Vec<String> {
    let names = refs.iter().filter_map(|name| name.split_once('/')).map(|(_, branch)| branch);
    let mut names: Vec<String> = names.filter(|branch| *branch != "HEAD").map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// A URL without the credentials that may stand in it. `git@host:path` is no URL, and its user no secret.
fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{}", &rest[end..]),
        None => url.to_owned(),
    }
}

fn is_missing(failure: &Failure) -> bool {
    let kinds = failure.error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.map(io::Error::kind).any(|kind| kind == io::ErrorKind::NotFound)
}

/// Whether a repository is in `directory` or above it.
fn has_repository(directory: &Path) -> bool {
    directory.ancestors().any(|ancestor| ancestor.join(".git").exists())
}

fn refused(directory: &Path, problem: &str) -> Failure {
    let failure = Failure::new(Exit::Environment, anyhow!(problem.trim().to_owned()))
        .context(format!("asking git about {}", directory.display()));
    if problem.contains("dubious ownership") {
        let command = "git config --global --add safe.directory";
        return failure.hint(format!(
            "the repository belongs to somebody else; if that is right: {command} {}",
            directory.display()
        ));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_never_leave_a_url() {
        assert_eq!(without_userinfo("https://user:secret@host/a@b"), "https://host/a@b");
        assert_eq!(without_userinfo("ssh://git@host:22/x"), "ssh://host:22/x");
        assert_eq!(without_userinfo("git@host:org/x.git"), "git@host:org/x.git");
    }

    #[test]
    fn a_branch_of_two_remotes_is_one_branch() {
        let refs = ["origin/main", "origin/HEAD", "upstream/main", "origin/a/b"].map(str::to_owned).to_vec();
        assert_eq!(remote_branches(refs), ["a/b", "main"]);
    }
}
