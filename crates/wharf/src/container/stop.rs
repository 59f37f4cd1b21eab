//! Ending containers from outside.

use super::record::{Container, Status};
use super::start::{ask, ask_unless_ended};
use super::state::Containers;
use super::wire::Request;
use crate::exit::Failure;

/// Asks a container to stop, kills it when it has not after `seconds`, and waits until its supervisor has
/// gone, too. One that does not run is left as it is.
pub(crate) fn stop(
    containers: &Containers,
    container: &Container,
    signal: Option<i32>,
    seconds: Option<u64>,
) -> Result<(), Failure> {
    if !containers.is_running(container) {
        return Ok(());
    }
    match ask_unless_ended(containers, container, Request::Stop { signal, seconds }) {
        // It has ended, by this or by itself; its supervisor goes after it.
        Ok(_) => containers.wait(container),
        // It ended by itself meanwhile.
        Err(_) if !containers.is_running(container) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Sends a signal to a container that runs.
pub(crate) fn kill(containers: &Containers, container: &Container, signal: i32) -> Result<(), Failure> {
    ask(containers, container, Request::Kill { signal })?;
    if signal == super::signal::KILL && container.state.status == Status::Running {
        containers.wait(container)?;
    }
    Ok(())
}
