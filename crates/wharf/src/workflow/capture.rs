//! What happened, from what was typed and what git knows.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::Value;
use wharf_workflow::Event;

use super::payload;
use crate::exit::{Failure, OrFail};
use crate::settings::host;

/// What was typed about the event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) event: String,
    pub(crate) git_ref: Option<String>,
    pub(crate) sha: Option<String>,
    pub(crate) base: Option<String>,
    pub(crate) head: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) default_branch: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) payload: Option<PathBuf>,
    pub(crate) inputs: Vec<(String, String)>,
}

/// The event, and where its commit is.
pub(crate) struct Captured {
    pub(crate) event: Event,
    pub(crate) repository: PathBuf,
    pub(crate) is_git: bool,
    pub(crate) default_branch: String,
    /// What a person should know.
    pub(crate) notes: Vec<String>,
}

/// A commit that git knows, as GitHub describes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Commit {
    pub(super) sha: String,
    pub(super) before: String,
    pub(super) message: String,
    pub(super) date: String,
    pub(super) name: String,
    pub(super) email: String,
    /// Letter and path.
    pub(super) changes: Vec<(char, String)>,
}

const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// Works the event out.
pub(crate) fn capture(directory: &Path, asked: &Asked) -> Result<Captured, Failure> {
    let git = |args: &[&str]| answer(directory, args);
    let top = git(&["rev-parse", "--show-toplevel"]);
    let is_git = top.is_some() && git(&["rev-parse", "--verify", "--quiet", "HEAD"]).is_some();
    let repository = top.map_or_else(|| directory.to_owned(), PathBuf::from);
    let mut notes = Vec::new();
    if !is_git {
        notes.push(format!(
            "{} is no git repository with a commit; its files are copied as they are",
            directory.display()
        ));
    } else if git(&["status", "--porcelain", "--untracked-files=normal"]).is_some() {
        notes.push("what is not committed is not part of the run".to_owned());
    }
    let branch = git(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
    let default_branch =
        asked.default_branch.clone().unwrap_or_else(|| default_branch(directory, branch.as_deref()));
    let payload_given: Option<Value> = match &asked.payload {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the event {}", path.display()))
                .or_usage()?;
            Some(
                serde_json::from_str(&text)
                    .with_context(|| format!("reading the event {}", path.display()))
                    .or_usage()?,
            )
        }
        None => None,
    };
    let git_ref = full_ref(directory, asked, branch.as_deref(), &default_branch, payload_given.as_ref())?;
    let sha = match &asked.sha {
        Some(sha) if is_git => git(&["rev-parse", "--verify", "--quiet", &format!("{sha}^{{commit}}")])
            .ok_or_else(|| {
                Failure::usage(format!("--sha is `{sha}`, and the repository has no such commit"))
            })?,
        Some(sha) => sha.clone(),
        None if is_git => commit_of(directory, &git_ref),
        None => NO_COMMIT.to_owned(),
    };
    let base_ref = asked.base.clone().unwrap_or_else(|| default_branch.clone());
    let is_pull_request = asked.event.starts_with("pull_request");
    let head_ref = asked.head.clone().or(branch).unwrap_or_else(|| "patch-1".into());
    let commit =
        if is_git { commit(directory, &sha) } else { Commit { sha: sha.clone(), ..Commit::default() } };
    let changed =
        is_git.then(|| changed(directory, is_pull_request.then_some(base_ref.as_str()), &commit)).flatten();
    let actor = asked.actor.clone().unwrap_or_else(|| actor(directory));
    let mut event = Event {
        name: asked.event.clone(),
        action: asked.action.clone().unwrap_or_else(|| default_action(&asked.event).into()),
        git_ref,
        sha,
        base_ref: if is_pull_request { base_ref } else { String::new() },
        head_ref: if is_pull_request { head_ref } else { String::new() },
        repository: asked.repository.clone().unwrap_or_else(|| repository_name(directory, &repository)),
        actor,
        payload: Value::Null,
        changed,
    };
    event.payload = match payload_given {
        Some(given) => given,
        None => payload::of(&event, &commit, &default_branch, &asked.inputs),
    };
    Ok(Captured { event, repository, is_git, default_branch, notes })
}

fn default_action(event: &str) -> &'static str {
    match event {
        "pull_request" | "pull_request_target" | "issues" => "opened",
        "release" => "published",
        _ => "",
    }
}

