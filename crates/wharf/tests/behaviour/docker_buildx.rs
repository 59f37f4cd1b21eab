//! `docker buildx` beyond `build`, and the way out of a container's network.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use crate::docker::{Docker, WHY};
use crate::skip;
use crate::world::{BUSYBOX, Registry, World};

const BAKE: &str = r#"
variable "TAG" { default = "dev" }
variable "REGISTRY" {}
function "named" {
  params = [name]
  result = REGISTRY == "" ? "${name}:${TAG}" : "${REGISTRY}/${name}:${TAG}"
}
group "default" { targets = ["api"] }
target "base" {
  dockerfile-inline = "FROM scratch\nCOPY Dockerfile /from-base\n"
}
target "api" {
  context    = "."
  dockerfile = "api.Dockerfile"
  contexts   = { base = "target:base" }
  args       = { GREETING = "hello" }
  labels     = { "team" = upper("ml") }
  tags       = [named("api")]
}
"#;

#[test]
fn a_bake_file_is_built_target_by_target() {
    let Some(docker) = Docker::with("") else { skip!("{WHY}") };
    docker.world.file("docker-bake.hcl", BAKE);
    let dockerfile = "ARG GREETING\nCOPY --from=base /from-base /copied\nRUN echo $GREETING > /greeting\n";
    docker.world.file("api.Dockerfile", &format!("{BUSYBOX}{dockerfile}"));
    let printed = docker.ok(&["buildx", "bake", "--print", "--set", "*.args.GREETING=moin"]);
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["target"]["api"]["args"]["GREETING"], "moin");
    assert_eq!(printed["target"]["api"]["tags"][0], "api:dev");
    assert_eq!(printed["group"]["default"]["targets"][0], "api");

    let registry = Registry::wharf(&docker.world.path("registry"), &[]);
    let mut command = docker.command(&["buildx", "bake", "--push", "--metadata-file", "meta.json"]);
    let ran = command.env("TAG", "v1").env("REGISTRY", registry.address()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let name = format!("{}/api:v1", registry.address());
    let metadata = std::fs::read_to_string(docker.world.path("project/meta.json")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["api"]["image.name"], name.as_str(), "{metadata}");
    let digest = metadata["api"]["containerimage.digest"].as_str().unwrap();
    assert_eq!(docker.ok(&["run", "--rm", &name, "cat", "/greeting"]), "hello\n");
    assert!(docker.ok(&["run", "--rm", &name, "cat", "/copied"]).starts_with("FROM scratch"));
    assert_eq!(docker.ok(&["inspect", "-f", "{{.Config.Labels.team}}", &name]), "ML\n");

    // What was pushed is found, copied under other names, and shown.
    let other = format!("{}/other:v2", registry.address());
    docker.ok(&["buildx", "imagetools", "create", "-t", &other, &name]);
    let shown = docker.ok(&["buildx", "imagetools", "inspect", &other]);
    assert!(shown.contains(&format!("Digest:    {digest}\n")), "{shown}");
    let format =
        ["buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}} {{.Image.Os}}", &other];
    assert_eq!(docker.ok(&format), format!("{digest} linux\n"));
    let both = format!("{}/both:1", registry.address());
    docker.ok(&["buildx", "imagetools", "create", "-t", &both, &other, &name, "--annotation", "a=b"]);
    let raw: serde_json::Value =
        serde_json::from_str(&docker.ok(&["buildx", "imagetools", "inspect", "--raw", &both])).unwrap();
    assert_eq!(raw["annotations"]["a"], "b");
    assert_eq!(raw["manifests"].as_array().unwrap().len(), 1, "the same image twice is one");
}

