//! git's own server, for the repository of a world's project.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::World;

/// It serves until it is dropped.
pub(crate) struct GitServer {
    server: Child,
    address: String,
}

impl GitServer {
    /// Serves the repository in the project of `world`, which is there already.
    pub(crate) fn start(world: &World) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let project = world.path("project");
        let server = Command::new("git")
            .args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"])
            .arg(format!("--base-path={}", project.parent().unwrap().display()))
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("git://127.0.0.1:{port}/project/.git");
        let server = Self { server, address };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "git does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// The repository's address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
