//! Two registries of different make on loopback: wharf's own, and Debian's `docker-registry`
//! (distribution) with a password file.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell::{Run, command};

/// How long a registry may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// The user of the registry with a password file.
pub(crate) const USER: &str = "demo";
/// Its password.
pub(crate) const PASSWORD: &str = "demo-password";

/// A registry on loopback; it ends with the value.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(run: Run, port: u16) -> Result<Self> {
        let child =
            run.into_inner().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { child, port };
        server.wait_until_up()?;
        Ok(server)
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the registry on port {} ended with {status}", self.port);
            }
            if since.elapsed() > PATIENCE {
                bail!("the registry on port {} did not come up in {PATIENCE:?}", self.port);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// `wharf registry serve` on a data directory.
pub(crate) struct Depot {
    server: Server,
    config: PathBuf,
}

impl Depot {
    /// Starts it; the settings that name it as Docker Hub's mirror are beside its data.
    pub(crate) fn start(wharf: &Path, data: &Path) -> Result<Self> {
        let port = free_port()?;
        fs::create_dir_all(data)?;
        let address = format!("127.0.0.1:{port}");
        let serve = command(wharf, &["registry", "serve", "--addr", &address, "--data"]).arg(data);
        let server = Server::start(serve, port).context("starting wharf's own registry")?;
        let config = data.with_extension("toml");
        fs::write(&config, format!("[registries.\"docker.io\"]\nmirrors = [\"http://{address}\"]\n"))?;
        Ok(Self { server, config })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }

    /// Host settings that take Docker Hub's images from here.
    pub(crate) fn mirror_config(&self) -> &Path {
        &self.config
    }

    /// Ends it in an orderly way.
    pub(crate) fn stop(mut self) -> Result<()> {
        command("kill", &["-TERM", &self.server.child.id().to_string()]).run()?;
        self.server.child.wait()?;
        Ok(())
    }
}

/// Debian's registry with a password file.
pub(crate) struct Distribution {
    server: Server,
}

impl Distribution {
    /// Starts it with its data, settings and password file in `directory`.
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let port = free_port()?;
        fs::create_dir_all(directory)?;
        let passwords = directory.join("htpasswd");
        fs::write(&passwords, command("htpasswd", &["-Bbn", USER, PASSWORD]).read()? + "\n")?;
        let settings = directory.join("config.yml");
        fs::write(
            &settings,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {data}}}\n  delete: {{enabled: true}}\n\
                 http: {{addr: '127.0.0.1:{port}'}}\nauth:\n  htpasswd: {{realm: demo, path: {passwords}}}\n",
                data = directory.join("data").display(),
                passwords = passwords.display(),
            ),
        )?;
        let server = Server::start(command("docker-registry", &["serve"]).arg(&settings), port)
            .context("starting Debian's docker-registry")?;
        Ok(Self { server })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }
}