#[test]
fn compose_files_are_baked_and_mistakes_are_named() {
    let Some(docker) = Docker::with("") else { skip!("{WHY}") };
    let compose = "services:\n  web:\n    image: web:${TAG:-1}\n    build:\n      context: .\n      args: [\"A=b\"]\n  db:\n    image: postgres\n";
    docker.world.file("compose.yaml", compose);
    docker.ok(&["buildx", "bake"]);
    assert_eq!(docker.ok(&["run", "--rm", "web:1", "echo", "up"]), "up\n");
    let missing = docker.run(&["buildx", "bake", "nope"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("failed to find target nope"), "{}", missing.stderr);
    docker.world.file("broken.hcl", "target \"a\" {\n  tags = [\n}\n");
    let broken = docker.run(&["buildx", "bake", "-f", "broken.hcl", "a"]);
    assert!(broken.stderr.contains("broken.hcl"), "{}", broken.stderr);
    docker.world.file("unknown.hcl", "target \"a\" {\n  tagz = [\"a\"]\n}\n");
    let unknown = docker.run(&["buildx", "bake", "-f", "unknown.hcl", "a"]);
    assert!(unknown.stderr.contains("tagz"), "{}", unknown.stderr);
    docker.world.file("fails/Dockerfile", "FROM nosuch-stage-or-image.invalid/x\n");
    docker.world.file("fails.hcl", "target \"a\" { context = \"fails\" }\n");
    let fails = docker.run(&["buildx", "bake", "-f", "fails.hcl", "a"]);
    assert!(fails.code != 0 && fails.stderr.contains("the target a was not built"), "{}", fails.stderr);
}

#[test]
fn builders_are_names_that_are_made_used_and_forgotten() {
    let world = World::new();
    let docker = |args: &[&str]| world.wharf_ok(&[&["docker", "buildx"], args].concat()).stdout;
    assert_eq!(docker(&["create", "--name", "ci", "--driver", "docker-container", "--use"]), "ci\n");
    let list = docker(&["ls"]);
    assert!(list.starts_with("NAME/NODE") && list.contains("ci*") && list.contains("default"), "{list}");
    let inspected = docker(&["inspect", "--bootstrap"]);
    assert!(inspected.starts_with("Name:          ci\n") && inspected.contains("Platforms:"), "{inspected}");
    assert_eq!(world.wharf(&["docker", "buildx", "create", "--name", "ci"]).code, 1);
    docker(&["use", "default"]);
    assert_eq!(docker(&["rm", "ci"]), "ci removed\n");
    assert_eq!(world.wharf(&["docker", "buildx", "use", "ci"]).code, 1);
}

/// A server that sends the same large answer to everybody.
fn serve(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                let _ = connection.read(&mut request);
                let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
                let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&answer));
            });
        }
    });
    port
}

#[test]
fn a_container_has_a_way_out_and_the_host_s_loopback_only_when_asked() {
    let Some(docker) = Docker::with("USER app\n") else { skip!("{WHY}") };
    if !Path::new("/dev/net/tun").exists() {
        skip!("there is no /dev/net/tun");
    }
    let answer: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let port = serve(answer.clone());
    let url = format!("http://outside:{port}/");
    let fetch = ["wget", "-q", "-O", "-", &url];
    let asked = ["run", "--rm", "--add-host", "outside:host-gateway", "it:1"];
    let output = docker.command(&[&asked[..], &fetch].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == answer, "{} bytes came", output.stdout.len());
    let unasked = ["run", "--rm", "--add-host", "outside:10.0.2.2", "it:1"];
    assert_ne!(docker.run(&[&unasked[..], &fetch].concat()).code, 0);
    let refused = [
        "run",
        "--rm",
        "--add-host",
        "outside:host-gateway",
        "it:1",
        "wget",
        "-q",
        "-O",
        "-",
        "http://outside:1/",
    ];
    assert!(docker.run(&refused).stderr.contains("refused"));
    let address = docker.ok(&["run", "--rm", "it:1", "ip", "-4", "-o", "addr", "show", "eth0"]);
    assert!(address.contains("10.0.2.100/24"), "{address}");
}
