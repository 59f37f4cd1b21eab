//! `RUN`: a process in the stage's file system.

mod agent;
mod caches;
mod emulation;
mod etc;
mod mounts;
mod output;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use wharf_sandbox::{Account, Process, Root, Spec, Stdio};

use super::{Done, Request};
use crate::copy::{Attributes, make_directories};
use crate::error::{Cause, End, StepError};
use crate::plan::{EnvVar, Network, RunOp, Security};
use crate::session::Session;
use crate::snapshot::Workspace;
use crate::tree::Tree;
use crate::trust;
use mounts::Mounts;
use output::Output;

/// How soon a step notices that the build has failed elsewhere.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// What a process sees as its host's name, as in BuildKit.
const HOSTNAME: &str = "buildkitsandbox";
/// The most that is read of `/etc/passwd` and `/etc/group`.
const ACCOUNTS_MAX: u64 = 16 << 20;

/// Whether the disk can take what the step made the last time: the files, and the layer that they become.
fn preflight(session: &Session<'_>, request: &Request<'_>) -> Result<(), StepError> {
    let engine = session.engine;
    let last = engine.state.blocks(&request.slot)?.and_then(|(blob, _)| engine.store.size(&blob));
    let needed = last.unwrap_or(0).saturating_mul(2);
    crate::space::require(&engine.data, needed, "the step, going by its last run,")
}

pub(super) fn run(session: &Session<'_>, request: &Request<'_>, op: &RunOp) -> Result<Done, StepError> {
    session.engine.sandbox.require_processes()?;
    emulation::require(request.platform)?;
    session.note_bare_steps();
    preflight(session, request)?;
    let veil = session.veil(request.parent)?;
    let veils: Vec<PathBuf> = veil.iter().map(|veil| veil.directory.clone()).collect();
    let workspace = Workspace::create(request.parent, &veils, &session.snapshots)?;
    let root = workspace.tree()?;
    let account = account(&root, &op.user)?;
    prepare(session, &root, op, &account)?;
    let mounts = Mounts::prepare(session, op, &account)?;
    let mut spec = spec(session, &workspace, op, &account, &mounts);
    if veil.is_some() {
        add_variables(&mut spec.env, trust::VARIABLES.map(|name| (name, trust::BUNDLE)));
    }
    drop(root);
    let mut process = session.engine.sandbox.spawn(&spec)?;
    drop(spec);
    let mut output = Output::new(session.events, request.number, &mounts.secrets);
    let status = output.read_while(&mut process, |process| wait(session, process))?;
    drop(mounts);
    if let Some(end) = failure(status, &process) {
        let output = output.into_tail();
        let disk_full = disk_full(&workspace.root) || says_disk_full(&output);
        return Err(Cause::Process { args: op.args.clone(), end, output, disk_full }.into());
    }
    drop(process);
    let (written, _) = workspace.close();
    if let Some(veil) = &veil {
        trust::clean(&written.upper, veil)?;
    }
    Ok(Done { written, forget: false, listing: None })
}

/// Whether the disk has no room left for anything that a step might write.
fn disk_full(path: &Path) -> bool {
    const NOTHING: u64 = 256 << 10;
    let left = rustix::fs::statvfs(path).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    left.is_ok_and(|left| left < NOTHING)
}

/// Whether the process itself says so. By the time it has ended, another step that failed for the same reason may
/// have made room again.
fn says_disk_full(output: &[String]) -> bool {
    output.iter().any(|line| line.contains("No space left on device"))
}

/// Makes the directories that a process needs and that stay in the image: mount points of the kernel's file
/// systems, and the working directory, which is then the user's.
fn prepare(session: &Session<'_>, root: &Tree, op: &RunOp, account: &Account) -> Result<(), StepError> {
    let own = Some((account.user.uid, account.user.gid));
    for (path, owner) in [("proc", None), ("sys", None), ("dev", None), (&*op.cwd, own)] {
        let attributes = Attributes { owner, mode: None, ownership: session.engine.ownership() };
        let path = Path::new(path);
        let path = root.resolve(path).map_err(Cause::file("looking up", path))?;
        make_directories(root, &path, &attributes)?;
    }
    Ok(())
}

