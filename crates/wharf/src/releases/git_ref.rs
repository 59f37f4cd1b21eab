//! The commit point of tier T2: a ref of a git repository, which moves by fast-forward pushes only.
//!
//! `refs/wharf/<env>` names a commit with an empty tree whose message is `<seq> <entry digest>`. A push that is no
//! fast-forward is refused by git itself: that is the compare-and-swap which registries lack.

use std::process::Stdio;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::process::Command;
use wharf_ledger::{Arbiter, ArbiterError, LogName};
use wharf_oci::Digest;

/// A ref of a repository.
pub(crate) struct GitRef {
    remote: String,
    name: String,
    /// A bare repository of this run's own; the commits are made there.
    scratch: tempfile::TempDir,
}

/// The commit that every first claim stands on: no tree, nobody, no time.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

impl GitRef {
    /// The ref of `log` in `remote`.
    pub(crate) fn new(remote: &str, log: &LogName) -> Result<Self, ArbiterError> {
        let scratch = tempfile::tempdir().map_err(|error| ArbiterError(error.to_string()))?;
        Ok(Self { remote: remote.into(), name: format!("refs/wharf/{log}"), scratch })
    }

    async fn git(&self, args: &[&str]) -> Result<std::process::Output, ArbiterError> {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(self.scratch.path()).args(args).stdin(Stdio::null());
        for (name, value) in [
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_AUTHOR_NAME", "wharf"),
            ("GIT_AUTHOR_EMAIL", "wharf@localhost"),
            ("GIT_COMMITTER_NAME", "wharf"),
            ("GIT_COMMITTER_EMAIL", "wharf@localhost"),
        ] {
            command.env(name, value);
        }
        command.output().await.map_err(|error| ArbiterError(format!("git cannot be started: {error}")))
    }

    async fn git_ok(&self, args: &[&str]) -> Result<String, ArbiterError> {
        let ran = self.git(args).await?;
        if ran.status.success() {
            return Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&ran.stderr);
        Err(ArbiterError(format!("git {}: {}", args[0], said.lines().last().unwrap_or("it failed"))))
    }

    async fn prepare(&self) -> Result<(), ArbiterError> {
        if !self.scratch.path().join("HEAD").exists() {
            self.git_ok(&["init", "--quiet", "--bare"]).await?;
        }
        Ok(())
    }

    /// The commit that the ref names.
    async fn tip(&self) -> Result<Option<String>, ArbiterError> {
        self.prepare().await?;
        let listed = self.git_ok(&["ls-remote", &self.remote, &self.name]).await?;
        Ok(listed.split_whitespace().next().map(str::to_owned))
    }

    async fn read(&self) -> Result<Option<(String, u64, Digest)>, ArbiterError> {
        let Some(tip) = self.tip().await? else { return Ok(None) };
        self.git_ok(&["fetch", "--quiet", "--depth", "1", &self.remote, &self.name]).await?;
        let message = self.git_ok(&["log", "-1", "--format=%s", "FETCH_HEAD"]).await?;
        let fetched = self.git_ok(&["rev-parse", "FETCH_HEAD"]).await?;
        let parsed =
            message.split_once(' ').and_then(|(seq, entry)| Some((seq.parse().ok()?, entry.parse().ok()?)));
        match parsed {
            Some((seq, entry)) => Ok(Some((fetched, seq, entry))),
            None => Err(ArbiterError(format!("{} at {tip} in {} says `{message}`", self.name, self.remote))),
        }
    }

    async fn push(&self, seq: u64, entry: &Digest) -> Result<bool, ArbiterError> {
        let before = self.read().await?;
        match &before {
            // It may be behind by more than one: an emergency goes on without it.
            Some((_, given, holder)) if *given >= seq => return Ok(*given == seq && holder == entry),
            _ => {}
        }
        self.git_ok(&["hash-object", "-t", "tree", "-w", "/dev/null"]).await?;
        let message = format!("{seq} {entry}");
        let mut args = vec!["commit-tree", EMPTY_TREE, "-m", &message];
        if let Some((tip, _, _)) = &before {
            args.extend(["-p", tip]);
        }
        let commit = self.git_ok(&args).await?;
        let lease =
            format!("--force-with-lease={}:{}", self.name, before.map_or(String::new(), |(tip, _, _)| tip));
        let refspec = format!("{commit}:{}", self.name);
        let pushed = self.git(&["push", "--quiet", &lease, &self.remote, &refspec]).await?;
        if pushed.status.success() {
            return Ok(true);
        }
        // Refused, or the answer was lost: the ref itself tells.
        match self.read().await? {
            Some((_, given, holder)) if given == seq => Ok(holder == *entry),
            Some((_, given, _)) if given > seq => Ok(false),
            _ => {
                let said = String::from_utf8_lossy(&pushed.stderr);
                Err(ArbiterError(format!("git push: {}", said.lines().last().unwrap_or("it was refused"))))
            }
        }
    }
}

impl Arbiter for GitRef {
    fn head(&self) -> BoxFuture<'_, Result<Option<(u64, Digest)>, ArbiterError>> {
        async move { Ok(self.read().await?.map(|(_, seq, entry)| (seq, entry))) }.boxed()
    }

    fn claim<'a>(&'a self, seq: u64, entry: &'a Digest) -> BoxFuture<'a, Result<bool, ArbiterError>> {
        self.push(seq, entry).boxed()
    }
}
