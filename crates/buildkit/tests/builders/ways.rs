//! Every kind of address leads to the builder.

use wharf_buildkit::address::Address;
use wharf_buildkit::{transport, upkeep};
use wharf_testkit::{Engine, Forwarder, SshServer};

use super::{Papers, at, chain, engine, engine_api, program, tar, worker};

/// A `buildctl` that joins its input and output to a port of loopback: what the real one does with a socket.
fn buildctl(forwarder: &Forwarder) -> String {
    format!(
        "#!/bin/sh\n[ \"$1\" = --addr ] && shift 2\n[ \"$1\" = dial-stdio ] || exit 64\n\
         exec /bin/busybox nc 127.0.0.1 {}\n",
        forwarder.address().port()
    )
}

#[tokio::test]
async fn a_socket_an_engine_and_a_port() {
    let engine = engine!(Trixie);
    let id = worker(&engine.address()).await;
    assert!(!id.is_empty());

    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("buildkitd.sock");
    let _listening = Forwarder::listen(&engine.socket(), &socket);
    assert_eq!(worker(&format!("unix://{}", socket.display())).await, id);

    let plain = Forwarder::plain(&engine.socket());
    assert_eq!(worker(&format!("tcp://{}", plain.address())).await, id);

    let papers = Papers::new();
    let tls = Forwarder::tls(&engine.socket(), &papers.server, &papers.authority);
    let address: Address = format!("tcp://{}", tls.address()).parse().unwrap();
    let mut good = papers.good();
    assert_eq!(at(&address.clone().secured(&good)).await, id);
    let written = address.clone().secured(&good).to_string();
    assert_eq!(worker(&written).await, id, "{written}");
    good.server_name = Some("builder.example".into());
    assert_eq!(at(&address.secured(&good)).await, id);
}

#[tokio::test]
async fn a_machine_with_ssh() {
    let engine = engine!(Trixie);
    let home = tempfile::tempdir().unwrap();
    let forwarder = Forwarder::plain(&engine.socket());
    let programs = program(&home, "buildctl", &buildctl(&forwarder));
    let server = match SshServer::start(&programs) {
        Ok(server) => server,
        Err(why) => return println!("skipped: {why}"),
    };
    let id = worker(&engine.address()).await;
    let client = server.client();
    let ask = |text: String| {
        let address: Address = text.parse().unwrap();
        let Address::Ssh(ssh) = address.clone() else { panic!("{address}") };
        let client = client.clone();
        async move {
            let program = client.join("ssh");
            let dialling = transport::ssh_by(&program, &ssh);
            let channel = transport::connect_by(&address, dialling).await.map_err(|error| chain(&error))?;
            let workers =
                upkeep::workers(&channel).await.map_err(|status| wharf_buildkit::reason(&status))?;
            Ok::<String, String>(workers[0].id.clone())
        }
    };
    let place = server.place();
    let by_docker = ask(format!("ssh://{place}{}", engine.socket().display())).await;
    assert_eq!(by_docker.as_ref(), Ok(&id), "{}", server.log());
    let by_buildctl = ask(format!("ssh://{place}?via=buildctl")).await;
    assert_eq!(by_buildctl.as_ref(), Ok(&id), "{}", server.log());

    let said = ask(format!("ssh://{place}/nowhere/docker.sock")).await.unwrap_err();
    assert!(said.contains("/nowhere/docker.sock"), "docker's own words: {said}");
    let said = ask(format!("ssh://nobody-{place}/run/docker.sock")).await.unwrap_err();
    assert!(said.contains("Permission denied"), "ssh's own words: {said}");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = ask(format!("ssh://{gone}")).await.unwrap_err();
    assert!(said.contains("refused"), "ssh's own words: {said}");
}

#[tokio::test]
async fn a_container_of_an_engine() {
    let engine = engine!(Trixie);
    let forwarder = Forwarder::plain(&engine.socket());
    let name = "buildx_buildkit_ci0";
    make_container(engine, name, &buildctl(&forwarder));
    let address = format!("docker-container://{name}?socket={}", engine.socket().display());
    let id = worker(&engine.address()).await;
    assert_eq!(worker(&address).await, id, "it is started first");
    assert_eq!(worker(&address).await, id, "it runs");

    let error = transport::connect(&address.replace("ci0", "cd0").parse().unwrap()).await.unwrap_err();
    assert!(chain(&error).contains("No such container"), "{}", chain(&error));
}

/// Makes a container with a `buildctl` in it.
fn make_container(engine: &Engine, name: &str, buildctl: &str) {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", root.join("bin/sh")).unwrap();
    let programs = program(&home, "buildctl", buildctl);
    std::fs::copy(programs.join("buildctl"), root.join("bin/buildctl")).unwrap();
    let packed = home.path().join("root.tar");
    tar(&root, &packed);
    let create = "http://d/images/create?fromSrc=-&repo=builder&tag=1";
    engine_api(engine, &["-X", "POST", "-T", packed.to_str().unwrap(), create]);
    let config = serde_json::json!({
        "Image": "builder:1", "Cmd": ["/bin/busybox", "sleep", "1000000"], "Env": ["PATH=/bin"],
        "HostConfig": { "NetworkMode": "host" },
    });
    let create = format!("http://d/containers/create?name={name}");
    engine_api(engine, &["-H", "Content-Type: application/json", "-d", &config.to_string(), &create]);
}
