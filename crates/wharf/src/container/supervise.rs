//! One container from start to end: the process, its ports, its output, its state.
//!
//! The same code serves `wharf run` in the foreground and the process that stays behind for `--detach`.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use wharf_sandbox::{Mount, Network, Process};

use super::forward::{self, Publish};
use super::launch::{self, Overrides};
use super::output;
use super::root::Scratch;
use super::state::{Container, Held};
use crate::exit::Failure;
use crate::world::World;

/// How long a process may take to stop before it is killed, as docker has it.
const GRACE: Duration = Duration::from_secs(10);

/// What is to run.
pub(crate) struct Job {
    /// The image's config.
    pub(crate) config: wharf_oci::ContainerConfig,
    /// Its layers, unpacked, the base first.
    pub(crate) lowers: Vec<PathBuf>,
    /// What was typed over the config.
    pub(crate) overrides: Overrides,
    /// The host's network instead of one of its own.
    pub(crate) host_network: bool,
    /// Directories and files of the host.
    pub(crate) binds: Vec<Mount>,
    /// Ports, already taken on the host.
    pub(crate) ports: Vec<(Publish, TcpListener)>,
}

/// Runs `job` to its end and gives the exit code. Output is kept, and shown where `show` says so.
pub(crate) fn supervise(
    world: &World,
    job: Job,
    container: &mut Container,
    held: &Held,
    show: bool,
) -> Result<u8, Failure> {
    let scratch = Scratch::new(&world.data_dir, job.lowers)?;
    let account = {
        let view = scratch.view(world.sandbox())?;
        launch::account(&job.config, &job.overrides, &view)?
    };
    let hostname = &container.id[..12];
    let mut spec = launch::spec(&job.config, &job.overrides, &account, &scratch, hostname)?;
    spec.network = if job.host_network { Network::Host } else { Network::Isolated };
    spec.mounts.extend(job.binds);

    let log = Mutex::new(held.log()?);
    let mut process = world.sandbox().spawn(&spec)?;
    let (_, readers) = output::follow(&mut process, move |line| write_line(&log, line, show));
    let process = Arc::new(process);
    for (publish, listener) in job.ports {
        forward::serve(listener, publish.inside, process.clone());
    }
    stop_on_signals(world, &process);
    let status = process.wait()?;
    readers.into_iter().for_each(|reader| drop(reader.join()));
    let code = exit_code(status);
    container.exit_code = Some(i32::from(code));
    held.save(container)?;
    Ok(code)
}

fn write_line(log: &Mutex<File>, line: &str, show: bool) {
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    // A full disk must not stop the service; its output is what is lost.
    let _ = writeln!(log, "{line}");
    if show {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// SIGTERM and SIGINT to wharf ask the process to stop, and kill it when it does not.
fn stop_on_signals(world: &World, process: &Arc<Process>) {
    let process = process.clone();
    world.runtime.spawn(async move {
        let (Ok(mut term), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
        tokio::task::spawn_blocking(move || drop(process.stop(GRACE)));
    });
}

/// The exit code as shells and docker give it.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(u8::MAX)
}
