//! Starting a container: this binary runs again as its supervisor and stays behind.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow};

use super::record::Container;
use super::state::Containers;
use super::supervise::Said;
use super::wire::{self, Frame, Request};
use crate::cli::Globals;
use crate::exit::{Exit, Failure};

/// The supervisor could not make the container's surroundings; docker's code for it.
const NO_CONTAINER: u8 = 125;

/// Starts a container that does not run. With `listen`, gives a connection over which its output and its
/// end come, from the first byte on, and takes its input.
pub(crate) fn start(
    containers: &Containers,
    container: &Container,
    globals: &Globals,
    data_dir: &std::path::Path,
    listen: bool,
) -> Result<Option<UnixStream>, Failure> {
    let binary = std::env::current_exe().context("finding wharf's own binary")?;
    let mut command = Command::new(binary);
    command.arg0("wharf").args(["supervise", &container.id]).env("WHARF_DATA_DIR", data_dir);
    if let Some(config) = &globals.config {
        command.env("WHARF_CONFIG", config);
    }
    command.env("WHARF_PROGRESS", "quiet").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().context("starting the container's supervisor")?;
    let (Some(mut go), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(anyhow!("the supervisor has no streams").into());
    };
    let mut answers = BufReader::new(answers);
    if next_line(&mut answers)?.is_none() {
        // It has said on standard error what is wrong.
        child.wait()?;
        return Err(Failure::new(Exit::Process(NO_CONTAINER), anyhow!("the container could not be started")));
    }
    let stream = match listen {
        true => Some(attach(containers, container, true)?),
        false => None,
    };
    writeln!(go, "go").context("telling the supervisor to start the container")?;
    let said = next_line(&mut answers)?.ok_or_else(|| anyhow!("the supervisor has ended early"))?;
    match serde_json::from_str(&said).context("understanding the supervisor")? {
        Said::Started => Ok(stream),
        Said::Failed { code, why } => {
            child.wait()?;
            let code = u8::try_from(code).unwrap_or(NO_CONTAINER);
            Err(Failure::new(Exit::Process(code), anyhow!("{why}")))
        }
    }
}

fn next_line(answers: &mut impl BufRead) -> Result<Option<String>, Failure> {
    let mut line = String::new();
    let count = answers.read_line(&mut line).context("hearing from the supervisor")?;
    Ok((count > 0).then(|| line.trim_end().to_owned()))
}

/// Connects to the supervisor of a running container and asks for something; gives the connection once
/// that has begun.
pub(crate) fn ask(
    containers: &Containers,
    container: &Container,
    request: Request,
) -> Result<UnixStream, Failure> {
    ask_unless_ended(containers, container, request)?
        .ok_or_else(|| anyhow!("container {} has ended", container.short_id()).into())
}

/// The same; `None` where the container ended while it was asked. Its supervisor may still be about to go.
pub(super) fn ask_unless_ended(
    containers: &Containers,
    container: &Container,
    request: Request,
) -> Result<Option<UnixStream>, Failure> {
    let stream = wire::connect(&containers.directory(&container.id))
        .map_err(|_| anyhow!("container {} is not running", container.short_id()))?;
    wire::write(&stream, &Frame::Request(request)).context("asking the container's supervisor")?;
    match wire::read(&stream).context("hearing from the container's supervisor")? {
        Some(Frame::Started) => Ok(Some(stream)),
        Some(Frame::Failed(code, why)) => {
            let exit = Exit::Process(u8::try_from(code).unwrap_or(1));
            Err(Failure::new(exit, anyhow!("{why}")))
        }
        _ => Ok(None),
    }
}

/// Connects to a running container: to hear its end, and its output where that is wanted.
pub(crate) fn attach(
    containers: &Containers,
    container: &Container,
    output: bool,
) -> Result<UnixStream, Failure> {
    ask(containers, container, Request::Attach { output })
}
