//! The commit that carries a change of configs, made with plumbing: whatever else is in the tree or the index stays
//! as it is, and another branch can be written without checking it out.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How often a push that lost a race is made anew on what won it.
const ATTEMPTS: usize = 6;

/// A work tree.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
}

/// Where a commit goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// On the branch that is checked out; the files change with it.
    Here,
    /// On another branch, which is made from `HEAD` if it does not exist; the work tree stays as it is.
    Branch(String),
    /// Nowhere: as a patch for `git am`.
    Patch,
}

/// A commit that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its hash.
    pub id: String,
    /// The branch it is on.
    pub branch: Option<String>,
    /// The remote that has it.
    pub pushed_to: Option<String>,
    /// It as a patch, where that was asked for.
    pub patch: Option<String>,
}

/// Why there is no commit. Nothing was changed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// A file that would change has changes of its own.
    #[error("{} has changes that no commit has", .0.display())]
    Dirty(PathBuf),
    /// The branch has commits that the remote has not, and the other way round.
    #[error("the branch {branch} and {remote} have gone different ways")]
    Diverged {
        /// The branch.
        branch: String,
        /// The remote.
        remote: String,
    },
    /// A push lost its race too often.
    #[error("{remote} was moved by others {ATTEMPTS} times in a row while {branch} was pushed")]
    Raced {
        /// The branch.
        branch: String,
        /// The remote.
        remote: String,
    },
    /// A file does not rewrite on the branch's own state.
    #[error("{} on {branch}: {reason}", .path.display())]
    Rewrite {
        /// The file.
        path: PathBuf,
        /// The branch.
        branch: String,
        /// Why.
        reason: String,
    },
    /// Git said no.
    #[error("git {command}: {said}")]
    Git {
        /// The subcommand.
        command: String,
        /// Its last line.
        said: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Rewrites a file's text: its path in the repository, and its text. `None` where nothing changes.
pub type Rewriter<'a> = dyn Fn(&Path, &str) -> Result<Option<String>, String> + 'a;

impl Repository {
    /// The work tree around `directory`, if there is one.
    pub fn around(directory: &Path) -> Option<Self> {
        let output = Command::new("git")
            .args(["rev-parse", "--show-toplevel"])
            .current_dir(directory)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let root = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        Some(Self { root: PathBuf::from(root.trim_end_matches('\n')) })
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path inside the repository.
    pub fn inside(&self, path: &Path) -> PathBuf {
        let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let root = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        full.strip_prefix(root).map_or(full.clone(), Path::to_path_buf)
    }

    /// Fails when one of the files has changes of its own: a commit would carry them along.
    ///
    /// # Errors
    ///
    /// Names the first such file.
    pub fn check_clean(&self, files: &[PathBuf]) -> Result<(), GitError> {
        for file in files {
            let status = self.git(&["status", "--porcelain", "--", &file.to_string_lossy()])?;
            if !status.trim().is_empty() {
                return Err(GitError::Dirty(file.clone()));
            }
        }
        Ok(())
    }

    /// Makes a commit in which every one of `files` is as `rewriter` wants it, and pushes it to `remote` if one is
    /// given. `None` where nothing would change.
    ///
    /// A push that loses a race is made anew on what won: the files are rewritten as they are there, so there is
    /// nothing to conflict.
    ///
    /// # Errors
    ///
    /// When a file is dirty, a push is refused for good, or git fails.
    pub fn commit(
        &self,
        files: &[PathBuf],
        message: &str,
        destination: &Destination,
        remote: Option<&str>,
        rewriter: &Rewriter<'_>,
    ) -> Result<Option<Commit>, GitError> {
        let head = self.git(&["rev-parse", "HEAD"])?;
        let here = self.git(&["symbolic-ref", "--short", "-q", "HEAD"]).ok();
        let branch = match destination {
            Destination::Branch(name) => Some(name.clone()),
            Destination::Here => here.clone(),
            Destination::Patch => None,
        };
        let local = branch.as_ref().and_then(|name| self.tip(&format!("refs/heads/{name}")));
        let base = local.clone().unwrap_or_else(|| head.clone());
        let shown = branch.clone().unwrap_or_else(|| "HEAD".into());
        if matches!(destination, Destination::Here) {
            self.check_clean(files)?;
        }
        let Some(mut id) = self.on(&base, files, message, &shown, rewriter)? else { return Ok(None) };
        if matches!(destination, Destination::Patch) {
            let patch = self.git_raw(&["format-patch", "-1", "--stdout", &id])?;
            return Ok(Some(Commit { id, branch: None, pushed_to: None, patch: Some(patch) }));
        }
        if let (Some(remote), Some(branch)) = (remote, &branch) {
            match self.push(remote, branch, &base, id, files, message, rewriter)? {
                Some(pushed) => id = pushed,
                None => return Ok(None),
            }
        }
        let is_here = matches!(destination, Destination::Here) || here == branch;
        self.advance(branch.as_deref(), local.as_deref().unwrap_or(&head), &id, is_here, files)?;
        Ok(Some(Commit { id, branch, pushed_to: remote.map(str::to_owned), patch: None }))
    }

    /// The commit on `base`, in the object store and nowhere else.
    fn on(
        &self,
        base: &str,
        files: &[PathBuf],
        message: &str,
        branch: &str,
        rewriter: &Rewriter<'_>,
    ) -> Result<Option<String>, GitError> {
        let mut changed = BTreeMap::new();
        for file in files {
            let path = file.to_string_lossy();
            // A file that the branch does not have is not deployed from there.
            let Ok(text) = self.git_raw(&["show", &format!("{base}:{path}")]) else { continue };
            let rewritten = rewriter(file, &text).map_err(|reason| GitError::Rewrite {
                path: file.clone(),
                branch: branch.into(),
                reason,
            })?;
            if let Some(new) = rewritten {
                changed.insert(path.into_owned(), new);
            }
        }
        if changed.is_empty() {
            return Ok(None);
        }
        let scratch = tempfile::tempdir()
            .map_err(|source| GitError::Io { path: "a temporary index".into(), source })?;
        let index = scratch.path().join("index");
        let with_index = |args: &[&str], input: Option<&str>| self.run(args, input, Some(&index));
        with_index(&["read-tree", base], None)?;
        for (path, text) in &changed {
            let mode = self.git(&["ls-tree", base, "--", path])?;
            let mode = mode.split_whitespace().next().unwrap_or("100644").to_owned();
            let blob = with_index(&["hash-object", "-w", "--stdin", "--no-filters"], Some(text))?;
            let entry = format!("{mode},{},{path}", blob.trim());
            with_index(&["update-index", "--add", "--cacheinfo", &entry], None)?;
        }
        let tree = with_index(&["write-tree"], None)?;
        let id = with_index(&["commit-tree", tree.trim(), "-p", base, "-F", "-"], Some(message))?;
        Ok(Some(id.trim().to_owned()))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "they are the parts of one commit, needed to make it again"
    )]
    fn push(
        &self,
        remote: &str,
        branch: &str,
        base: &str,
        mut id: String,
        files: &[PathBuf],
        message: &str,
        rewriter: &Rewriter<'_>,
    ) -> Result<Option<String>, GitError> {
        for _ in 0..ATTEMPTS {
            let pushed = self.git(&["push", "--quiet", remote, &format!("{id}:refs/heads/{branch}")]);
            let refused = match pushed {
                Ok(_) => return Ok(Some(id)),
                Err(refused) => refused,
            };
            if self.git(&["fetch", "--quiet", remote, &format!("refs/heads/{branch}")]).is_err() {
                return Err(refused);
            }
            let theirs = self.git(&["rev-parse", "FETCH_HEAD"])?;
            if self.git(&["merge-base", "--is-ancestor", &id, &theirs]).is_ok() {
                return Ok(Some(id)); // It arrived, and its answer was lost.
            }
            if theirs == base {
                return Err(refused); // Nobody moved it: it is refused for another reason.
            }
            if self.git(&["merge-base", "--is-ancestor", base, &theirs]).is_err() {
                return Err(GitError::Diverged { branch: branch.into(), remote: remote.into() });
            }
            match self.on(&theirs, files, message, branch, rewriter)? {
                Some(again) => id = again,
                None => return Ok(None), // The one who was faster wrote the same.
            }
        }
        Err(GitError::Raced { branch: branch.into(), remote: remote.into() })
    }

    /// Moves the branch, and the work tree where it is checked out.
    fn advance(
        &self,
        branch: Option<&str>,
        before: &str,
        id: &str,
        is_here: bool,
        files: &[PathBuf],
    ) -> Result<(), GitError> {
        if !is_here {
            if let Some(branch) = branch {
                self.git(&["update-ref", &format!("refs/heads/{branch}"), id])?;
            }
            return Ok(());
        }
        let parent = self.git(&["rev-parse", &format!("{id}^")])?;
        if parent != before {
            // It was made on what somebody else pushed: come along.
            return self.git(&["merge", "--quiet", "--ff-only", id]).map(drop);
        }
        self.git(&["update-ref", "HEAD", id, before])?;
        let paths: Vec<String> = files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
        let mut args = vec!["checkout", "--quiet", id, "--"];
        args.extend(paths.iter().map(String::as_str));
        self.git(&args).map(drop)
    }

    fn tip(&self, name: &str) -> Option<String> {
        self.git(&["rev-parse", "--verify", "--quiet", name]).ok()
    }

    fn git(&self, args: &[&str]) -> Result<String, GitError> {
        Ok(self.git_raw(args)?.trim().to_owned())
    }

    fn git_raw(&self, args: &[&str]) -> Result<String, GitError> {
        self.run(args, None, None)
    }

    fn run(&self, args: &[&str], input: Option<&str>, index: Option<&Path>) -> Result<String, GitError> {
        let failed = |said: String| GitError::Git { command: args[0].into(), said };
        let mut command = Command::new("git");
        command.args(args).current_dir(&self.root).env("GIT_TERMINAL_PROMPT", "0").stderr(Stdio::piped());
        if let Some(index) = index {
            command.env("GIT_INDEX_FILE", index);
        }
        if args[0] == "commit-tree" && !self.has_identity() {
            for who in ["AUTHOR", "COMMITTER"] {
                command
                    .env(format!("GIT_{who}_NAME"), "wharf")
                    .env(format!("GIT_{who}_EMAIL"), "wharf@localhost");
            }
        }
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(format!("it cannot be started: {error}")))?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
        }
        let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().rev().find(|line| !line.trim().is_empty() && !line.starts_with("hint:"));
        Err(failed(line.unwrap_or("it failed").trim().to_owned()))
    }

    /// Whether git knows who commits; a CI machine often does not say.
    fn has_identity(&self) -> bool {
        let output =
            Command::new("git").args(["var", "GIT_COMMITTER_IDENT"]).current_dir(&self.root).output();
        output.is_ok_and(|output| output.status.success())
    }
}
