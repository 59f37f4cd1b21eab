//! Debian's `docker-registry`, the reference implementation: what works with it works with most.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::TokenServer;
use crate::token_server::{ISSUER, SERVICE};

const PROGRAM: &str = "/usr/bin/docker-registry";
const PATIENCE: Duration = Duration::from_secs(20);

/// Who may come in.
#[derive(Debug)]
pub enum Doorman<'a> {
    /// Everybody.
    Nobody,
    /// Those with this account and password, by an `htpasswd` file.
    Password(&'a str, &'a str),
    /// Those with a token of this server.
    Tokens(&'a TokenServer),
    /// Those with a certificate of this authority; the registry has one of its own and its key. All are PEM files.
    Certificates {
        /// Whose certificates are let in.
        authority: &'a Path,
        /// The registry's certificate.
        certificate: &'a Path,
        /// Its private key.
        key: &'a Path,
    },
}

/// A running registry; it ends, and its data go, when dropped.
#[derive(Debug)]
pub struct DebianRegistry {
    address: SocketAddr,
    process: Child,
    _data: TempDir,
}

impl DebianRegistry {
    /// Starts one on a free port of loopback; `None`, with the reason on stderr, where it is not installed.
    pub fn start(doorman: &Doorman<'_>) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            explain_absence();
            return None;
        }
        let data = tempfile::tempdir().expect("a directory for the registry");
        let address = free_address();
        let config = data.path().join("config.yml");
        std::fs::write(&config, configuration(data.path(), address, doorman))
            .expect("the registry's configuration");
        let process = Command::new(PROGRAM)
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(data.path().join("log")).expect("the registry's log"))
            .spawn()
            .expect("docker-registry to start");
        let mut registry = Self { address, process, _data: data };
        registry.wait_until_it_listens();
        Some(registry)
    }

    /// `127.0.0.1:port`, as references name it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    fn wait_until_it_listens(&mut self) {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.process.try_wait().expect("the registry's state");
            assert!(
                ended.is_none() && begin.elapsed() < PATIENCE,
                "docker-registry does not listen: {ended:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says so where people look for it")]
fn explain_absence() {
    eprintln!("skipped: {PROGRAM} is not installed (apt-get install docker-registry)");
}

/// A port that was free a moment ago; docker-registry cannot be asked which one it took.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    listener.local_addr().expect("the listener's address")
}

fn configuration(data: &Path, address: SocketAddr, doorman: &Doorman<'_>) -> String {
    let auth = match doorman {
        Doorman::Nobody => String::new(),
        // These lines belong to `http`, which stands right before.
        Doorman::Certificates { authority, certificate, key } => format!(
            "  tls:\n    certificate: {}\n    key: {}\n    clientcas: [{}]\n",
            certificate.display(),
            key.display(),
            authority.display()
        ),
        Doorman::Password(username, password) => {
            let file = data.join("htpasswd");
            let line = wharf_depot::Users::line(username, &(*password).into(), 4).expect("a password's hash");
            std::fs::write(&file, line + "\n").expect("the password file");
            format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display())
        }
        Doorman::Tokens(server) => {
            let file = data.join("certificate.pem");
            server.write_certificate(&file);
            let (realm, bundle) = (server.realm(), file.display());
            format!(
                "auth:\n  token:\n    realm: {realm}\n    service: {SERVICE}\n    issuer: {ISSUER}\n    rootcertbundle: {bundle}\n"
            )
        }
    };
    let storage = data.join("storage");
    format!(
        "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n{auth}",
        storage.display()
    )
}
