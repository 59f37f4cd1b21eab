//! `wharf login` and `wharf logout`: credentials in docker's own file, so that one login serves both.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use wharf_oci::Reference;
use wharf_registry::{Cause, Login, Name, Store};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output;
use crate::settings::host;
use crate::world::World;

/// Under which docker keeps the hub's credentials.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The account under which docker keeps tokens of Azure's registries.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The registry's host, Docker Hub where none is given
    #[arg(default_value = "docker.io")]
    registry: String,
    /// The account; without it a registry of Amazon's, Google's or Azure's is asked for a login with the keys of
    /// this machine
    #[arg(short, long)]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// The password; it shows in the process list, so prefer --password-stdin
    #[arg(short, long, conflicts_with = "password_stdin", requires = "username")]
    password: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LogoutArgs {
    /// The registry's host, Docker Hub where none is given
    #[arg(default_value = "docker.io")]
    registry: String,
}

/// Asks the registry whether the credentials are right, and keeps them only then.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let registry = bare(&args.registry);
    let (username, password) = match given(&args)? {
        Some(pair) => pair,
        None => match world.native_login(&registry)? {
            Some(Login::Password { username, password }) => (username, password),
            // What Azure's registry gives is a token; this is the account that docker knows it by.
            Some(Login::Identity(token)) => (NOBODY.to_owned(), token),
            _ => (ask("Username: ")?, ask_password()?),
        },
    };
    let login = match username.as_str() {
        NOBODY => Login::Identity(password.clone()),
        _ => Login::Password { username: username.clone(), password: password.clone() },
    };
    check(&world, &registry, login)?;
    keep(&world, &registry, &username, &password)?;
    if globals.json {
        output::print_json(&json!({ "registry": registry, "username": username }))?;
    } else {
        output::print("Login Succeeded\n")?;
    }
    Ok(Exit::Done)
}

/// The account and password that were typed; `None` where no account was.
fn given(args: &Args) -> Result<Option<(String, SecretString)>, Failure> {
    let Some(username) = args.username.clone() else {
        return match args.password_stdin {
            true => Err(Failure::usage("the account is not known").hint("say --username NAME")),
            false => Ok(None),
        };
    };
    let password = match &args.password {
        Some(password) => password.clone().into(),
        None if args.password_stdin => from_stdin()?,
        None => ask_password()?,
    };
    Ok(Some((username, password)))
}

/// A registry as people copy it from a browser.
fn bare(registry: &str) -> String {
    let bare = registry.split_once("://").map_or(registry, |(_, rest)| rest);
    match bare.split('/').next().unwrap_or(bare) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".into(),
        host => host.into(),
    }
}

/// Keeps the login: with the helper that docker's configuration names, else in the file itself.
fn keep(world: &World, registry: &str, username: &str, password: &SecretString) -> Result<(), Failure> {
    let path = host::login_file();
    let helped = wharf_registry::keep_with_helper(&path, registry, username, password);
    if world.runtime.block_on(helped)? {
        return Ok(());
    }
    let entry = match username {
        NOBODY => {
            let pair = BASE64_STANDARD.encode(format!("{username}:"));
            json!({ "auth": pair, "identitytoken": password.expose_secret() })
        }
        _ => {
            let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
            json!({ "auth": pair })
        }
    };
    update(&path, |auths| drop(auths.insert(key(registry), entry)))
}

/// Asks for something that need not exist: a registry that answers at all has accepted the login.
fn check(world: &World, registry: &str, login: Login) -> Result<(), Failure> {
    let probe: Reference = format!("{registry}/wharf/login:check").parse().or_usage()?;
    let repository = world.client_as(registry, login)?.repository(&probe)?;
    match world.runtime.block_on(repository.head(Name::Tag("check"))) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.cause(), Cause::Denied { .. } | Cause::NotFound { .. }) => Ok(()),
        Err(error) => Err(Failure::from(error).context(format!("logging in to {registry} failed"))),
    }
}

/// Forgets the credentials of a registry.
pub(crate) fn logout(args: LogoutArgs, globals: &Globals) -> Outcome {
    let (path, registry) = (host::login_file(), bare(&args.registry));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut known = runtime.block_on(wharf_registry::forget_with_helper(&path, &registry))?;
    if path.exists() {
        update(&path, |auths| known |= auths.remove(&key(&registry)).is_some())?;
    }
    if globals.json {
        output::print_json(&json!({ "registry": registry, "removed": known }))?;
    } else {
        let word = if known { "Removed the login for" } else { "Not logged in to" };
        output::print(&format!("{word} {registry}\n"))?;
    }
    Ok(Exit::Done)
}

fn key(registry: &str) -> String {
    match registry {
        "docker.io" => HUB_KEY.to_owned(),
        other => other.to_owned(),
    }
}

/// Changes the `auths` of docker's configuration and leaves the rest as it is. The file appears whole and
/// readable by its owner only, or not at all.
fn update(path: &Path, change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), Failure> {
    let mut document: Value = match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(Failure::from(error).context(format!("reading {}", path.display()))),
    };
    let auths = document
        .as_object_mut()
        .map(|map| map.entry("auths").or_insert_with(|| json!({})))
        .and_then(Value::as_object_mut)
        .ok_or_else(|| anyhow!("{} is not docker's configuration: `auths` is no object", path.display()))?;
    change(auths);
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    let mut file = tempfile::NamedTempFile::new_in(directory)
        .with_context(|| format!("writing into {}", directory.display()))?;
    serde_json::to_writer_pretty(&mut file, &document)?;
    file.write_all(b"\n")?;
    file.persist(path).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

fn ask(question: &str) -> Result<String, Failure> {
    if !output::ask::is_possible() {
        return Err(Failure::usage("the account is not known, and there is no terminal to ask on")
            .hint("say --username NAME"));
    }
    output::ask::line(question)
}

fn ask_password() -> Result<SecretString, Failure> {
    if !output::ask::is_possible() {
        return Err(Failure::usage("there is no terminal to ask for the password on")
            .hint("pipe the password in and say --password-stdin"));
    }
    output::ask::secret("Password: ")
}

fn from_stdin() -> Result<SecretString, Failure> {
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password).context("reading the password from standard input")?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned().into())
}
