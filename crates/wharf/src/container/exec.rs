//! A process and its streams as the supervisor holds them, and further commands beside it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::termios::{Winsize, tcsetwinsize};
use wharf_sandbox::{Error, ExecSpec, Process, Stdio, open_in_root, resolve_user};

use super::launch;
use super::wire::{Exec, Frame};
use crate::exit::{Failure, OrFail};

/// A running process, and what goes into it.
pub(crate) struct Running {
    pub(crate) process: Process,
    input: Mutex<Option<Box<dyn Write + Send>>>,
    terminal: Option<OwnedFd>,
}

/// What comes out of it, to be read to the end.
pub(crate) struct Output {
    streams: Vec<(&'static str, Box<dyn Read + Send>)>,
}

impl Running {
    /// Takes a process over.
    pub(crate) fn new(mut process: Process) -> std::io::Result<(Self, Output)> {
        let mut streams: Vec<(&'static str, Box<dyn Read + Send>)> = Vec::new();
        let terminal = process.take_terminal();
        let input: Option<Box<dyn Write + Send>> = match &terminal {
            Some(terminal) => {
                streams.push(("stdout", Box::new(File::from(terminal.try_clone()?))));
                Some(Box::new(File::from(terminal.try_clone()?)))
            }
            None => process.take_stdin().map(|pipe| Box::new(pipe) as Box<dyn Write + Send>),
        };
        if let Some(pipe) = process.take_stdout() {
            streams.push(("stdout", Box::new(pipe)));
        }
        if let Some(pipe) = process.take_stderr() {
            streams.push(("stderr", Box::new(pipe)));
        }
        Ok((Self { process, input: Mutex::new(input), terminal }, Output { streams }))
    }

    /// Passes input on; none at all ends it. A process that does not read any more is no error.
    pub(crate) fn input(&self, bytes: &[u8]) {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.is_empty() {
            // A terminal is not closed for others by whoever leaves it.
            if self.terminal.is_none() {
                *input = None;
            }
        } else if let Some(open) = input.as_mut()
            && open.write_all(bytes).and_then(|()| open.flush()).is_err()
        {
            *input = None;
        }
    }

    /// The terminal has another size now.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        if let Some(terminal) = &self.terminal {
            // A terminal of the wrong size is still a terminal.
            let _ = tcsetwinsize(terminal, size);
        }
    }
}

impl Output {
    /// Threads that pass everything to `each`, with the stream's name, until there is no more. A last call
    /// without bytes tells of the end.
    pub(crate) fn follow(
        self,
        each: impl Fn(&'static str, &[u8]) + Send + Clone + 'static,
    ) -> Vec<JoinHandle<()>> {
        let follow = |(name, mut stream): (&'static str, Box<dyn Read + Send>)| {
            let each = each.clone();
            std::thread::spawn(move || {
                let mut buffer = vec![0; 32 << 10];
                loop {
                    match stream.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(count) => each(name, &buffer[..count]),
                        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                        // A terminal that nobody has open any more says so with an error.
                        Err(_) => break,
                    }
                }
                each(name, &[]);
            })
        };
        self.streams.into_iter().map(follow).collect()
    }
}

/// Output as frames: a terminal and standard output on one side, errors on the other.
pub(crate) fn frame(stream: &str, bytes: &[u8]) -> Frame {
    match stream {
        "stderr" => Frame::Error(bytes.to_vec()),
        _ => Frame::Output(bytes.to_vec()),
    }
}

/// The exit code as shells and docker give it.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The exit code of a command that could not be started: docker tells those that are missing and those
/// that may not be run from all others.
pub(crate) fn start_code(error: &Error) -> i32 {
    match error {
        Error::Exec { source, .. } => match source.kind() {
            std::io::ErrorKind::NotFound => 127,
            _ => 126,
        },
        Error::Setup { step: wharf_sandbox::Step::Cwd, .. } => 126,
        _ => 125,
    }
}

/// What the sandbox runs for `exec` in the container whose process this is.
pub(crate) fn spec(exec: &Exec, running: &Running, base: &wharf_sandbox::Spec) -> Result<ExecSpec, Failure> {
    let mut spec = ExecSpec::new(exec.args.clone());
    let user = match &exec.user {
        None => base.user.clone(),
        Some(user) => {
            let root = format!("/proc/{}/root", running.process.pid());
            let read = |path: &str| -> Vec<u8> {
                let mut bytes = Vec::new();
                if let Ok(file) = open_in_root(Path::new(&root), Path::new(path)) {
                    // A file that cannot be read says as little as one that is not there.
                    let _ = file.take(4 << 20).read_to_end(&mut bytes);
                }
                bytes
            };
            resolve_user(user, &read("/etc/passwd"), &read("/etc/group")).or_usage()?.user
        }
    };
    let settings: Vec<String> = base
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .chain(exec.env.iter().cloned())
        .collect();
    spec.env = launch::environment(&settings);
    if exec.tty {
        launch::default_variable(&mut spec.env, "TERM", "xterm");
    }
    spec.user = user;
    spec.cwd = exec.workdir.as_deref().map_or_else(|| base.cwd.clone(), Into::into);
    spec.terminal = exec.tty;
    spec.privileged = exec.privileged;
    spec.stdin = if exec.stdin && !exec.tty { Stdio::Piped } else { Stdio::Null };
    Ok(spec)
}
