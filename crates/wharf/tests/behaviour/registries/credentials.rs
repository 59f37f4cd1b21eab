//! Logins: where they are kept, where they are found, and that they never show.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::{Value, json};
use wharf_testkit::{Fault, FaultyRegistry, TokenServer, When};

use super::{image, with_input};
use crate::skip;
use crate::world::{Ran, Registry, World};

/// Whatever is searched for it.
const SECRET: &str = "hunter2-s3cret";
/// The same where process lists are searched, in which other tests' commands stand.
const UNLISTED: &str = "unlisted-s3cret";

/// wharf's own registry with one account.
pub(crate) fn guarded(world: &World, name: &str, account: &str, password: &str) -> Registry {
    let line = wharf_depot::Users::line(account, &password.into(), 4).unwrap();
    let file = world.path(&format!("{name}.htpasswd"));
    fs::write(&file, line).unwrap();
    Registry::wharf(&world.path(name), &["--htpasswd", &file.display().to_string()])
}

#[test]
fn a_login_is_kept_for_docker_too_and_readable_by_its_owner_only() {
    let world = World::new();
    let registry = guarded(&world, "registry", "ann", SECRET);
    let host = registry.address();
    let wrong = with_input(&world, &["login", host, "-u", "ann", "--password-stdin"], "wrong");
    assert_eq!(wrong.code, 3, "{}", wrong.stderr);
    assert!(!world.path("home/config.json").exists());
    let right = with_input(&world, &["login", host, "-u", "ann", "--password-stdin"], SECRET);
    assert_eq!(right.stdout, "Login Succeeded\n", "{}", right.stderr);
    let file = world.path("home/config.json");
    let config: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let pair = BASE64_STANDARD.encode(format!("ann:{SECRET}"));
    assert_eq!(config, json!({"auths": {host: {"auth": pair}}}));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let out = world.wharf_ok(&["logout", host]);
    assert_eq!(out.stdout, format!("Removed the login for {host}\n"));
    assert_eq!(world.wharf_ok(&["logout", host]).stdout, format!("Not logged in to {host}\n"));
}

#[test]
fn credentials_are_found_wherever_others_keep_them() {
    let world = World::new();
    let registry = guarded(&world, "registry", "ann", SECRET);
    let name = format!("{}/app:v1", registry.address());
    image(&world, &name);
    let pair = BASE64_STANDARD.encode(format!("ann:{SECRET}"));
    let config = json!({"auths": {registry.address(): {"auth": pair}}}).to_string();
    let file = world.path("auth.json");
    fs::write(&file, &config).unwrap();
    fs::create_dir_all(world.path("run/containers")).unwrap();
    fs::write(world.path("run/containers/auth.json"), &config).unwrap();
    let helpers = helper_directory(&world);
    fs::create_dir_all(world.path("helped")).unwrap();
    let helped = json!({"credHelpers": {registry.address(): "kept"}}).to_string();
    fs::write(world.path("helped/config.json"), helped).unwrap();
    fs::write(world.path("kept"), format!("ann {SECRET}")).unwrap();
    let path = format!("{}:{}", helpers.display(), std::env::var("PATH").unwrap());

    let none = world.wharf(&["push", &name]);
    assert_eq!(none.code, 3);
    assert!(none.stderr.contains("hint: log in: wharf login"), "{}", none.stderr);
    for variables in [
        vec![("REGISTRY_AUTH_FILE", file.display().to_string())],
        vec![("DOCKER_AUTH_CONFIG", config.clone())],
        vec![("XDG_RUNTIME_DIR", world.path("run").display().to_string())],
        vec![("DOCKER_CONFIG", world.path("helped").display().to_string()), ("PATH", path)],
    ] {
        let ran = Ran::from(world.command(&["push", &name]).envs(variables.clone()).output().unwrap());
        assert_eq!(ran.code, 0, "{:?}: {}", variables[0].0, ran.stderr);
    }
}