/// The whole ref; a bare name is a tag where there is one, else a branch.
fn full_ref(
    directory: &Path,
    asked: &Asked,
    branch: Option<&str>,
    default_branch: &str,
    payload: Option<&Value>,
) -> Result<String, Failure> {
    let is_pull_request = asked.event == "pull_request" || asked.event.starts_with("pull_request_review");
    if let Some(text) = &asked.git_ref {
        if text.starts_with("refs/") {
            return Ok(text.clone());
        }
        if is_pull_request {
            return match text.parse::<u64>() {
                Ok(number) => Ok(format!("refs/pull/{number}/merge")),
                Err(_) => Err(Failure::usage(format!(
                    "--ref is `{text}`: a pull request's is refs/pull/NUMBER/merge"
                ))),
            };
        }
        let tag = format!("refs/tags/{text}");
        let is_tag = answer(directory, &["rev-parse", "--verify", "--quiet", &tag]).is_some();
        return Ok(if is_tag { tag } else { format!("refs/heads/{text}") });
    }
    let given = payload.and_then(|payload| payload["ref"].as_str()).filter(|text| text.starts_with("refs/"));
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    if is_pull_request {
        let number = payload.and_then(|payload| payload["number"].as_u64()).unwrap_or(1);
        return Ok(format!("refs/pull/{number}/merge"));
    }
    let tag = answer(directory, &["describe", "--tags", "--exact-match", "HEAD"]);
    Ok(match (asked.event.as_str(), branch, tag) {
        ("release", _, Some(tag)) => format!("refs/tags/{tag}"),
        ("schedule" | "pull_request_target", ..) => format!("refs/heads/{default_branch}"),
        (_, Some(branch), _) => format!("refs/heads/{branch}"),
        (_, None, Some(tag)) => format!("refs/tags/{tag}"),
        _ => format!("refs/heads/{default_branch}"),
    })
}

/// The commit of a ref, where the repository has it; else what is checked out.
fn commit_of(directory: &Path, git_ref: &str) -> String {
    let remote = git_ref.strip_prefix("refs/heads/").map(|branch| format!("refs/remotes/origin/{branch}"));
    let places = [Some(git_ref.to_owned()), remote, Some("HEAD".to_owned())];
    let commit = |place: String| {
        answer(directory, &["rev-parse", "--verify", "--quiet", &format!("{place}^{{commit}}")])
    };
    places.into_iter().flatten().find_map(commit).unwrap_or_else(|| NO_COMMIT.to_owned())
}

fn default_branch(directory: &Path, branch: Option<&str>) -> String {
    let origin = answer(directory, &["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"]);
    if let Some(name) = origin.and_then(|origin| origin.strip_prefix("origin/").map(str::to_owned)) {
        return name;
    }
    let has = |name: &&&str| {
        answer(directory, &["rev-parse", "--verify", "--quiet", &format!("refs/heads/{name}")]).is_some()
    };
    let usual = ["main", "master"].iter().find(has).map(|name| (*name).to_owned());
    usual.or(branch.map(str::to_owned)).unwrap_or_else(|| "main".into())
}

/// `owner/name` of the remote, or of the folder.
fn repository_name(directory: &Path, top: &Path) -> String {
    let remote = answer(directory, &["config", "--get", "remote.origin.url"]);
    let named = remote.as_deref().and_then(|url| {
        let path = url.trim_end_matches('/').trim_end_matches(".git");
        let path = path.rsplit("://").next().unwrap_or(path).replace(':', "/");
        let mut parts = path.rsplit('/');
        let (name, owner) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        (!name.is_empty() && !owner.is_empty()).then(|| format!("{owner}/{name}"))
    });
    named.unwrap_or_else(|| {
        let folder = top
            .canonicalize()
            .ok()
            .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
        format!("local/{}", folder.unwrap_or_else(|| "project".into()))
    })
}

fn actor(directory: &Path) -> String {
    let name = answer(directory, &["config", "--get", "github.user"])
        .or_else(|| host::variable("GITHUB_ACTOR"))
        .or_else(|| host::variable("USER"));
    name.unwrap_or_else(|| "wharf".into())
}

fn commit(directory: &Path, sha: &str) -> Commit {
    let shown =
        answer(directory, &["show", "-s", "--format=%P%x00%cI%x00%an%x00%ae%x00%B", sha]).unwrap_or_default();
    let mut fields = shown.splitn(5, '\0').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    let before = next().split(' ').next().unwrap_or_default().to_owned();
    let (date, name, email, message) = (next(), next(), next(), next());
    let diff = answer(
        directory,
        &["show", "--format=", "--name-status", "--no-renames", "-z", "-m", "--first-parent", sha],
    );
    let diff = diff.unwrap_or_default();
    let mut parts = diff.split('\0').filter(|part| !part.is_empty());
    let mut changes = Vec::new();
    while let (Some(letter), Some(path)) = (parts.next(), parts.next()) {
        changes.push((letter.trim().chars().next().unwrap_or('M'), path.to_owned()));
    }
    Commit { sha: sha.to_owned(), before, message: message.trim_end().to_owned(), date, name, email, changes }
}

/// The files that the event changes: of a pull request all since it left its base, of a push those of its commit.
fn changed(directory: &Path, base: Option<&str>, commit: &Commit) -> Option<Vec<String>> {
    if let Some(base) = base {
        let since = [base.to_owned(), format!("origin/{base}")].into_iter().find_map(|base| {
            answer(directory, &["diff", "--name-only", "--no-renames", &format!("{base}...{}", commit.sha)])
        });
        return since.map(|text| text.lines().map(str::to_owned).collect());
    }
    Some(commit.changes.iter().map(|(_, path)| path.clone()).collect())
}

/// What git says; none where it says nothing or no.
fn answer(directory: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "core.quotePath=false", "-c", "log.showSignature=false"])
        .args(args)
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
