//! Every kind of address leads to the builder.

use std::process::Command;

use wharf_testkit::{Engine, Forwarder, Release, SshServer};

use super::{Papers, engine, engine_api, own, path_with, program, worker};
use crate::world::{Ran, World};

/// A `buildctl` that joins its input and output to a port of loopback: what the real one does with a socket.
fn buildctl(forwarder: &Forwarder, netcat: &str) -> String {
    format!(
        "#!/bin/sh\n[ \"$1\" = --addr ] && shift 2\n[ \"$1\" = dial-stdio ] || exit 64\nexec {netcat} 127.0.0.1 {}\n",
        forwarder.address().port()
    )
}

#[test]
fn a_socket_an_engine_and_a_port() {
    let engine = engine!();
    let world = World::new();
    let id = own(&world, engine);

    let socket = world.path("buildkitd.sock");
    let _listening = Forwarder::listen(&engine.socket(), &socket);
    assert_eq!(worker(&world, &format!("unix://{}", socket.display()), &[]), id);

    let plain = Forwarder::plain(&engine.socket());
    assert_eq!(worker(&world, &format!("tcp://{}", plain.address()), &[]), id);

    let papers = Papers::new();
    let tls = Forwarder::tls(&engine.socket(), &papers.server, &papers.authority);
    let flags = papers.flags(&world);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    assert_eq!(worker(&world, &format!("tcp://{}", tls.address()), &flags), id);
    let name = ["--tlsservername", "builder.example"];
    assert_eq!(worker(&world, &format!("tcp://{}", tls.address()), &[&flags[..], &name[..]].concat()), id);

    let [ca, cert, key] = ["ca", "cert", "key"].map(|name| world.path(&format!("project/{name}.pem")));
    let address = format!(
        "tcp://{}?cacert={}&cert={}&key={}",
        tls.address(),
        ca.display(),
        cert.display(),
        key.display()
    );
    assert_eq!(worker(&world, &address, &[]), id, "the address may bring the certificates along");
    world.file("wharf.toml", &format!("[build]\nbuilder = \"{address}\"\n"));
    let ran = world.wharf_ok(&["builders", "inspect"]);
    assert!(ran.stdout.contains(&id), "{}", ran.stdout);
}

#[test]
fn a_machine_with_ssh() {
    let engine = engine!();
    let world = World::new();
    let forwarder = Forwarder::plain(&engine.socket());
    let programs = program(&world, "buildctl", &buildctl(&forwarder, "/bin/busybox nc"));
    let server = match SshServer::start(&programs) {
        Ok(server) => server,
        Err(why) => crate::skip!("{why}"),
    };
    let ask = |address: &str| {
        let mut command = world.command(&["builders", "inspect", address]);
        Ran::from(command.env("PATH", path_with(&server.client())).output().unwrap())
    };
    let id = own(&world, engine);
    let place = server.place();
    for address in
        [format!("ssh://{place}{}", engine.socket().display()), format!("ssh://{place}?via=buildctl")]
    {
        let ran = ask(&address);
        assert!(ran.stdout.contains(&id), "{address}: {}{}\n{}", ran.stdout, ran.stderr, server.log());
    }

    let ran = ask(&format!("ssh://{place}/nowhere/docker.sock"));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("/nowhere/docker.sock"), "docker's own words: {}", ran.stderr);
    let ran = Ran::from(world.command(&["builders", "inspect", &format!("ssh://{place}")]).output().unwrap());
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("Host key verification failed"), "ssh's own words: {}", ran.stderr);
}

#[test]
fn a_container_of_an_engine_and_the_builders_of_buildx() {
    let engine = engine!();
    let world = World::new();
    let id = own(&world, engine);
    let forwarder = Forwarder::plain(&engine.socket());
    let socket = engine.socket();
    let name = "buildx_buildkit_ci0";
    container(&world, engine, name, &buildctl(&forwarder, "/bin/busybox nc"));
    let address = format!("docker-container://{name}?socket={}", socket.display());
    assert_eq!(worker(&world, &address, &[]), id, "it is started first");
    assert_eq!(worker(&world, &address, &[]), id, "it runs");
    let ran = world.wharf(&["builders", "inspect", &address.replace("ci0", "cd0")]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("No such container"), "{}", ran.stderr);

    let instance = |driver: &str, endpoint: &str| {
        let node = serde_json::json!({ "Name": "ci0", "Endpoint": endpoint, "Platforms": null });
        serde_json::json!({ "Name": "ci", "Driver": driver, "Nodes": [node] }).to_string()
    };
    let place = world.path("home/buildx/instances");
    std::fs::create_dir_all(&place).unwrap();
    let engine_host = format!("unix://{}", socket.display());
    std::fs::write(place.join("ci"), instance("docker-container", &engine_host)).unwrap();
    assert_eq!(worker(&world, "buildx:ci", &[]), id);
    std::fs::write(place.join("ci"), instance("remote", &format!("tcp://{}", forwarder.address()))).unwrap();
    std::fs::write(world.path("home/buildx/current"), r#"{"Key":"x","Name":"ci","Global":false}"#).unwrap();
    assert_eq!(worker(&world, "buildx:", &[]), id, "the one in use");
    let listed = world.wharf_ok(&["builders", "ls"]).stdout;
    assert!(
        listed.contains(&format!("tcp://{}", forwarder.address())) && listed.contains("running"),
        "{listed}"
    );

    let ran = world.wharf(&["builders", "inspect", "buildx:cd"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("no builder `cd`: it knows ci"), "{}", ran.stderr);
}

/// Makes a container with a `buildctl` in it, by the engine's own API.
fn container(world: &World, engine: &Engine, name: &str, buildctl: &str) {
    let root = world.path("container");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", root.join("bin/sh")).unwrap();
    let programs = program(world, "buildctl", buildctl);
    std::fs::copy(programs.join("buildctl"), root.join("bin/buildctl")).unwrap();
    let tar = world.path("container.tar");
    let packed = Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(&root).arg(".").status().unwrap();
    assert!(packed.success());
    engine_api(
        engine,
        &["-X", "POST", "-T", tar.to_str().unwrap(), "http://d/images/create?fromSrc=-&repo=builder&tag=1"],
    );
    let config = serde_json::json!({
        "Image": "builder:1", "Cmd": ["/bin/busybox", "sleep", "1000000"], "Env": ["PATH=/bin"],
        "HostConfig": { "NetworkMode": "host" },
    });
    let create = format!("http://d/containers/create?name={name}");
    engine_api(engine, &["-H", "Content-Type: application/json", "-d", &config.to_string(), &create]);
}

#[test]
fn a_builder_that_is_too_old_to_say_its_version() {
    let engine = match Engine::shared(Release::Bookworm) {
        Ok(engine) => engine,
        Err(why) => crate::skip!("{why}"),
    };
    let ran = World::new().wharf_ok(&["builders", "inspect", &engine.address()]);
    assert!(ran.stdout.contains("BuildKit:   older than v0.11"), "{}", ran.stdout);
    assert!(ran.stdout.contains("linux/"), "{}", ran.stdout);
}
