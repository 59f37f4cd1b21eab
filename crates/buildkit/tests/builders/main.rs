//! Every way to a builder, and what may be wrong with it, against Docker engines and servers that really are there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod faults;
mod pods;
mod upkeep;
mod ways;

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use wharf_buildkit::address::{Address, Tls};
use wharf_buildkit::transport;
use wharf_testkit::{Authority, Engine, Identity};

/// The shared engine, or the reason why there is none.
macro_rules! engine {
    ($release:ident) => {
        match wharf_testkit::Engine::shared(wharf_testkit::Release::$release) {
            Ok(engine) => engine,
            Err(why) => return println!("skipped: {why}"),
        }
    };
}
pub(crate) use engine;

/// The id of the worker that answers at an address.
async fn worker(address: &str) -> String {
    at(&address.parse().unwrap()).await
}

async fn at(address: &Address) -> String {
    let channel = transport::connect(address).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
    let workers = wharf_buildkit::upkeep::workers(&channel).await.unwrap();
    workers[0].id.clone()
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

/// Certificates on both sides, as files.
struct Papers {
    authority: Authority,
    server: Identity,
    home: TempDir,
}

impl Papers {
    fn new() -> Self {
        let authority = Authority::new();
        let server = authority.identity(&["127.0.0.1", "builder.example"]);
        Self { authority, server, home: tempfile::tempdir().unwrap() }
    }

    /// A client whom the server lets in, and who trusts it.
    fn good(&self) -> Tls {
        self.client(&self.authority.certificate(), &self.authority.identity(&["ci"]))
    }

    fn client(&self, trusted: &str, client: &Identity) -> Tls {
        let file = |text: &str| -> Option<PathBuf> {
            let file = tempfile::NamedTempFile::new_in(&self.home).unwrap();
            std::fs::write(&file, text).unwrap();
            Some(file.keep().unwrap().1)
        };
        Tls {
            authority: file(trusted),
            certificate: file(&client.certificate),
            key: file(&client.key),
            server_name: None,
        }
    }
}

/// A program in a directory of its own.
fn program(home: &TempDir, name: &str, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let directory = home.path().join("programs");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(name), script).unwrap();
    std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// A call of an engine's own API, with curl's arguments.
fn engine_api(engine: &Engine, args: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail", "--unix-socket"]).arg(engine.socket()).args(args);
    let ran = curl.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    said
}

/// Packs a directory.
fn tar(directory: &std::path::Path, into: &std::path::Path) {
    let packed = Command::new("tar").arg("-C").arg(directory).arg("-cf").arg(into).arg(".").status();
    assert!(packed.unwrap().success());
}
