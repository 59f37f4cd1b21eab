//! An SSH agent as a step sees it: a socket of its own, whose traffic is passed to the caller's agent.
//!
//! The caller's socket itself could not be shown: it belongs to another user than the step may run as.

use std::io;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Cause, StepError};
use crate::plan::FileOwner;

/// A socket that stands for an agent while this lives.
#[derive(Debug)]
pub(super) struct Agent {
    /// The socket.
    pub(super) socket: PathBuf,
    ended: Arc<AtomicBool>,
}

impl Agent {
    /// Listens at `socket` on behalf of the agent at `agent`.
    pub(super) fn listen(socket: PathBuf, agent: &Path, owner: &FileOwner) -> Result<Self, StepError> {
        let listener = UnixListener::bind(&socket).map_err(Cause::file("making the socket", &socket))?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(owner.mode))
            .map_err(Cause::file("changing the mode of", &socket))?;
        std::os::unix::fs::chown(&socket, Some(owner.uid), Some(owner.gid))
            .map_err(Cause::file("changing the owner of", &socket))?;
        let ended = Arc::new(AtomicBool::new(false));
        let (agent, flag) = (agent.to_owned(), ended.clone());
        std::thread::spawn(move || serve(&listener, &agent, &flag));
        Ok(Self { socket, ended })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees the flag.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn serve(listener: &UnixListener, agent: &Path, ended: &AtomicBool) {
    for client in listener.incoming() {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        // A client that finds no agent sees a closed connection, which is what it is.
        if let (Ok(client), Ok(agent)) = (client, UnixStream::connect(agent)) {
            let _ = pass_on(client, agent);
        }
    }
}

/// Connects two streams both ways until both have ended.
fn pass_on(client: UnixStream, agent: UnixStream) -> io::Result<()> {
    let (mut from_client, mut to_client) = (client.try_clone()?, client);
    let (mut from_agent, mut to_agent) = (agent.try_clone()?, agent);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_agent);
        to_agent.shutdown(Shutdown::Write)
    });
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_agent, &mut to_client);
        to_client.shutdown(Shutdown::Write)
    });
    Ok(())
}
