//! Process 1 of a sandbox that asks for one: passes signals on, reaps orphans, ends as the command ends.

use std::ffi::c_int;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, setpgid, wait};
use rustix::termios::tcsetpgrp;

use crate::sys::{self, Fork, SignalSet};

/// Splits the process in two: the new one returns and goes on to run the command, the old one becomes
/// the init process and never returns. Both are confined alike by now. All signals are blocked.
pub(crate) fn start(terminal: bool) -> Result<(), Errno> {
    // SAFETY: both sides go on calling what is safe between fork and exec, and neither unwinds.
    match unsafe { sys::fork() }? {
        // What is typed on a terminal is for the command alone, or it would hear each signal twice.
        Fork::Child if terminal => {
            setpgid(None, None)?;
            tcsetpgrp(rustix::stdio::stdin(), getpid())
        }
        Fork::Child => Ok(()),
        Fork::Parent(command) => {
            // The pipe to wharf is closed, too: only the command's exec may end it now.
            sys::close_from(0, None);
            sys::exit_now(serve(command))
        }
    }
}

fn serve(command: Pid) -> i32 {
    let signals = SignalSet::full();
    loop {
        let signal = signals.wait();
        if signal == libc::SIGCHLD {
            if let Some(code) = reap(command) {
                return code;
            }
        } else {
            pass_on(signal, command);
        }
    }
}

/// Takes note of all children that have ended; the exit code once the command is among them.
fn reap(command: Pid) -> Option<i32> {
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == command {
            return Some(code(status));
        }
    }
    None
}

/// As a shell tells it: 128 and the signal's number for one that was killed.
fn code(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| Some(128 + status.terminating_signal()?)).unwrap_or(1)
}

fn pass_on(signal: c_int, command: Pid) {
    // Not the ones by which a terminal stops background work: there is no shell here to wake it up.
    if matches!(signal, libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) {
        return;
    }
    if let Some(signal) = Signal::from_named_raw(signal) {
        let _ = kill_process(command, signal);
    }
}
