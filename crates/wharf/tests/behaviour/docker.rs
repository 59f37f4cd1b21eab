//! The docker name: scripts that say `docker` find wharf, and docker's words, shapes and exit codes.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::skip;
use crate::world::{BUSYBOX, Ran, Registry, World, busybox_context, is_root};

/// A world in which `docker` is wharf. What it has left running ends with it.
pub(crate) struct Docker {
    pub(crate) world: World,
}

impl Docker {
    /// With the image `it:1` from a Dockerfile on busybox; `None` where that cannot be.
    pub(crate) fn with(dockerfile: &str) -> Option<Self> {
        let world = World::new();
        if !is_root() || !busybox_context(&world) {
            return None;
        }
        world.file("Dockerfile", &format!("{BUSYBOX}RUN mkdir -m 1777 /tmp\n{dockerfile}"));
        let docker = Self { world };
        docker.ok(&["build", "-q", "-t", "it:1", "."]);
        Some(docker)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.world.command(&[&["docker"], args].concat())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// What it prints, which must work.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "docker {}\n{}{}", args.join(" "), ran.stdout, ran.stderr);
        ran.stdout
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let all = self.run(&["ps", "-aq"]).stdout;
        let all: Vec<&str> = all.split_whitespace().collect();
        if !all.is_empty() {
            self.run(&[&["rm", "-f"], all.as_slice()].concat());
        }
    }
}

pub(crate) const WHY: &str = "it needs root and busybox-static";

