//! What a builder may ask of this machine while it builds: agents, tokens, caches, contexts of every kind.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use wharf_testkit::{DebianRegistry, Doorman, Engine, Release, TokenServer, Wishes};

use super::engine;
use super::running::wait_until;
use crate::git_server::GitServer;
use crate::world::{BUSYBOX, Ran, Registry, World, busybox_context};

/// A world with busybox in its project.
macro_rules! world {
    () => {{
        let world = World::new();
        if !busybox_context(&world) {
            crate::skip!("there is no busybox");
        }
        world
    }};
}

/// A process that ends with the value.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn quiet(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Puts a program and its libraries into the project, below `root`.
fn with_libraries(world: &World, program: &str) {
    let ran = Command::new("ldd").arg(program).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    for path in said.split_whitespace().filter(|word| word.starts_with('/')).chain([program]) {
        let to = world.path("project/root").join(path.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(path, to).unwrap();
    }
}

#[test]
fn a_step_asks_the_agent_of_this_machine() {
    let engine = engine!();
    let world = world!();
    if !Path::new("/usr/bin/ssh-agent").exists() {
        crate::skip!("there is no ssh-agent");
    }
    with_libraries(&world, "/usr/bin/ssh-add");
    let [key, socket] = ["key", "agent.sock"].map(|name| world.path(name).display().to_string());
    assert!(quiet("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key]).status().unwrap().success());
    let _agent = Helper(quiet("ssh-agent", &["-D", "-a", &socket]).spawn().unwrap());
    wait_until("the agent listens", || Path::new(&socket).exists());
    let added = quiet("ssh-add", &[&key]).env("SSH_AUTH_SOCK", &socket).status().unwrap();
    assert!(added.success());
    let shown = Command::new("ssh-keygen").args(["-lf", &format!("{key}.pub")]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let print = shown.split_whitespace().nth(1).unwrap();

    world.file(
        "Dockerfile",
        &format!("{BUSYBOX}COPY root /\nRUN --mount=type=ssh,id=here ssh-add -l >/seen\n"),
    );
    let agent = format!("here={socket}");
    world.wharf_ok(&["build", "--builder", &engine.address(), "--ssh", &agent, "--output", "out", "."]);
    let seen = std::fs::read_to_string(world.path("project/out/seen")).unwrap();
    assert!(seen.contains(print), "{seen}");

    let ran = world.wharf(&["build", "--no-cache", "--builder", &engine.address(), "--output", "out", "."]);
    assert!(ran.code != 0 && ran.stderr.contains("ssh"), "{}", ran.stderr);
}

#[test]
fn a_private_base_is_had_with_tokens_from_here() {
    let engine = engine!();
    let world = world!();
    let tokens = TokenServer::for_account("demo", "secret");
    let Some(registry) = DebianRegistry::start(&Doorman::Tokens(&tokens)) else {
        crate::skip!("docker-registry is not installed")
    };
    assert_eq!(crate::bad_input::log_in(&world, &registry.host(), "secret"), 0);
    let base = format!("{}/private/base:1", registry.host());
    world.file("Dockerfile", &format!("{BUSYBOX}RUN echo hidden >/from-base\n"));
    world.wharf_ok(&["build", "--tag", &base, "--push", "."]);
    let before = tokens.asked().len();

    world.file("Dockerfile", &format!("FROM {base}\nRUN cat /from-base >/seen\n"));
    world.wharf_ok(&["build", "--builder", &engine.address(), "--output", "out", "."]);
    assert_eq!(std::fs::read_to_string(world.path("project/out/seen")).unwrap(), "hidden\n");
    let asked = tokens.asked();
    let pull = "repository:private/base:pull".to_owned();
    assert!(asked[before..].iter().any(|scopes| scopes.contains(&pull)), "by this client: {asked:?}");

    assert_eq!(world.wharf_ok(&["logout", &registry.host()]).code, 0);
    world.file("Dockerfile", &format!("FROM {base}\nRUN cat /from-base >/seen-again\n"));
    let ran = world.wharf(&["build", "--no-cache", "--pull", "--builder", &engine.address(), "."]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains(&base), "{}", ran.stderr);
}

#[test]
fn caches_go_into_directories_and_registries_and_come_back() {
    let engine = match Engine::start(Release::Trixie, &Wishes::default()) {
        Ok(engine) => engine,
        Err(why) => crate::skip!("{why}"),
    };
    let world = world!();
    let address = engine.address();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let reference = format!("type=registry,ref={}/cache:1", registry.address());
    let built = || std::fs::read_to_string(world.path("project/out/two")).unwrap();
    for (to, from) in
        [("type=local,dest=cache", "type=local,src=cache"), (reference.as_str(), reference.as_str())]
    {
        // A step that ran again would say something else.
        let steps = format!("RUN cat /proc/sys/kernel/random/uuid >/one # {from}\nRUN cat /one >/two\n");
        world.file("Dockerfile", &format!("{BUSYBOX}{steps}"));
        let build = ["build", "--builder", &address, "--output", "out"];
        world.wharf_ok(&[&build[..], &["--cache-to", &format!("{to},mode=max"), "."]].concat());
        let first = built();
        assert_eq!(first.len(), 37, "{first}");
        world.wharf_ok(&["builders", "prune", "--all", &address]);
        world.wharf_ok(&[&build[..], &["--cache-from", from, "."]].concat());
        assert_eq!(built(), first, "{from}");
    }
    let index = std::fs::read_to_string(world.path("project/cache/index.json")).unwrap();
    assert!(index.contains("latest"), "the cache has a name: {index}");
    let there = world.wharf_ok(&["inspect", "--remote", "--raw", &format!("{}/cache:1", registry.address())]);
    assert!(there.stdout.contains("application/vnd.buildkit.cacheconfig.v0"), "{}", there.stdout);

    let from = ["--cache-from", "type=local,src=nowhere", "--output", "out", "."];
    let ran = world.wharf_ok(&[&["build", "--builder", &address], &from[..]].concat());
    assert!(ran.stderr.contains("warning: there is no cache `latest` in `nowhere`"), "{}", ran.stderr);
}

#[test]
fn files_travel_as_they_are_and_only_those_that_changed() {
    let engine = engine!();
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPY . /all/\n");
    world.file(".dockerignore", "skipped\n");
    world.file("skipped", "");
    let large: String =
        (0..150_000).map(|n: u32| format!("{:08x}\n", n.wrapping_mul(2_654_435_761))).collect();
    world.file("large", &large);
    world.file("small", "one\n");
    let prepare = "import os; os.link('large', 'hard'); os.symlink('small', 'soft'); os.chmod('small', 0o4750)\n\
        os.setxattr('small', 'user.color', b'red'); os.utime('small', (1577836800, 1577836800))";
    let python = Command::new("python3").args(["-c", prepare]).current_dir(world.path("project")).status();
    assert!(python.unwrap().success());
    let address = engine.address();
    let build = || {
        world.wharf_ok(&["build", "--builder", &address, "--output", "type=tar,dest=../out.tar", "."]).stderr
    };
    let moved = |said: &str| -> bool {
        said.lines().any(|line| line.contains("load build context |") && line.ends_with("MB"))
    };
    assert!(moved(&build()), "the first time everything travels");
    let tar = world.path("out.tar");
    let ran = Command::new("tar").args(["--utc", "-tvf"]).arg(&tar).output().unwrap();
    let listed = String::from_utf8_lossy(&ran.stdout).into_owned();
    for line in ["all/large link to all/hard", "all/soft -> small", "2020-01-01 00:00 all/small"] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    assert!(listed.contains("-rwsr-x--- 0/0") && !listed.contains("skipped"), "{listed}");
    let bytes = std::fs::read(&tar).unwrap();
    assert!(bytes.windows(27).any(|window| window == b"SCHILY.xattr.user.color=red"));

    world.file("small", "two\n");
    let said = build();
    assert!(!moved(&said), "the second time one file does: {said}");
}

#[test]
fn contexts_and_dockerfiles_of_every_kind() {
    let engine = engine!();
    let world = World::new();
    let address = engine.address();
    let build = |args: &[&str], input: &Path| {
        let mut command =
            world.command(&[&["build", "--builder", &address, "--output", "out"], args].concat());
        let _ = std::fs::remove_dir_all(world.path("project/out"));
        let ran = Ran::from(command.stdin(std::fs::File::open(input).unwrap()).output().unwrap());
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    };
    let built =
        |name: &str| std::fs::read_to_string(world.path("project/out").join(name)).unwrap_or_default();
    let nothing = Path::new("/dev/null");
    let here = world.file("Dockerfile", "FROM scratch\nCOPY text /copy\n");
    world.file("text", "of the project\n");

    let inline = world.file("elsewhere/inline", "FROM scratch\nCOPY text /inline\n");
    build(&["--file", "-", "."], &inline);
    assert_eq!(built("inline"), "of the project\n", "a Dockerfile on standard input");
    build(&["--file", "elsewhere/inline", "."], nothing);
    assert_eq!(built("inline"), "of the project\n", "a Dockerfile of another directory");

    for flags in ["-cf", "-czf"] {
        let tar = world.path("context.tar");
        let mut pack = Command::new("tar");
        pack.arg(flags).arg(&tar).arg("-C").arg(here.parent().unwrap()).args(["Dockerfile", "text"]);
        assert!(pack.status().unwrap().success());
        build(&["-"], &tar);
        assert_eq!(built("copy"), "of the project\n", "a tar on standard input");
    }
    let lone = world.file("elsewhere/lone", "FROM scratch\nWORKDIR /lone\n");
    build(&["-"], &lone);
    assert!(world.path("project/out/lone").is_dir(), "a Dockerfile without a context");

    world.file("elsewhere/more/text", "of another directory\n");
    world.file("Dockerfile", "FROM scratch\nCOPY --from=more text /named\n");
    build(&["--build-context", "more=elsewhere/more", "."], nothing);
    assert_eq!(built("named"), "of another directory\n");

    world.file("elsewhere/image/Dockerfile", "FROM scratch\nCOPY text /\n");
    world.file("elsewhere/image/text", "of an image\n");
    let layout = ["--output", "type=oci,tar=false,dest=layout", "elsewhere/image"];
    world.wharf_ok(&[&["build", "--tag", "it:1"], &layout[..]].concat());
    build(&["--build-context", "more=oci-layout://layout", "."], nothing);
    assert_eq!(built("named"), "of an image\n", "a layout of this machine");
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let pushed = format!("{}/more:1", registry.address());
    world.wharf_ok(&["build", "--tag", &pushed, "--push", "elsewhere/image"]);
    build(&["--build-context", &format!("more=docker-image://{pushed}"), "."], nothing);
    assert_eq!(built("named"), "of an image\n", "an image of a registry");
}

#[test]
fn a_git_repository_is_fetched_by_the_builder() {
    let engine = engine!();
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPY text /copy\n");
    world.file("text", "of the repository\n");
    crate::ship::git(&world, &["init", "--quiet", "--initial-branch", "main"]);
    crate::ship::git(&world, &["add", "--all"]);
    crate::ship::git(&world, &["commit", "--quiet", "--message", "one"]);
    let server = GitServer::start(&world);
    let url = format!("{}#main", server.address());
    world.wharf_ok(&["build", "--builder", &engine.address(), "--output", "out", &url]);
    assert_eq!(std::fs::read_to_string(world.path("project/out/copy")).unwrap(), "of the repository\n");
}
