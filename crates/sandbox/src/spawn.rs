//! Starting a process: everything is prepared, then a child is forked that only carries it out.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::process::umask;

use crate::bare::{self, Furnishing};
use crate::cgroup::Cgroup;
use crate::child::{self, NoChild};
use crate::command::{Command, Request};
use crate::process::{Leftovers, Terms};
use crate::report::{During, Reporter, Step};
use crate::residue::Residue;
use crate::sandbox::Host;
use crate::surroundings::Surroundings;
use crate::sys::Memory;
use crate::{Error, ExecSpec, Process, Root, Rung, Security, Spec, sys, terminal};

/// A process in a sandbox of its own.
pub(crate) fn spawn(spec: &Spec, host: &Arc<Host>) -> Result<Process, Error> {
    if host.rung == Rung::Chroot {
        return spawn_bare(spec, host);
    }
    let cgroup = Cgroup::new(&spec.limits)?;
    let mut surroundings = Surroundings::new(spec, &host.ids, cgroup.as_ref())?;
    let request = Request {
        args: &spec.args,
        env: &spec.env,
        cwd: &spec.cwd,
        user: &spec.user,
        stdio: [&spec.stdin, &spec.stdout, &spec.stderr],
        terminal: spec.terminal,
        ulimits: &spec.ulimits,
        security: spec.security,
        capabilities: spec.capabilities,
        filtered: true,
        init: spec.init,
    };
    let (command, mut pipes) = Command::new(&request, &host.ids)?;
    let warden = (!spec.outlive).then_some(&host.warden);
    let namespaces = Surroundings::namespaces(&spec.network);
    let mut enter = |reporter: Reporter<'_>| {
        if let Some(warden) = warden {
            warden.register().during(Step::Register)?;
        }
        surroundings.build(reporter)
    };
    // An init process stays in this memory for good. And when a limit is so tight that the child dies of
    // it, the kernel kills whoever shares its memory.
    let memory = if spec.init || cgroup.is_some() { Memory::Copied } else { Memory::Shared };
    let child = child::start(namespaces, memory, |reporter| match enter(reporter) {
        Ok(()) => command.become_it(reporter),
        Err(failure) => failure,
    });

    match child {
        Ok(mut child) => {
            let residue = Residue::new(layer(&spec.root), std::mem::take(&mut child.traces));
            let leftovers = Leftovers { residue, cgroup, ..Leftovers::default() };
            let terms = Terms {
                host: Arc::clone(host),
                security: spec.security,
                capabilities: spec.capabilities,
                network: spec.network.clone(),
                stop_signal: spec.stop_signal,
                outlive: spec.outlive,
            };
            pipes.terminal = pipes.terminal.as_ref().map(terminal::receive).transpose()?;
            let process = Process::new(child, pipes, terms, leftovers);
            host.expose(process.pid());
            Ok(process)
        }
        Err(mut failed) => {
            // The first error is the one to tell.
            let _ = Residue::new(layer(&spec.root), failed.take_traces()).remove();
            Err(failed.explain(&spec.args[0], |failure| surroundings.subject(failure)))
        }
    }
}

/// A process in a root directory, and else where wharf itself is.
fn spawn_bare(spec: &Spec, host: &Arc<Host>) -> Result<Process, Error> {
    let root = bare::check(spec)?;
    let mut furnishing = Furnishing::new(&root, spec)?;
    let request = Request {
        args: &spec.args,
        env: &spec.env,
        cwd: &spec.cwd,
        user: &spec.user,
        stdio: [&spec.stdin, &spec.stdout, &spec.stderr],
        terminal: false,
        ulimits: &spec.ulimits,
        security: spec.security,
        capabilities: spec.capabilities,
        // Loading one takes a capability, or the promise never to gain privileges, which `su` would break.
        filtered: false,
        init: false,
    };
    let (command, pipes) = Command::new(&request, &host.ids)?;
    let c_root = bare::c_root(&root)?;
    let warden = (!spec.outlive).then_some(&host.warden);
    let enter = || {
        if let Some(warden) = warden {
            warden.register().during(Step::Register)?;
        }
        umask(Mode::WGRP | Mode::WOTH);
        bare::enter(&c_root)
    };
    furnishing.settle();
    let child = child::start(0, Memory::Copied, |reporter| match enter() {
        Ok(()) => command.become_it(reporter),
        Err(failure) => failure,
    });
    match child {
        Ok(child) => {
            let leftovers = Leftovers { furnishing: Some(furnishing), ..Leftovers::default() };
            let terms = Terms {
                host: Arc::clone(host),
                security: spec.security,
                capabilities: spec.capabilities,
                network: spec.network.clone(),
                stop_signal: spec.stop_signal,
                outlive: spec.outlive,
            };
            Ok(Process::new(child, pipes, terms, leftovers))
        }
        Err(failed) => Err(failed.explain(&spec.args[0], |_| Some(root.clone()))),
    }
}

/// Where the mount points end up that have to be made.
fn layer(root: &Root) -> PathBuf {
    match root {
        Root::Dir(directory) => directory.clone(),
        // Without an upper directory nothing can be made.
        Root::Overlay(overlay) => overlay.upper.as_ref().map(|upper| upper.dir.clone()).unwrap_or_default(),
    }
}

/// A further command in the sandbox of the process that `beside` stands for.
pub(crate) fn exec(
    spec: &ExecSpec,
    beside: BorrowedFd<'_>,
    cgroup: Option<&Cgroup>,
    terms: &Terms,
) -> Result<Process, Error> {
    let groups = cgroup.map(Cgroup::open).transpose()?.unwrap_or_default();
    let request = Request {
        args: &spec.args,
        env: &spec.env,
        cwd: &spec.cwd,
        user: &spec.user,
        stdio: [&spec.stdin, &spec.stdout, &spec.stderr],
        terminal: spec.terminal,
        ulimits: &[],
        security: if spec.privileged { Security::Insecure } else { terms.security },
        capabilities: terms.capabilities,
        filtered: true,
        init: false,
    };
    let (command, mut pipes) = Command::new(&request, &terms.host.ids)?;
    let namespaces = Surroundings::shared(&terms.network) & !libc::CLONE_NEWPID | libc::CLONE_NEWCGROUP;
    let join = || {
        for processes in &groups {
            rustix::io::write(processes, b"0")?;
        }
        sys::join(beside, namespaces)?;
        umask(Mode::WGRP | Mode::WOTH);
        Ok(())
    };
    let memory = if cgroup.is_some() { Memory::Copied } else { Memory::Shared };
    // A process gets into a pid namespace only by birth: its parent's thread says which, and that
    // thread then goes, since it is of no use for anything else.
    let child = sys::on_own_thread(|| {
        sys::join(beside, libc::CLONE_NEWPID).map_err(NoChild::Fork)?;
        child::start(0, memory, |reporter| match join().during(Step::Join) {
            Ok(()) => command.become_it(reporter),
            Err(failure) => failure,
        })
    });
    let terms = Terms { outlive: false, ..terms.clone() };
    match child {
        Ok(child) => {
            pipes.terminal = pipes.terminal.as_ref().map(terminal::receive).transpose()?;
            Ok(Process::new(child, pipes, terms, Leftovers::default()))
        }
        Err(failed) => Err(failed.explain(&spec.args[0], |_| None)),
    }
}
