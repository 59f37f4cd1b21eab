//! Killed in the middle of a transfer, on either side: what had arrived counts.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use wharf_oci::digest::sha256;
use wharf_testkit::{Fault, FaultyRegistry, When, fixture};

use super::{remote_digest, store};
use crate::world::{Registry, World};

const MIB: u64 = 1 << 20;
/// How long something that must happen may take.
const PATIENCE: Duration = Duration::from_secs(300);

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let since = Instant::now();
    while !happened() {
        assert!(since.elapsed() < PATIENCE, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The size of the largest file in a directory that may not be there yet.
fn largest(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).max().unwrap_or(0)
}

/// Whether nobody writes to the file.
fn is_free(file: fs::DirEntry) -> bool {
    fs::File::open(file.path()).is_ok_and(|file| file.try_lock().is_ok())
}

/// The bytes of all uploads that the registry took.
fn uploaded(registry: &FaultyRegistry) -> u64 {
    let uploads = registry.seen().into_iter().filter(|seen| seen.path.contains("/blobs/uploads/"));
    uploads.map(|seen| seen.received).sum()
}

#[test]
fn a_push_that_is_killed_goes_on_with_what_is_missing() {
    let world = World::new();
    let registry = FaultyRegistry::start();
    let name = format!("{}/org/model:v1", registry.host());
    let image = fixture::bulky_image(&store(&world), 32 * MIB);
    store(&world).tag(&name, &image).unwrap();
    let blobs: u64 = store(&world).blobs().unwrap().values().sum::<u64>() - image.size;
    // The config may be there before the layer or after; the layer is what the second fault waits for.
    let layer = store(&world).blobs().unwrap().into_iter().max_by_key(|(_, size)| *size).unwrap().0;
    registry.fail(When::next(Method::PUT, layer.digest()), Fault::DrownUpload(5 * MIB));
    registry.fail(When::next(Method::PATCH, "/blobs/uploads/"), Fault::DrownUpload(7 * MIB));
    for arrived in [5 * MIB, 12 * MIB] {
        let push =
            world.command(&["push", &name]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let uploads = registry.depot().layout("org/model").unwrap().root().join("uploads");
        wait_for("the middle of the upload", || largest(&uploads) >= arrived);
        kill(push);
        wait_for("the registry's notice of it", || fs::read_dir(&uploads).unwrap().flatten().all(is_free));
    }
    world.wharf_ok(&["push", &name]);
    assert_eq!(uploaded(&registry), blobs, "no byte twice");
    assert_eq!(remote_digest(&world, &name), image.digest);
    // It is done, and nothing of it is remembered.
    assert_eq!(fs::read_dir(world.path("data/uploads")).unwrap().count(), 0);
}

#[test]
fn a_pull_that_is_killed_goes_on_with_what_is_missing() {
    let world = World::new();
    let registry = FaultyRegistry::start();
    let name = format!("{}/org/model:v1", registry.host());
    let image = fixture::bulky_image(&store(&world), 32 * MIB);
    store(&world).tag(&name, &image).unwrap();
    world.wharf_ok(&["push", &name]);
    let layer = store(&world).blobs().unwrap().into_iter().max_by_key(|(_, size)| *size).unwrap().0;
    registry.forget_seen();
    registry.fail(When::next(Method::GET, layer.digest()), Fault::StallAnswer(20 * MIB));
    let other = World::new();
    let pull = other.command(&["pull", &name]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ingest = other.path("data/store/ingest");
    wait_for("the middle of the download", || largest(&ingest) >= 20 * MIB);
    kill(pull);
    other.wharf_ok(&["pull", &name]);
    let sent: u64 = registry.seen_of(Method::GET, layer.digest()).iter().map(|seen| seen.sent).sum();
    assert_eq!(sent, 32 * MIB, "no byte twice");
    assert_eq!(store(&other).resolve(&name).unwrap().unwrap().digest, image.digest);
}

/// Somebody who sends half of a layer, byte by byte under the test's control.
struct Half {
    address: String,
    upload: String,
}

impl Half {
    fn send(address: &str, content: &[u8]) -> (Self, TcpStream) {
        let mut connection = TcpStream::connect(address).unwrap();
        let host = format!("Host: {address}\r\n");
        let post = format!(
            "POST /v2/app/blobs/uploads/ HTTP/1.1\r\n{host}Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        connection.write_all(post.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let location = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
        });
        let upload = location.unwrap();
        let mut connection = TcpStream::connect(address).unwrap();
        let head = format!("PATCH {upload} HTTP/1.1\r\n{host}Content-Length: {}\r\n\r\n", content.len());
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&content[..content.len() / 2]).unwrap();
        (Self { address: address.into(), upload }, connection)
    }

    fn curl(&self, args: &[&str], query: &str) -> String {
        let url = format!("http://{}{}{query}", self.address, self.upload);
        let ran =
            std::process::Command::new("curl").args(["-sS", "-i"]).args(args).arg(url).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().to_ascii_lowercase()
    }
}

#[test]
fn a_registry_that_is_killed_keeps_what_it_has_of_an_upload() {
    let world = World::new();
    let data = world.path("registry");
    let registry = Registry::wharf(&data, &[]);
    let address = registry.address().to_owned();
    let content: Vec<u8> = (0..4 * MIB).map(|number| (number % 251) as u8).collect();
    let (half, connection) = Half::send(&address, &content);
    let id = half.upload.rsplit('/').next().unwrap();
    let file = data.join("app/uploads").join(id);
    wait_for("half of the upload", || fs::metadata(&file).is_ok_and(|file| file.len() == 2 * MIB));
    // Dropped, it is killed.
    drop(registry);
    drop(connection);
    let _registry = Registry::wharf_at(&address, &data, &[]);
    let state = half.curl(&[], "");
    assert!(
        state.starts_with("http/1.1 204") && state.contains(&format!("range: 0-{}", 2 * MIB - 1)),
        "{state}"
    );
    fs::write(world.path("rest"), &content[content.len() / 2..]).unwrap();
    let rest = format!("@{}", world.path("rest").display());
    let range = format!("Content-Range: {}-{}", 2 * MIB, 4 * MIB - 1);
    let kind = "Content-Type: application/octet-stream";
    let put = ["-X", "PUT", "-H", &range, "-H", kind, "--data-binary", &rest];
    let digest = sha256(&content);
    let ended = half.curl(&put, &format!("?digest={digest}"));
    assert!(ended.contains("http/1.1 201"), "{ended}");
    let blob = data.join("app/blobs/sha256").join(digest.digest());
    assert_eq!(sha256(&fs::read(blob).unwrap()), digest);
}

#[test]
fn a_push_outlives_the_registry_that_it_goes_to() {
    let world = World::new();
    let data = world.path("registry");
    let mut registry = Registry::wharf(&data, &[]);
    let address = registry.address().to_owned();
    let name = format!("{address}/app:v1");
    let image = fixture::bulky_image(&store(&world), 64 * MIB);
    store(&world).tag(&name, &image).unwrap();
    fs::write(world.path("config.toml"), "[transfers]\nretries = 1000\n").unwrap();
    let push = world.command(&["push", &name]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let uploads = data.join("app/uploads");
    let blobs = data.join("app/blobs/sha256");
    for part in [8 * MIB, 32 * MIB] {
        // On a machine that is quick it may be done by then, which is as good.
        wait_for("a part of the upload", || largest(&uploads) >= part || largest(&blobs) == 64 * MIB);
        drop(registry);
        registry = Registry::wharf_at(&address, &data, &[]);
    }
    let ran = push.wait_with_output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(remote_digest(&world, &name), image.digest);
    drop(registry);
}