/// A directory with `docker-credential-kept`, which keeps one login in a file of the world.
fn helper_directory(world: &World) -> std::path::PathBuf {
    let directory = world.path("helpers");
    fs::create_dir_all(&directory).unwrap();
    let kept = world.path("kept").display().to_string();
    let program = format!(
        "#!/bin/sh\ncase $1 in\nstore) sed 's/.*Username\":\"\\([^\"]*\\)\".*Secret\":\"\\([^\"]*\\)\".*/\\1 \\2/' >{kept};;\n\
         get) [ -f {kept} ] || {{ echo credentials not found in native keychain; exit 1; }}\n\
         read user secret <{kept}; printf '{{\"Username\":\"%s\",\"Secret\":\"%s\"}}' $user $secret;;\n\
         erase) rm {kept};;\nesac\n"
    );
    let file = directory.join("docker-credential-kept");
    fs::write(&file, program).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

#[test]
fn a_helper_keeps_and_forgets_what_it_is_told() {
    let world = World::new();
    let registry = guarded(&world, "registry", "ann", SECRET);
    let helpers = helper_directory(&world);
    fs::write(world.path("home/config.json"), r#"{"credsStore":"kept"}"#).unwrap();
    let path = format!("{}:{}", helpers.display(), std::env::var("PATH").unwrap());
    let name = format!("{}/app:v1", registry.address());
    image(&world, &name);
    let mut login = world.command(&["login", registry.address(), "-u", "ann", "-p", SECRET]);
    let ran = Ran::from(login.env("PATH", &path).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!fs::read_to_string(world.path("home/config.json")).unwrap().contains("auth\""));
    assert_eq!(fs::read_to_string(world.path("kept")).unwrap().trim(), format!("ann {SECRET}"));
    let pushed = Ran::from(world.command(&["push", &name]).env("PATH", &path).output().unwrap());
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    let out = Ran::from(world.command(&["logout", registry.address()]).env("PATH", &path).output().unwrap());
    assert!(out.stdout.starts_with("Removed the login"), "{}{}", out.stdout, out.stderr);
    assert!(!world.path("kept").exists());
}

/// Everything that wharf says while credentials are used, refused and missing, searched for them.
#[test]
fn credentials_never_show() {
    let world = World::new();
    let tokens = TokenServer::for_account("ann", SECRET);
    let registry = FaultyRegistry::with_tokens(tokens);
    let elsewhere = FaultyRegistry::start();
    let name = format!("{}/app:v1", registry.host());
    image(&world, &name);
    let pair = BASE64_STANDARD.encode(format!("ann:{SECRET}"));
    let broken = format!("{{\"auths\":{{\"x\":{{\"auth\":\"{pair}\"}}}},\n \"credsStore\": {SECRET}}}");
    let mut said = Vec::new();
    let mut run = |args: &[&str], config: &str| {
        fs::write(world.path("home/config.json"), config).unwrap();
        let ran = world.wharf(args);
        said.push(format!("{} {} {}", args.join(" "), ran.stdout, ran.stderr));
        ran
    };
    let config = json!({"auths": {registry.host(): {"auth": pair}}}).to_string();
    let wrong = json!({"auths": {registry.host(): {"username": "bob", "password": SECRET}}}).to_string();
    let identity = json!({"auths": {registry.host(): {"identitytoken": SECRET}}}).to_string();
    for progress in ["plain", "quiet"] {
        for args in [
            vec!["--progress", progress, "push", &name],
            vec!["--progress", progress, "--json", "push", &name],
            vec!["--progress", progress, "--json", "pull", &name],
            vec!["--progress", progress, "inspect", "--remote", &name],
        ] {
            assert_eq!(run(&args, &config).code, 0, "{args:?}");
            assert_eq!(run(&args, &wrong).code, 3, "{args:?}");
            assert_eq!(run(&args, &identity).code, 3, "{args:?}");
            assert_eq!(run(&args, &broken).code, 3, "{args:?}");
        }
    }
    // A blob that lies at another host is fetched from there, without our credentials.
    let other = World::new();
    fs::write(other.path("home/config.json"), &config).unwrap();
    registry.fail(
        When::next(Method::GET, "/blobs/").times(9),
        Fault::Redirect(format!("http://{}", elsewhere.host())),
    );
    let ran = other.wharf(&["pull", &name]);
    said.push(format!("{} {}", ran.stdout, ran.stderr));
    let reached = elsewhere.seen();
    assert!(!reached.is_empty() && reached.iter().all(|seen| seen.authorization.is_none()), "{reached:?}");
    let login = with_input(&world, &["login", &registry.host(), "-u", "bob", "--password-stdin"], SECRET);
    said.push(format!("{} {}", login.stdout, login.stderr));
    for text in said {
        for secret in [SECRET, &pair, &BASE64_STANDARD.encode(SECRET)] {
            assert!(!text.contains(secret), "a secret shows: {text}");
        }
    }
}

/// The command lines of all processes, while a push that has credentials is under way, and all that it leaves behind.
#[test]
fn credentials_are_in_no_process_list_and_in_no_file_but_their_own() {
    let world = World::new();
    let registry = FaultyRegistry::with_tokens(TokenServer::for_account("ann", UNLISTED));
    let name = format!("{}/app:v1", registry.host());
    let store = super::store(&world);
    store.tag(&name, &wharf_testkit::fixture::bulky_image(&store, 2 << 20)).unwrap();
    let helpers = helper_directory(&world);
    fs::write(world.path("home/config.json"), r#"{"credsStore":"kept"}"#).unwrap();
    fs::write(world.path("kept"), format!("ann {UNLISTED}")).unwrap();
    let path = format!("{}:{}", helpers.display(), std::env::var("PATH").unwrap());
    registry.fail(When::next(Method::PUT, "/blobs/uploads/").times(9), Fault::StallRequest);
    let mut push = world.command(&["push", &name]).env("PATH", &path).stderr(Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while registry.seen_of(Method::PUT, "/blobs/uploads/").is_empty() {
        assert!(since.elapsed() < Duration::from_secs(60), "the push does not get so far");
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            assert!(!line.contains(UNLISTED), "{line}");
        }
    }
    push.kill().unwrap();
    push.wait().unwrap();
    let pair = BASE64_STANDARD.encode(format!("ann:{UNLISTED}"));
    let found = Command::new("grep")
        .args(["-rlF", "-e", UNLISTED, "-e", &pair, "-e", "Bearer"])
        .arg(world.path("data"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

/// moto, a stand-in for Amazon's API.
pub(crate) struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    pub(crate) fn start() -> Option<Self> {
        let program = std::env::var_os("WHARF_TEST_MOTO")?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let moto = Self { child, url: format!("http://127.0.0.1:{port}") };
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(since.elapsed() < Duration::from_secs(60), "moto does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(moto)
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn amazons_registry_lets_in_whoever_has_keys() {
    let Some(moto) = Moto::start() else { skip!("moto is not installed (WHARF_TEST_MOTO)") };
    let world = World::new();
    let registry = guarded(&world, "registry", "AWS", "123456789012-auth-token");
    let host = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
    let settings = format!("[registries.\"{host}\"]\nlocation = \"{}\"\n", registry.address());
    fs::write(world.path("config.toml"), settings).unwrap();
    let name = format!("{host}/app:v1");
    image(&world, &name);
    fs::write(world.path("oidc"), "token of another provider").unwrap();
    let config = "[profile ci]\nrole_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = base\n\
        [profile base]\naws_access_key_id = AKIA123\naws_secret_access_key = hunter2\n";
    fs::write(world.path("aws"), config).unwrap();
    let path = |name: &str| world.path(name).display().to_string();
    for variables in [
        vec![("AWS_ACCESS_KEY_ID", "AKIA123".into()), ("AWS_SECRET_ACCESS_KEY", SECRET.into())],
        vec![
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci".into()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", path("oidc")),
        ],
        vec![("AWS_CONFIG_FILE", path("aws")), ("AWS_PROFILE", "ci".into())],
    ] {
        let mut push = world.command(&["push", &name]);
        let ran = Ran::from(push.envs(variables).env("AWS_ENDPOINT_URL", &moto.url).output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    // A login hands the token on to docker.
    let mut login = world.command(&["login", host]);
    login.envs([("AWS_ACCESS_KEY_ID", "AKIA123"), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
    let ran = Ran::from(login.env("AWS_ENDPOINT_URL", &moto.url).output().unwrap());
    assert_eq!(ran.stdout, "Login Succeeded\n", "{}", ran.stderr);
    assert_eq!(world.wharf(&["push", &name]).code, 0);
}