/// Whether a program is on this machine.
pub(crate) fn has(program: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// The page of commands that every course on docker has, as it stands there.
const SCRIPT: &str = "\
docker build -t mymodel:local .
docker run -p 8000:8000 mymodel:local &
curl --retry 30 --retry-connrefused --retry-delay 1 http://localhost:8000/health
docker stop $(docker ps -q --filter ancestor=mymodel:local)
docker tag mymodel:local localhost:5000/mymodel:dev && docker push localhost:5000/mymodel:dev
docker pull localhost:5000/mymodel:dev
";

#[test]
fn a_script_that_says_docker_runs_unchanged() {
    let world = World::new();
    if !is_root() || !busybox_context(&world) || !has("curl") || !has("unshare") {
        skip!("it needs root, busybox-static, curl and unshare");
    }
    let service = "RUN mkdir -p /www && echo well > /www/health\nUSER app\nEXPOSE 8000\nSTOPSIGNAL KILL\n\
        CMD [\"httpd\", \"-f\", \"-p\", \"8000\", \"-h\", \"/www\"]\n";
    world.file("Dockerfile", &format!("{BUSYBOX}{service}"));
    world.file("script.sh", SCRIPT);
    let bin = world.path("bin");
    world.wharf_ok(&["docker", "install-shim", &bin.display().to_string()]);
    // The script has ports of its own choice, so it gets a network of its own, with a registry in it.
    let around = "busybox ip link set lo up && (wharf registry serve --addr 127.0.0.1:5000 --data ../registry & \
        echo $! > ../registry.pid); set -e; . ./script.sh; kill $(cat ../registry.pid)";
    std::os::unix::fs::symlink(crate::world::WHARF, bin.join("wharf")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = world.command(&[]);
    let environment: Vec<_> =
        command.get_envs().map(|(k, v)| (k.to_owned(), v.unwrap().to_owned())).collect();
    command = Command::new("unshare");
    command.args(["--net", "sh", "-c", around]).current_dir(world.path("project")).env_clear();
    let ran = Ran::from(command.envs(environment).env("PATH", path).stdin(Stdio::null()).output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("\nwell\n") || ran.stdout.starts_with("well\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("dev: digest: sha256:"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("localhost:5000/mymodel:dev\n"), "{}", ran.stdout);
    let status = world.wharf_ok(&["docker", "ps", "-a", "--format", "{{.Image}} {{.Status}}"]).stdout;
    assert!(status.starts_with("mymodel:local Exited (137)"), "{status}");
}

#[test]
fn a_shim_replaces_nothing_that_is_not_wharf() {
    let world = World::new();
    let bin = world.path("bin").display().to_string();
    let first = world.wharf_ok(&["docker", "install-shim", &bin]);
    assert!(first.stdout.ends_with("docker is wharf\n"), "{}", first.stdout);
    world.wharf_ok(&["docker", "install-shim", &bin]);
    let version = Command::new(world.path("bin/docker")).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("Docker version "), "{version:?}");

    std::fs::remove_file(world.path("bin/docker")).unwrap();
    std::fs::write(world.path("bin/docker"), "other").unwrap();
    let refused = world.wharf(&["docker", "install-shim", &bin]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("is not wharf"), "{}", refused.stderr);
    world.wharf_ok(&["docker", "install-shim", "--force", &bin]);
}

#[test]
fn unknown_commands_and_flags_are_125_and_say_what_there_is_instead() {
    let world = World::new();
    for (args, part) in [
        (&["nope"][..], "'nope' is not a docker command"),
        (&["compose", "up"], "docker run -d"),
        (&["swarm", "init"], "there are no swarms here"),
        (&["run", "--nope", "x"], "unknown flag: --nope"),
        (&["ps", "-Z"], "unknown shorthand flag: -Z"),
        (&["network", "create", "x"], "published ports"),
        (&["build", "--nope", "."], "--nope"),
    ] {
        let ran = world.wharf(&[&["docker"], args].concat());
        assert_eq!(ran.code, 125, "docker {}: {}", args.join(" "), ran.stderr);
        assert!(ran.stderr.contains(part), "docker {}: {}", args.join(" "), ran.stderr);
    }
    let missing = world.wharf(&["docker", "inspect", "nope"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (1, "[]\n"));
    assert_eq!(missing.stderr, "Error: No such object: nope\n");
    let none = world.wharf(&["docker", "logs", "nope"]);
    assert_eq!(none.code, 1);
    assert!(none.stderr.starts_with("Error: No such container: nope\n"), "{}", none.stderr);
}

#[test]
fn versions_and_information_answer_templates() {
    let world = World::new();
    let docker = |args: &[&str]| world.wharf_ok(&[&["docker"], args].concat()).stdout;
    assert!(docker(&["version"]).contains("Server:"));
    assert_eq!(docker(&["version", "--format", "{{.Server.Os}}"]), "linux\n");
    assert_eq!(
        docker(&["info", "-f", "{{.OSType}} {{.Containers}} {{.Swarm.LocalNodeState}}"]),
        "linux 0 inactive\n"
    );
    assert!(docker(&["buildx", "version"]).starts_with("github.com/docker/buildx v"));
    assert_eq!(docker(&["network", "ls", "--format", "{{.Name}}"]), "bridge\nhost\nnone\n");
    assert_eq!(docker(&["ps"]), "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n");
    assert_eq!(docker(&["images"]), "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
}

#[test]
fn images_are_listed_named_inspected_and_removed_in_docker_s_shapes() {
    let Some(docker) = Docker::with("ENV A=1\nLABEL team=ml\nCMD [\"true\"]\n") else { skip!("{WHY}") };
    let id = docker.ok(&["images", "-q", "it"]);
    assert_eq!(id.trim().len(), 12, "{id}");
    docker.ok(&["tag", "it:1", "it:2"]);
    assert_eq!(docker.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}", "it"]), "it:1\nit:2\n");
    assert_eq!(docker.ok(&["images", "--filter", "reference=*:2", "--format", "{{.Tag}}"]), "2\n");
    assert_eq!(docker.ok(&["images", "-q", "--filter", "label=team=nobody"]), "");
    let shown = "{{.Os}} {{index .Config.Labels \"team\"}} {{index .RepoTags 0}} {{json .Config.Cmd}}";
    assert_eq!(docker.ok(&["inspect", "-f", shown, "it:1"]), "linux ml it:1 [\"true\"]\n");
    let document: serde_json::Value =
        serde_json::from_str(&docker.ok(&["image", "inspect", "it:1"])).unwrap();
    assert!(document[0]["Id"].as_str().unwrap().starts_with(&format!("sha256:{}", id.trim())), "{document}");
    let history = docker.ok(&["history", "it:1"]);
    assert!(history.starts_with("IMAGE          CREATED"), "{history}");
    assert!(history.contains("<missing>") && history.contains("CMD [\"true\"]"), "{history}");

    let conflict = docker.run(&["rmi", id.trim()]);
    assert_eq!(conflict.code, 1);
    assert!(conflict.stderr.contains("image is referenced in multiple repositories"), "{}", conflict.stderr);
    assert_eq!(docker.ok(&["rmi", "it:2"]), "Untagged: it:2\n");
    docker.ok(&["create", "--name", "user", "it:1"]);
    let used = docker.run(&["rmi", "it:1"]);
    assert!(used.stderr.contains("is using its referenced image and is stopped"), "{}", used.stderr);
    docker.ok(&["rm", "user"]);
    let gone = docker.ok(&["rmi", "it:1"]);
    assert!(gone.starts_with("Untagged: it:1\nDeleted: sha256:"), "{gone}");
    assert_eq!(docker.run(&["rmi", "it:1"]).stderr, "Error: No such image: it:1\n");
    docker.ok(&["rmi", "-f", "it:1"]);
}

#[test]
fn an_image_without_a_name_is_found_by_what_its_build_printed() {
    let Some(docker) = Docker::with("CMD [\"echo\", \"nameless\"]\n") else { skip!("{WHY}") };
    docker.world.file("Dockerfile", &format!("{BUSYBOX}CMD [\"echo\", \"other\"]\n"));
    let id = docker.ok(&["build", "-q", "."]);
    assert!(id.starts_with("sha256:"), "{id}");
    assert_eq!(docker.ok(&["run", "--rm", id.trim()]), "other\n");
    assert_eq!(
        docker.ok(&["images", "--filter", "dangling=true", "--format", "{{.Repository}}"]),
        "<none>\n"
    );
    let more = [
        "buildx",
        "build",
        "--provenance=false",
        "--load=true",
        "--rm",
        "--builder",
        "default",
        "-t",
        "it:3",
        ".",
    ];
    assert_eq!(docker.ok(&more), "");
    docker.ok(&["buildx", "create", "--name", "far", "--driver", "remote", "tcp://127.0.0.1:1"]);
    let far = docker.run(&["buildx", "build", "--builder", "far", "."]);
    assert!(far.code == 1 && far.stderr.contains("tcp://127.0.0.1:1"), "{}", far.stderr);
    let archive = docker.world.path("it.tar").display().to_string();
    docker.ok(&["save", "-o", &archive, "it:3"]);
    docker.ok(&["rmi", "it:3"]);
    docker.ok(&["load", "-i", &archive]);
    assert_eq!(docker.ok(&["build", "-t", "it:3", "."]), "", "a build prints nothing on standard output");
    docker.ok(&["rmi", "-f", id.trim()]);
    assert_eq!(docker.run(&["run", "--rm", id.trim()]).code, 125);
}

#[test]
fn pushes_and_pulls_say_what_scripts_read() {
    let Some(docker) = Docker::with("CMD [\"true\"]\n") else { skip!("{WHY}") };
    let registry = Registry::wharf(&docker.world.path("registry"), &[]);
    let name = format!("{}/team/it", registry.address());
    docker.ok(&["tag", "it:1", &format!("{name}:dev")]);
    let pushed = docker.ok(&["push", &format!("{name}:dev")]);
    assert!(pushed.starts_with(&format!("The push refers to repository [{name}]\n")), "{pushed}");
    let digest = pushed.split("digest: ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(digest.starts_with("sha256:"), "{pushed}");
    let again = docker.ok(&["pull", &format!("{name}:dev")]);
    assert!(again.contains(&format!("Status: Image is up to date for {name}:dev\n")), "{again}");
    docker.ok(&["rmi", "-f", &format!("{name}:dev"), "it:1"]);
    let pulled = docker.ok(&["pull", &format!("{name}:dev")]);
    assert!(
        pulled.contains(&format!("Digest: {digest}\nStatus: Downloaded newer image for {name}:dev\n")),
        "{pulled}"
    );
    assert_eq!(
        docker.ok(&["inspect", "--format", "{{index .RepoDigests 0}}", &format!("{name}:dev")]),
        format!("{name}@{digest}\n")
    );
    docker.ok(&["tag", &format!("{name}:dev"), &format!("{name}:two")]);
    let all = docker.ok(&["push", "--all-tags", &name]);
    assert!(all.contains("dev: digest:") && all.contains("two: digest:"), "{all}");
    let absent = docker.run(&["push", &format!("{name}:nope")]);
    assert_eq!(absent.code, 1);
    assert!(absent.stderr.contains("does not exist locally"), "{}", absent.stderr);
    // A run brings what is not here.
    docker.ok(&["rmi", "-f", &format!("{name}:dev"), &format!("{name}:two")]);
    docker.ok(&["run", "--rm", &format!("{name}:dev")]);
    assert_eq!(docker.run(&["run", "--pull", "never", &format!("{name}:nope")]).code, 125);
}

#[test]
fn another_directory_of_settings_may_be_named() {
    let world = World::new();
    let Some(registry) = Registry::distribution(&world.path("distribution")) else {
        skip!("docker-registry is not installed");
    };
    let other = world.path("other");
    let other = other.display().to_string();
    let login = ["docker", "--config", &other, "login", "-u", "demo", "--password-stdin", registry.address()];
    let mut child = world.command(&login).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"secret\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("Login Succeeded"), "{output:?}");
    assert!(Path::new(&other).join("config.json").exists() && !world.path("home/config.json").exists());
    world.wharf_ok(&["docker", "--config", &other, "logout", registry.address()]);
}
