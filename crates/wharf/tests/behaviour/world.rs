//! A world of its own for each test: directories, settings, registries, a fixed clock.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The time in every world.
pub(crate) const NOW: &str = "2026-01-02T03:04:05Z";

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub(crate) const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// Says why a test cannot run here, and ends it.
#[macro_export]
macro_rules! skip {
    ($($why:tt)*) => {{
        println!("skipped: {}: {}", module_path!(), format_args!($($why)*));
        return;
    }};
}

/// A world.
pub(crate) struct World {
    directory: tempfile::TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        for name in ["home", "project", "data"] {
            fs::create_dir(world.path(name)).unwrap();
        }
        fs::write(world.path("config.toml"), "").unwrap();
        world
    }

    /// A path in the world.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file of the project.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("project").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Takes the images of Docker Hub from a registry.
    pub(crate) fn mirror_hub(&self, address: &str) {
        let text = format!("[registries.\"docker.io\"]\nmirrors = [\"http://{address}\"]\n");
        fs::write(self.path("config.toml"), text).unwrap();
    }

    /// wharf in the project, knowing nothing of the real world but its search path and how it reaches the
    /// network.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(WHARF);
        command.args(args).current_dir(self.path("project")).env_clear().stdin(Stdio::null());
        for (name, value) in std::env::vars() {
            let kept = ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"].contains(&name.as_str());
            if kept || name.to_lowercase().ends_with("_proxy") {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.path("home"))
            .env("DOCKER_CONFIG", self.path("home"))
            .env("WHARF_DATA_DIR", self.path("data"))
            .env("WHARF_CONFIG", self.path("config.toml"))
            .env("WHARF_NOW", NOW)
            .env("USER", "robin");
        command
    }

    /// Runs wharf.
    pub(crate) fn wharf(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// Runs wharf, which must succeed.
    pub(crate) fn wharf_ok(&self, args: &[&str]) -> Ran {
        let ran = self.wharf(args);
        assert_eq!(ran.code, 0, "wharf {}\n{}{}", args.join(" "), ran.stdout, ran.stderr);
        ran
    }

    /// Text with what differs from world to world taken out.
    pub(crate) fn scrub(&self, text: &str) -> String {
        text.replace(&self.directory.path().display().to_string(), "[WORLD]")
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Whether the test may make namespaces without help.
pub(crate) fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// A registry on loopback that ends with the value.
pub(crate) struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    /// wharf's own registry on a directory.
    pub(crate) fn wharf(data: &Path, more: &[&str]) -> Self {
        Self::wharf_at("127.0.0.1:0", data, more)
    }

    /// The same at an address that another had until it was killed.
    pub(crate) fn wharf_at(address: &str, data: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(WHARF)
            .args(["registry", "serve", "--addr", address, "--data"])
            .arg(data)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("://").next().unwrap().to_owned();
        Self { child, address }
    }

    /// Debian's registry (distribution) with one user, `demo` with the password `secret`; `None` where it is
    /// not installed.
    pub(crate) fn distribution(directory: &Path) -> Option<Self> {
        let binary = Path::new("/usr/bin/docker-registry");
        if !binary.exists() {
            return None;
        }
        let hash = Command::new("htpasswd").args(["-Bbn", "demo", "secret"]).output().ok()?;
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("htpasswd"), hash.stdout).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let at = directory.display();
        let settings = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {at}/data}}\n\
             http: {{addr: '{address}'}}\nauth:\n  htpasswd: {{realm: test, path: {at}/htpasswd}}\n"
        );
        fs::write(directory.join("config.yml"), settings).unwrap();
        let child = Command::new(binary)
            .arg("serve")
            .arg(directory.join("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let since = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(since.elapsed() < PATIENCE, "docker-registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, address })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rootfs of a tiny image, as the tar that `ADD` unpacks: busybox with its applets, two users.
pub(crate) fn busybox_context(world: &World) -> bool {
    if !Path::new("/bin/busybox").exists() {
        return false;
    }
    fs::create_dir_all(world.path("project/bin")).unwrap();
    fs::copy("/bin/busybox", world.path("project/bin/busybox")).unwrap();
    world.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n");
    world.file("etc/group", "root:x:0:\napp:x:1000:\n");
    true
}

/// The first lines of a Dockerfile on busybox, without any registry.
pub(crate) const BUSYBOX: &str = "FROM scratch\nCOPY bin/busybox /bin/busybox\nCOPY etc /etc\n\
    RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
