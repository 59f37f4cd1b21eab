//! Processes of steps: their output line by line, their end in time, and nothing of them left behind.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::stop::Stop;

/// How often a process is looked after.
const TICK: Duration = Duration::from_millis(20);
/// After `SIGINT`, as GitHub's runner waits.
const INTERRUPT_GRACE: Duration = Duration::from_millis(7500);
/// After `SIGTERM`, as GitHub's runner waits.
const TERMINATE_GRACE: Duration = Duration::from_millis(2500);
/// What still comes out of a pipe once the process has ended, when others hold it open.
const DRAIN: Duration = Duration::from_millis(100);
/// The variable that marks everything that a job starts.
pub(crate) const TRACKING: &str = "RUNNER_TRACKING_ID";

/// A process to run.
#[derive(Debug, Clone)]
pub struct Process {
    /// What to run.
    pub program: PathBuf,
    /// With what.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// Where.
    pub directory: PathBuf,
    /// What it reads.
    pub stdin: Option<String>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// It took too long and was stopped.
    TimedOut,
    /// The run was stopped.
    Cancelled,
}

impl Process {
    /// Runs it to its end; both outputs go to `line` in the order they come.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(
        &self,
        deadline: Option<Instant>,
        stop: &Stop,
        line: &mut dyn FnMut(String),
    ) -> Result<Ended, String> {
        let failed = |error: std::io::Error| format!("starting {}: {error}", self.program.display());
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.directory)
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(writer.try_clone().map_err(failed)?)
            .stderr(writer)
            // A group of its own, so that a signal reaches all of it and a Ctrl-C at the terminal none.
            .process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        // The command holds the pipe's writing end; without it, the reader sees the end of the output.
        drop(command);
        if let (Some(text), Some(mut stdin)) = (&self.stdin, child.stdin.take()) {
            let text = text.clone();
            std::thread::spawn(move || {
                let _ = stdin.write_all(text.as_bytes());
            });
        }
        let lines = read_lines(reader);
        Ok(look_after(&mut child, &lines, deadline, stop, line))
    }
}

/// Lines as they come. Whoever still holds the pipe when nobody listens any more may go on writing.
fn read_lines(reader: std::io::PipeReader) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = sender.send(text.trim_end_matches(['\n', '\r']).to_owned());
            bytes.clear();
        }
    });
    receiver
}

fn look_after(
    child: &mut Child,
    lines: &mpsc::Receiver<String>,
    deadline: Option<Instant>,
    stop: &Stop,
    line: &mut dyn FnMut(String),
) -> Ended {
    let group = Pid::from_child(child);
    let mut ending: Option<(Ended, Instant)> = None;
    let mut said = Signal::INT;
    let mut open = true;
    let status = loop {
        if open {
            match lines.recv_timeout(TICK) {
                Ok(text) => line(text),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        } else {
            std::thread::sleep(TICK);
        }
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) => {}
            Err(_) => break None,
        }
        match ending {
            None if stop.asked() => {
                signal(group, Signal::INT);
                ending = Some((Ended::Cancelled, Instant::now()));
            }
            None if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                signal(group, Signal::INT);
                ending = Some((Ended::TimedOut, Instant::now()));
            }
            None => {}
            Some((_, since)) => {
                let next = if stop.at_once() || since.elapsed() > INTERRUPT_GRACE + TERMINATE_GRACE {
                    Signal::KILL
                } else if since.elapsed() > INTERRUPT_GRACE {
                    Signal::TERM
                } else {
                    Signal::INT
                };
                if next != said {
                    signal(group, next);
                    said = next;
                }
            }
        }
    };
    if ending.is_some() {
        // What ignored the interrupt in the background does not outlive the step that was stopped.
        signal(group, Signal::KILL);
    }
    while open && let Ok(text) = lines.recv_timeout(DRAIN) {
        line(text);
    }
    match (ending, status) {
        (Some((ended, _)), _) => ended,
        (None, Some(status)) => {
            Ended::Code(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1))
        }
        (None, None) => Ended::Code(1),
    }
}

fn signal(group: Pid, signal: Signal) {
    let _ = rustix::process::kill_process_group(group, signal);
}

/// Ends every process that carries the mark `id`, also those that have left their group: first asked, then killed.
pub(crate) fn end_marked(id: &str) {
    if marked(id).is_empty() {
        return;
    }
    for pid in marked(id) {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
    }
    let since = Instant::now();
    while !marked(id).is_empty() && since.elapsed() < TERMINATE_GRACE {
        std::thread::sleep(TICK);
    }
    for pid in marked(id) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Processes whose environment carries the mark, this one aside.
fn marked(id: &str) -> Vec<Pid> {
    let mark = format!("{TRACKING}={id}");
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let carries = |pid: i32| {
        std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != std::process::id() as i32 && carries(*pid))
        .filter_map(Pid::from_raw)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Process {
        Process {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            directory: "/".into(),
            stdin: None,
        }
    }

    fn run(process: &Process, deadline: Option<Instant>, stop: &Stop) -> (Ended, Vec<String>) {
        let mut lines = Vec::new();
        let ended = process.run(deadline, stop, &mut |line| lines.push(line)).unwrap();
        (ended, lines)
    }

    #[test]
    fn output_comes_in_order_and_the_code_is_the_processs() {
        let (ended, lines) = run(&sh("echo a; echo b >&2; echo c; exit 7"), None, &Stop::default());
        assert_eq!((ended, lines), (Ended::Code(7), vec!["a".into(), "b".into(), "c".into()]));
    }

    #[test]
    fn what_takes_too_long_is_stopped() {
        let (ended, lines) = run(&sh("echo a; sleep 60"), Some(Instant::now()), &Stop::default());
        assert_eq!((ended, lines.len() <= 1), (Ended::TimedOut, true));
    }

    #[test]
    fn a_process_in_the_background_does_not_hold_the_step() {
        let (ended, lines) = run(&sh("sleep 60 & echo $!"), None, &Stop::default());
        assert_eq!(ended, Ended::Code(0));
        let pid = Pid::from_raw(lines[0].parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }

    #[test]
    fn what_carries_the_mark_is_ended_wherever_it_went() {
        let id = format!("github_{}", uuid::Uuid::new_v4());
        let mut process = sh("setsid sleep 60 & echo started");
        process.env.insert(TRACKING.into(), id.clone());
        run(&process, None, &Stop::default());
        end_marked(&id);
        assert_eq!(marked(&id), []);
    }
}
