//! A clean copy of the commit: a repository of its own, as actions/checkout makes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::process::{Ended, Process};
use super::stop::Stop;

/// What is checked out, and how.
#[derive(Debug, Clone)]
pub(crate) struct Checkout<'a> {
    /// Where the commit is.
    pub(crate) from: &'a Path,
    /// The ref, full; empty for a commit alone.
    pub(crate) git_ref: &'a str,
    /// The commit.
    pub(crate) sha: &'a str,
    /// How many commits; 0 is all of them, and all branches and tags.
    pub(crate) depth: u32,
    /// All tags.
    pub(crate) tags: bool,
    /// Only these paths.
    pub(crate) sparse: Vec<String>,
    /// Whether those are folders.
    pub(crate) cone: bool,
    /// `false`, `true` or `recursive`.
    pub(crate) submodules: &'a str,
    /// What the remote is called in the copy.
    pub(crate) url: &'a str,
}

/// Git with an environment, a way to stop it, and someone who listens.
pub(crate) struct Git {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) program: PathBuf,
    pub(crate) deadline: Option<Instant>,
    pub(crate) stop: Stop,
}

impl Git {
    /// Runs git; its output where it succeeds.
    pub(crate) fn run(&self, directory: &Path, args: &[&str]) -> Result<String, String> {
        let mut env = self.env.clone();
        // Neither the caller's settings nor a question at the terminal.
        env.insert("GIT_TERMINAL_PROMPT".into(), "0".into());
        env.insert("GIT_CONFIG_NOSYSTEM".into(), "1".into());
        let mut all =
            vec!["-c".to_owned(), "safe.directory=*".into(), "-c".into(), "advice.detachedHead=false".into()];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        let process = Process {
            program: self.program.clone(),
            args: all,
            env,
            directory: directory.to_owned(),
            stdin: None,
        };
        let mut output = Vec::new();
        match process.run(self.deadline, &self.stop, &mut |line| output.push(line))? {
            Ended::Code(0) => Ok(output.join("\n")),
            Ended::Code(_) => Err(format!("git {}: {}", args.join(" "), output.join("; "))),
            Ended::TimedOut => Err("it took too long".into()),
            Ended::Cancelled => Err("it was stopped".into()),
        }
    }

    /// Makes the copy in `into`, which must be empty or hold an earlier one.
    pub(crate) fn checkout(&self, what: &Checkout<'_>, into: &Path) -> Result<(), String> {
        std::fs::create_dir_all(into).map_err(|error| format!("{}: {error}", into.display()))?;
        if !into.join(".git").exists() {
            self.run(into, &["init", "--quiet", "."])?;
            self.run(into, &["config", "gc.auto", "0"])?;
            self.run(into, &["remote", "add", "origin", what.url])?;
        }
        let from = what.from.canonicalize().map_err(|error| format!("{}: {error}", what.from.display()))?;
        let source = format!("file://{}", from.display());
        let local = local_ref(what.git_ref);
        let wanted = format!("+{}:{local}", what.sha);
        let depth = format!("--depth={}", what.depth);
        let upload =
            "--upload-pack=git -c safe.directory=* -c uploadpack.allowAnySHA1InWant=true upload-pack";
        let mut fetch = vec!["-c", "protocol.file.allow=always", "fetch", "--quiet", "--force", upload];
        if what.depth > 0 {
            fetch.push(&depth);
        }
        let more = [&fetch[..], &["--tags", source.as_str(), "+refs/heads/*:refs/remotes/origin/*"]].concat();
        fetch.extend(["--no-tags", source.as_str(), wanted.as_str()]);
        self.run(into, &fetch)?;
        if what.depth == 0 {
            self.run(into, &more)?;
        } else if what.tags {
            self.run(into, &more[..more.len() - 1])?;
        }
        if !what.sparse.is_empty() {
            let mode = if what.cone { "--cone" } else { "--no-cone" };
            let mut args = vec!["sparse-checkout", "set", mode];
            args.extend(what.sparse.iter().map(String::as_str));
            self.run(into, &args)?;
        }
        match what.git_ref.strip_prefix("refs/heads/") {
            Some(branch) => {
                self.run(into, &["checkout", "--quiet", "--force", "-B", branch, what.sha])?;
                let _ = self
                    .run(into, &["branch", "--quiet", &format!("--set-upstream-to=origin/{branch}"), branch]);
            }
            None => {
                let target = if what.git_ref.is_empty() { what.sha } else { &local };
                self.run(into, &["checkout", "--quiet", "--force", "--detach", target])?;
            }
        }
        if what.submodules != "false" {
            let mut args =
                vec!["-c", "protocol.file.allow=always", "submodule", "update", "--init", "--force"];
            if what.submodules == "recursive" {
                args.push("--recursive");
            }
            self.run(into, &args)?;
        }
        Ok(())
    }
}

/// Where a ref lives in the copy.
fn local_ref(git_ref: &str) -> String {
    if let Some(branch) = git_ref.strip_prefix("refs/heads/") {
        return format!("refs/remotes/origin/{branch}");
    }
    match git_ref.strip_prefix("refs/pull/") {
        Some(pull) => format!("refs/remotes/pull/{pull}"),
        None if git_ref.starts_with("refs/tags/") => git_ref.to_owned(),
        None => "refs/wharf/checkout".to_owned(),
    }
}

/// A plain copy of a folder, for projects without git.
pub(crate) fn copy(from: &Path, into: &Path, skip: &[&Path]) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("copying {}: {error}", path.display());
    std::fs::create_dir_all(into).map_err(|error| failed(into, error))?;
    for entry in std::fs::read_dir(from).map_err(|error| failed(from, error))?.flatten() {
        let path = entry.path();
        let target = into.join(entry.file_name());
        let Ok(about) = path.symlink_metadata() else { continue };
        if skip.contains(&path.as_path()) || entry.file_name() == ".wharf" {
            continue;
        }
        if about.is_dir() {
            copy(&path, &target, skip)?;
        } else if about.is_symlink() {
            let link = std::fs::read_link(&path).map_err(|error| failed(&path, error))?;
            std::os::unix::fs::symlink(link, &target).map_err(|error| failed(&path, error))?;
        } else if about.is_file() {
            std::fs::copy(&path, &target).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}
