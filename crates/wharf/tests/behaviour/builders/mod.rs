//! Builders elsewhere: every way to one, and everything that may be wrong with a way.

mod cluster;
mod conformance;
mod failover;
mod faults;
mod limits;
mod outputs;
mod running;
mod session;
mod several;
mod upkeep;
mod ways;

use std::path::{Path, PathBuf};

use serde_json::Value;
use wharf_testkit::{Authority, Engine, Identity, Release};

use crate::world::World;

/// The shared engine, or the reason why there is none.
macro_rules! engine {
    () => {
        match wharf_testkit::Engine::shared(wharf_testkit::Release::Trixie) {
            Ok(engine) => engine,
            Err(why) => $crate::skip!("{why}"),
        }
    };
}
pub(crate) use engine;

/// The old engine, which keeps images in a store of its own, or the reason why there is none.
fn old() -> Result<&'static Engine, &'static str> {
    Engine::shared(Release::Bookworm)
}

/// The id of the worker that answers at an address.
fn worker(world: &World, address: &str, more: &[&str]) -> String {
    let ran = world.wharf_ok(&[&["--json", "builders", "inspect", address][..], more].concat());
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    said[0]["workers"][0]["id"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// The worker of an engine, by its socket.
fn own(world: &World, engine: &Engine) -> String {
    let id = worker(world, &engine.address(), &[]);
    assert!(!id.is_empty());
    id
}

/// Certificates on both sides.
struct Papers {
    authority: Authority,
    server: Identity,
}

impl Papers {
    fn new() -> Self {
        let authority = Authority::new();
        let server = authority.identity(&["127.0.0.1", "builder.example"]);
        Self { authority, server }
    }

    /// The client's, as files of a world.
    fn flags(&self, world: &World) -> Vec<String> {
        flags(world, &self.authority.certificate(), &self.authority.identity(&["ci"]))
    }
}

fn flags(world: &World, authority: &str, client: &Identity) -> Vec<String> {
    let file = |name: &str, text: &str| world.file(name, text).display().to_string();
    vec![
        "--tlscacert".into(),
        file("ca.pem", authority),
        "--tlscert".into(),
        file("cert.pem", &client.certificate),
        "--tlskey".into(),
        file("key.pem", &client.key),
    ]
}

/// A program of a world, in a directory of its own.
fn program(world: &World, name: &str, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = world.file(&format!("programs/{name}"), script);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.parent().unwrap().to_owned()
}

/// A search path that begins with a directory.
fn path_with(first: &Path) -> String {
    format!("{}:{}", first.display(), std::env::var("PATH").unwrap_or_default())
}

/// A call of an engine's own API, with curl's arguments.
fn engine_api(engine: &Engine, args: &[&str]) -> String {
    let mut curl = std::process::Command::new("curl");
    curl.args(["-sS", "--fail", "--unix-socket"]).arg(engine.socket()).args(args);
    let ran = curl.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    said
}
