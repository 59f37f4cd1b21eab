//! `wharf run`: runs an image.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow};
use wharf_oci::{Platform, Reference};
use wharf_sandbox::Mount;

use crate::cli::Globals;
use crate::container::forward::{self, Publish};
use crate::container::launch::{Overrides, command_line};
use crate::container::state::{Container, Containers};
use crate::container::supervise::{Job, supervise};
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::settings::host;
use crate::world::{World, now};
use crate::{layers, local, output};

/// What `wharf run` takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Leave it running and print its ID
    #[arg(short, long)]
    detach: bool,
    /// Forget it when it has ended
    #[arg(long)]
    rm: bool,
    /// Its name
    #[arg(long)]
    name: Option<String>,
    /// Let connections to a port of the host through: `8000:8000`
    #[arg(short, long, value_name = "[ADDR:]HOST:PORT")]
    publish: Vec<Publish>,
    /// Set a variable
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Instead of the image's user
    #[arg(short, long)]
    user: Option<String>,
    /// Instead of the image's working directory
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Instead of the image's entry point
    #[arg(long)]
    entrypoint: Option<String>,
    /// Show a directory or file of the host inside: `/host/dir:/dir[:ro]`
    #[arg(short, long, value_name = "HOST:DIR[:ro]")]
    volume: Vec<String>,
    /// `private` (only published ports) or `host`
    #[arg(long, default_value = "private", value_parser = ["private", "none", "host"])]
    network: String,
    /// The image; pulled where it is not on this machine
    image: String,
    /// Instead of the image's command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    /// The process that stays behind: it says on standard output when the container runs
    #[arg(long, hide = true)]
    supervise: Option<String>,
}

/// Runs it here, or leaves a supervisor behind.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    if args.detach && args.supervise.is_none() {
        let uid = rustix::process::getuid().as_raw();
        check_name(&Containers::new(&host::data_dir(globals, uid)), args.name.as_deref())?;
        return detach();
    }
    let world = World::sandboxed(globals)?;
    let containers = Containers::new(&world.data_dir);
    let name = args.name.clone();
    check_name(&containers, name.as_deref())?;
    let (named, image) = find_or_pull(&world, &args.image)?;
    let overrides = Overrides {
        args: args.command.clone(),
        entrypoint: args.entrypoint.clone(),
        env: args.env.iter().map(|setting| from_environment(setting)).collect(),
        user: args.user.clone(),
        workdir: args.workdir.clone(),
    };
    let mut ports = Vec::new();
    for publish in &args.publish {
        ports.push((*publish, forward::listen(publish)?));
    }
    let id = args.supervise.clone().unwrap_or_else(new_id);
    let mut container = Container {
        name: name.unwrap_or_else(|| id[..12].to_owned()),
        image: args.image.clone(),
        digest: named.descriptor.digest.to_string(),
        command: command_line(&image.config.config, &overrides),
        created: now().to_string(),
        ports: shown_ports(&ports),
        supervisor: std::process::id(),
        exit_code: None,
        id,
    };
    let job = Job {
        lowers: layers::unpack(&world, &image)?,
        config: image.config.config,
        overrides,
        host_network: args.network == "host",
        binds: args.volume.iter().map(|volume| bind(volume)).collect::<Result<_, _>>()?,
        ports,
    };
    let held = containers.create(&container)?;
    // From now on it is the container that keeps its image.
    world.release();
    let detached = args.supervise.is_some();
    if detached {
        output::print(&format!("{}\n", container.id))?;
    }
    let ended = supervise(&world, job, &mut container, &held, !detached);
    drop(held);
    if args.rm || (!detached && args.name.is_none()) {
        containers.remove(&container)?;
    }
    Ok(Exit::Process(ended?))
}

/// A name belongs to one container.
fn check_name(containers: &Containers, name: Option<&str>) -> Result<(), Failure> {
    match name {
        Some(name) if containers.list()?.iter().any(|other| other.name == *name) => {
            Err(Failure::usage(format!("there is a container named `{name}` already"))
                .hint(format!("stop and forget it: wharf stop {name}, or choose another name")))
        }
        _ => Ok(()),
    }
}

/// The image on this machine, pulled first where it is not here.
pub(crate) fn find_or_pull(world: &World, name: &str) -> Result<(local::Named, local::Image), Failure> {
    let named = match local::find(&world.store, name) {
        Ok(named) => named,
        Err(_) => {
            let reference: Reference = name.parse().or_usage()?;
            super::pull::pull(world, &reference, &Platform::host())?;
            local::find(&world.store, name)?
        }
    };
    let image = local::open(&world.store, &named.descriptor, &Platform::host())?;
    Ok((named, image))
}

fn new_id() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `NAME` alone takes the value that wharf was started with, as docker does.
fn from_environment(setting: &str) -> String {
    match setting.contains('=') {
        true => setting.to_owned(),
        false => format!("{setting}={}", std::env::var(setting).unwrap_or_default()),
    }
}

fn shown_ports(ports: &[(Publish, TcpListener)]) -> Vec<String> {
    let shown = |(publish, listener): &(Publish, TcpListener)| {
        let outside = listener.local_addr().unwrap_or(publish.outside);
        format!("{outside}->{}/tcp", publish.inside)
    };
    ports.iter().map(shown).collect()
}

/// `/host:/inside[:ro]`.
fn bind(text: &str) -> Result<Mount, Failure> {
    let wrong = || {
        Failure::usage(format!("`{text}` is not a volume"))
            .hint("write /host/directory:/directory, with :ro at the end to forbid writing")
    };
    let (paths, readonly) = match text.strip_suffix(":ro") {
        Some(paths) => (paths, true),
        None => (text.strip_suffix(":rw").unwrap_or(text), false),
    };
    let (source, target) = paths.split_once(':').ok_or_else(wrong)?;
    if !Path::new(target).is_absolute() {
        return Err(wrong());
    }
    let source = std::fs::canonicalize(source).with_context(|| format!("looking for the volume {source}"))?;
    Ok(Mount::Bind { source, target: PathBuf::from(target), readonly, recursive: true })
}

/// Starts this binary again as the supervisor, in a session of its own, and waits for its first line.
fn detach() -> Outcome {
    let id = new_id();
    let binary = std::env::current_exe().context("finding wharf's own binary")?;
    let mut typed: Vec<String> = std::env::args().skip(1).collect();
    let at = typed.iter().position(|word| word == "run").map_or(0, |at| at + 1);
    typed.splice(at..at, ["--supervise".to_owned(), id]);
    let mut command = Command::new("setsid");
    command.arg(binary).args(typed).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("starting the supervisor (setsid, from util-linux)")?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    if line.is_empty() {
        let said = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&said.stderr);
        return Err(Failure::from(anyhow!("{}", said.trim().trim_start_matches("error: "))));
    }
    output::print(&line)?;
    Ok(Exit::Done)
}
