//! An SSH server with one key to it, and an `ssh` that knows it: OpenSSH's own, on a port of loopback.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::engine::install;

const PATIENCE: Duration = Duration::from_secs(60);

/// sshd gives up its rights to a user that only its package would make, so it sees a list of users with that one.
const START: &str = "
cp /etc/passwd \"$1/passwd\"
grep -q ^sshd: \"$1/passwd\" || echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin' >>\"$1/passwd\"
mount --bind \"$1/passwd\" /etc/passwd
mkdir -p /run/sshd
export LD_LIBRARY_PATH=$(echo \"$2\"/usr/lib/*-linux-gnu):$(echo \"$2\"/lib/*-linux-gnu)
exec \"$2/usr/sbin/sshd\" -D -f \"$1/sshd_config\" -E \"$1/log\"
";

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct SshServer {
    port: u16,
    process: Child,
    home: TempDir,
}

impl SshServer {
    /// Starts one whose commands find their programs in `path` first.
    ///
    /// # Errors
    /// Why this machine cannot run one.
    pub fn start(path: &Path) -> Result<Self, String> {
        let programs = install::ensure()?;
        let docker = programs.join("bookworm/usr/bin");
        let home = tempfile::tempdir().expect("a directory for the server");
        let at = home.path();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(at.join(key))
                .status();
            if !made.is_ok_and(|status| status.success()) {
                return Err("there is no `ssh-keygen`".into());
            }
        }
        let port = free_port();
        let (place, path, docker) = (at.display(), path.display(), docker.display());
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host\nAuthorizedKeysFile {place}/user.pub\n\
             PidFile none\nStrictModes no\nUsePAM no\nSetEnv PATH={path}:{docker}:/usr/bin:/bin\n"
        );
        fs::write(at.join("sshd_config"), config).expect("the server's settings");
        let known = fs::read_to_string(at.join("host.pub")).expect("the server's key");
        fs::write(at.join("known_hosts"), format!("[127.0.0.1]:{port} {known}")).expect("the server's key");
        let client = format!(
            "IdentityFile {place}/user\nIdentitiesOnly yes\nUserKnownHostsFile {place}/known_hosts\n"
        );
        fs::write(at.join("ssh_config"), client).expect("the client's settings");
        let process = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", START, "sshd"])
            .arg(at)
            .arg(programs.join("ssh"))
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("starting `unshare`: {error}"))?;
        let mut server = Self { port, process, home };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.process.try_wait().expect("the server's state");
            assert!(ended.is_none() && begin.elapsed() < PATIENCE, "sshd does not listen: {}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// `root@127.0.0.1:port`.
    pub fn place(&self) -> String {
        format!("root@127.0.0.1:{}", self.port)
    }

    /// A directory with an `ssh` that has the key and knows the server, for the front of a search path.
    pub fn client(&self) -> PathBuf {
        let directory = self.home.path().join("bin");
        let config = self.home.path().join("ssh_config");
        fs::create_dir_all(&directory).expect("a directory for ssh");
        let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n", config.display());
        fs::write(directory.join("ssh"), script).expect("ssh with settings");
        fs::set_permissions(directory.join("ssh"), fs::Permissions::from_mode(0o755)).expect("a program");
        directory
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago; sshd cannot be asked which one it took.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    listener.local_addr().expect("the listener's address").port()
}
