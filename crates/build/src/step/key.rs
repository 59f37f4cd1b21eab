//! What a step depends on, as the parts of its key.
//!
//! Two steps with the same parts have the same result. The parts are kept apart, so that the part that
//! differs can be named when a step runs again.

use crate::id::{Hasher, Id};
use crate::plan::{CopyOp, CopySource, FileOwner, Mount, Op, RunOp, WorkdirOp};
use crate::request::BuildRequest;

/// What wharf makes of the parts below. It is raised whenever the same parts come to give another layer, so
/// that what an older wharf left in the cache is not taken for what this one would make; the test
/// `what_steps_make_is_pinned` of this crate fails where that was forgotten.
const ENGINE: u64 = 2;

pub(super) const PARENT: &str = "parent";
pub(super) const BASE: &str = "base";
pub(super) const INSTRUCTION: &str = "instruction";
pub(super) const FILES: &str = "files";
pub(super) const SOURCE: &str = "source";
/// The prefix of the labels of variables; the name follows.
pub(super) const VARIABLE: &str = "variable ";

/// The parts of a key, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts(pub(super) Vec<(String, Id)>);

impl Parts {
    /// Adds a part.
    pub(super) fn push(&mut self, label: impl Into<String>, id: Id) {
        self.0.push((label.into(), id));
    }

    /// The same with another value for the part `label`.
    pub(super) fn with(&self, label: &str, id: Id) -> Self {
        let replaced = |(known, old): &(String, Id)| (known.clone(), if known == label { id } else { *old });
        Self(self.0.iter().map(replaced).collect())
    }

    /// What they stand for whatever files the step takes from elsewhere.
    pub(super) fn apart_from_files(&self) -> Id {
        let others = self.0.iter().filter(|(label, _)| label != FILES && label != SOURCE);
        Self(others.cloned().collect()).key()
    }

    /// The key.
    pub(super) fn key(&self) -> Id {
        let mut hasher = Hasher::new("step");
        hasher.number(ENGINE);
        for (label, id) in &self.0 {
            hasher.text(label).id(id);
        }
        hasher.finish()
    }
}

/// The parts that the operation itself brings; what it reads from elsewhere is added by who reads it.
pub(super) fn of_operation(op: &Op, request: &BuildRequest, epoch: Option<i64>) -> Parts {
    let mut parts = Parts::default();
    match op {
        Op::Run(op) => {
            parts.push(INSTRUCTION, run(op, request));
            for variable in &op.env {
                let value = Hasher::new("value").text(&variable.value).finish();
                parts.push(format!("{VARIABLE}{}", variable.name), value);
            }
        }
        Op::Copy(op) => parts.push(INSTRUCTION, copy(op)),
        Op::Workdir(op) => parts.push(INSTRUCTION, workdir(op, epoch)),
    }
    parts
}

fn run(op: &RunOp, request: &BuildRequest) -> Id {
    let mut hasher = Hasher::new("run");
    words(&mut hasher, &op.args);
    hasher.text(&op.user).text(&op.cwd).text(op.hostname.as_deref().unwrap_or_default());
    hasher.number(op.network as u64).number(op.security as u64);
    hasher.number(op.mounts.len() as u64);
    for each in &op.mounts {
        mount(&mut hasher, each);
    }
    hasher.number(request.extra_hosts.len() as u64);
    for (name, address) in &request.extra_hosts {
        hasher.text(name).text(address);
    }
    hasher.number(request.ulimits.len() as u64);
    for limit in &request.ulimits {
        let number = |value: Option<u64>| value.unwrap_or(u64::MAX);
        hasher.number(limit.resource as u64).number(number(limit.soft)).number(number(limit.hard));
    }
    hasher.number(request.shm_size.unwrap_or(0));
    hasher.finish()
}

/// Of a secret or an agent, only that and where it is mounted: never the value.
fn mount(hasher: &mut Hasher, mount: &Mount) {
    match mount {
        Mount::Bind(bind) => {
            hasher.text("bind").text(&bind.target).text(&bind.source).number(bind.read_only.into());
        }
        Mount::Cache(cache) => {
            hasher.text("cache").text(&cache.target).text(&cache.id).text(&cache.source);
            hasher.number(cache.sharing as u64).number(cache.read_only.into());
            owner(hasher, cache.owner.as_ref());
        }
        Mount::Tmpfs(tmpfs) => {
            hasher
                .text("tmpfs")
                .text(&tmpfs.target)
                .number(tmpfs.size.unwrap_or(0))
                .number(tmpfs.read_only.into());
        }
        Mount::Secret(secret) => {
            hasher.text("secret").text(&secret.id).text(secret.target.as_deref().unwrap_or_default());
            hasher.text(secret.env.as_deref().unwrap_or_default()).number(secret.required.into());
            owner(hasher, Some(&secret.owner));
        }
        Mount::Ssh(ssh) => {
            hasher.text("ssh").text(&ssh.id).text(&ssh.target).number(ssh.required.into());
            owner(hasher, Some(&ssh.owner));
        }
        Mount::Script(script) => {
            hasher.text("script").text(&script.directory).text(&script.name).bytes(&script.content);
        }
    }
}

fn owner(hasher: &mut Hasher, owner: Option<&FileOwner>) {
    match owner {
        Some(owner) => {
            hasher.number(1).number(owner.uid.into()).number(owner.gid.into()).number(owner.mode.into());
        }
        None => drop(hasher.number(0)),
    }
}

fn copy(op: &CopyOp) -> Id {
    let mut hasher = Hasher::new("copy");
    hasher.number(op.sources.len() as u64);
    for source in &op.sources {
        match source {
            CopySource::Path { path, parents } => {
                hasher.text("path").text(path);
                match parents {
                    Some(parents) => {
                        let required = parents.required.as_deref().unwrap_or_default();
                        hasher.text("parents").text(&parents.pattern).text(required);
                    }
                    None => drop(hasher.text("")),
                }
            }
            CopySource::Inline { name, content } => drop(hasher.text("inline").text(name).bytes(content)),
            CopySource::Url { name, unpack, .. } => {
                hasher.text("url").text(name).number((*unpack).into());
            }
            CopySource::Git(git) => {
                hasher.text("git").text(&git.subdir);
                hasher.number(git.keep_git_dir.into()).number(git.submodules.into());
            }
        }
    }
    hasher.text(&op.dest).text(op.chown.as_deref().unwrap_or("-"));
    hasher.text(op.chmod.as_ref().map_or("-", |mode| mode.as_str()));
    words(&mut hasher, &op.excludes);
    hasher.number(op.link.into()).number(op.unpack.into());
    hasher.finish()
}

fn workdir(op: &WorkdirOp, epoch: Option<i64>) -> Id {
    let mut hasher = Hasher::new("workdir");
    hasher.text(&op.path).text(&op.user);
    if let Some(epoch) = epoch {
        hasher.number(epoch as u64);
    }
    hasher.finish()
}

fn words(hasher: &mut Hasher, words: &[String]) {
    hasher.number(words.len() as u64);
    for word in words {
        hasher.text(word);
    }
}
