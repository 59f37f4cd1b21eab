//! The other end of a connection to a supervisor: this process's streams, terminal and signals.

use std::io::{IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use super::wire::{self, Frame};
use crate::exit::Failure;

/// What is connected.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    /// Standard input goes in.
    pub(crate) stdin: bool,
    /// It is a terminal on both sides.
    pub(crate) tty: bool,
    /// Signals to this process are for the container.
    pub(crate) signals: bool,
}

/// So many interrupts in a row end wharf itself, whatever the container makes of them; as in docker.
const ENOUGH: u32 = 3;

/// Connects this process's streams until the other side has ended; gives its exit code.
pub(crate) fn attach(stream: UnixStream, how: How) -> Result<i32, Failure> {
    let terminal = if how.tty { Terminal::raw() } else { None };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    if how.tty {
        send_size(&stream);
        let stream = stream.try_clone()?;
        runtime.spawn(async move {
            let Ok(mut changes) = signal(SignalKind::window_change()) else { return };
            while changes.recv().await.is_some() {
                send_size(&stream);
            }
        });
    }
    if how.signals {
        pass_signals(&runtime, &stream)?;
    }
    if how.stdin {
        let stream = stream.try_clone()?;
        std::thread::spawn(move || send_input(&stream));
    }
    let code = receive(&stream);
    drop(terminal);
    // A thread may still wait for input that nobody wants any more.
    runtime.shutdown_background();
    code
}

fn receive(stream: &UnixStream) -> Result<i32, Failure> {
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    loop {
        let frame = wire::read(stream).context("hearing from the container's supervisor")?;
        let written = match frame {
            Some(Frame::Output(bytes)) => {
                let mut stdout = stdout.lock();
                stdout.write_all(&bytes).and_then(|()| stdout.flush())
            }
            Some(Frame::Error(bytes)) => stderr.lock().write_all(&bytes),
            Some(Frame::Exit(code)) => return Ok(code),
            Some(_) => Ok(()),
            // The supervisor was killed, and the container with it.
            None => return Ok(137),
        };
        if written.is_err() {
            // As a program does that writes to a pipe nobody reads; the container goes on.
            return Ok(141);
        }
    }
}

fn send_input(stream: &UnixStream) {
    let mut buffer = vec![0; 32 << 10];
    let mut stdin = std::io::stdin().lock();
    loop {
        match stdin.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(count) => {
                if wire::write(stream, &Frame::Input(buffer[..count].to_vec())).is_err() {
                    return;
                }
            }
        }
    }
    let _ = wire::write(stream, &Frame::Input(Vec::new()));
}

fn send_size(stream: &UnixStream) {
    if let Ok(size) = tcgetwinsize(std::io::stdout()) {
        let _ = wire::write(stream, &Frame::Size(size.ws_row, size.ws_col));
    }
}

fn pass_signals(runtime: &tokio::runtime::Runtime, stream: &UnixStream) -> Result<(), Failure> {
    let interrupts = Arc::new(AtomicU32::new(0));
    let kinds = [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::terminate(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ];
    let _context = runtime.enter();
    for kind in kinds {
        let mut signals = signal(kind).context("listening for signals")?;
        let (stream, interrupts) = (stream.try_clone()?, interrupts.clone());
        runtime.spawn(async move {
            while signals.recv().await.is_some() {
                let _ = wire::write(&stream, &Frame::Signal(kind.as_raw_value()));
                let ends = kind == SignalKind::interrupt() || kind == SignalKind::terminate();
                if ends && interrupts.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH {
                    let _ = writeln!(std::io::stderr(), "got {ENOUGH} interrupts, leaving the container");
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                }
            }
        });
    }
    Ok(())
}

/// The terminal in raw mode, until this goes.
struct Terminal {
    before: Termios,
}

impl Terminal {
    fn raw() -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nobody is left to be told if the terminal has gone.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