/// Whom the process runs as.
fn account(root: &Tree, user: &str) -> Result<Account, StepError> {
    let read = |path: &str| {
        let mut bytes = Vec::new();
        if let Ok(file) = root.open_file(Path::new(path)) {
            // A file that cannot be read knows nobody, as one that is not there.
            let _ = std::io::Read::read_to_end(&mut std::io::Read::take(file, ACCOUNTS_MAX), &mut bytes);
        }
        bytes
    };
    Ok(wharf_sandbox::resolve_user(user, &read("etc/passwd"), &read("etc/group"))?)
}

fn spec(
    session: &Session<'_>,
    workspace: &Workspace,
    op: &RunOp,
    account: &Account,
    mounts: &Mounts,
) -> Spec {
    let mut spec = Spec::new(Root::Dir(workspace.root.clone()), op.args.clone());
    spec.env = environment(session, op, account, mounts);
    spec.cwd = op.cwd.clone().into();
    spec.user = account.user.clone();
    spec.network = match op.network {
        Network::None => wharf_sandbox::Network::Isolated,
        Network::Default | Network::Host => wharf_sandbox::Network::Host,
    };
    spec.hostname = op.hostname.clone().unwrap_or_else(|| HOSTNAME.into());
    spec.mounts = etc::files(session.request, &spec.hostname, op.network);
    spec.mounts.extend(mounts.list.iter().cloned());
    spec.security = match op.security {
        Security::Sandbox => wharf_sandbox::Security::Default,
        Security::Insecure => wharf_sandbox::Security::Insecure,
    };
    spec.stdin = Stdio::Null;
    spec.limits = session.request.limits.clone();
    spec.ulimits = session.request.ulimits.clone();
    if let Some(size) = session.request.shm_size {
        spec.shm_size = size;
    }
    spec
}

/// The environment, with what depends on the user and on what is mounted.
fn environment(
    session: &Session<'_>,
    op: &RunOp,
    account: &Account,
    mounts: &Mounts,
) -> Vec<(String, String)> {
    let pair = |variable: &EnvVar| (variable.name.clone(), variable.value.clone());
    let mut environment: Vec<_> = op.env.iter().map(pair).collect();
    add_variables(&mut environment, op.proxy.iter().map(|variable| (&variable.name, &variable.value)));
    add_variables(&mut environment, &session.request.proxies);
    add_variables(&mut environment, mounts.variables.iter().map(|(name, value)| (name, value)));
    add_variables(&mut environment, [("HOME", &account.home)]);
    environment
}

/// Adds variables that are not set yet.
fn add_variables<N: AsRef<str>, V: AsRef<str>>(
    environment: &mut Vec<(String, String)>,
    variables: impl IntoIterator<Item = (N, V)>,
) {
    for (name, value) in variables {
        if !environment.iter().any(|(known, _)| known == name.as_ref()) {
            environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        }
    }
}

/// Waits for the end; kills the process when the build has failed elsewhere.
fn wait(session: &Session<'_>, process: &Process) -> Result<ExitStatus, StepError> {
    loop {
        if let Some(status) = process.wait_timeout(HEARTBEAT)? {
            return Ok(status);
        }
        if session.is_cancelled() {
            process.kill(rustix::process::Signal::KILL.as_raw())?;
            process.wait()?;
            return Err(Cause::Cancelled.into());
        }
    }
}

fn failure(status: ExitStatus, process: &Process) -> Option<End> {
    if status.success() {
        return None;
    }
    Some(match (status.code(), status.signal()) {
        _ if process.out_of_memory() => End::OutOfMemory,
        (Some(code), _) => End::Exit(code),
        (None, signal) => End::Signal(signal.unwrap_or_default()),
    })
}
