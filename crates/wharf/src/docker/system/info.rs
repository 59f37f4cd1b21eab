//! `docker info`.

use serde_json::{Value, json};

use crate::cli::Globals;
use crate::container::record::Status;
use crate::container::state::Containers;
use crate::docker::inspect;
use crate::exit::{Exit, Failure, Outcome};
use crate::world::World;
use crate::{local, output};

/// What `info` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let document = document(&world)?;
    match args.format.as_deref() {
        None | Some("") => output::print(&text(&document))?,
        Some("json") => output::print(&format!("{}\n", crate::docker::template::json(&document)))?,
        Some(_) => output::print(&inspect::show(&[document], args.format.as_deref())?)?,
    }
    Ok(Exit::Done)
}

fn document(world: &World) -> Result<Value, Failure> {
    let containers = Containers::new(&world.data_dir).list()?;
    let running = containers.iter().filter(|container| container.state.status == Status::Running).count();
    let proc = |name: &str| std::fs::read_to_string(format!("/proc/{name}")).unwrap_or_default();
    let memory = proc("meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let memory = memory.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0);
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    Ok(json!({
        "ID": "wharf",
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": 0,
        "ContainersStopped": containers.len() - running,
        "Images": local::list(&world.store)?.len(),
        "Driver": "overlayfs",
        "LoggingDriver": "json-file",
        "CgroupDriver": "none",
        "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
        "MemTotal": memory * 1024,
        "DockerRootDir": world.data_dir,
        "Name": rustix::system::uname().nodename().to_string_lossy(),
        "ServerVersion": "28.5.1",
        "OperatingSystem": system.unwrap_or("Linux").trim_matches('"'),
        "OSType": "linux",
        "Architecture": rustix::system::uname().machine().to_string_lossy(),
        "KernelVersion": super::version::kernel(),
        "SecurityOptions": security(),
        "Runtimes": { "wharf": { "path": "wharf" } },
        "DefaultRuntime": "wharf",
        "Swarm": { "LocalNodeState": "inactive" },
        "Plugins": { "Volume": ["local"], "Network": ["bridge", "host", "null"], "Log": ["json-file"] },
        "HttpProxy": crate::settings::host::variable("HTTP_PROXY").unwrap_or_default(),
        "HttpsProxy": crate::settings::host::variable("HTTPS_PROXY").unwrap_or_default(),
        "NoProxy": crate::settings::host::variable("NO_PROXY").unwrap_or_default(),
        "Warnings": null,
    }))
}

fn security() -> Vec<&'static str> {
    let rootless = !rustix::process::getuid().is_root();
    let mut options = vec!["name=seccomp,profile=builtin"];
    if rootless {
        options.push("name=rootless");
    }
    options
}

fn text(document: &Value) -> String {
    let of = |name: &str| match &document[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!(
        "Client: wharf {}\n Context:    default\n\nServer:\n Containers: {}\n  Running: {}\n  Paused: 0\n  Stopped: {}\n \
         Images: {}\n Server Version: {}\n Storage Driver: overlayfs\n Logging Driver: json-file\n \
         Default Runtime: wharf\n Kernel Version: {}\n Operating System: {}\n OSType: linux\n Architecture: {}\n \
         CPUs: {}\n Total Memory: {}\n Name: {}\n Docker Root Dir: {}\n",
        env!("CARGO_PKG_VERSION"),
        of("Containers"),
        of("ContainersRunning"),
        of("ContainersStopped"),
        of("Images"),
        of("ServerVersion"),
        of("KernelVersion"),
        of("OperatingSystem"),
        of("Architecture"),
        of("NCPU"),
        output::size::bytes(document["MemTotal"].as_u64().unwrap_or(0)),
        of("Name"),
        of("DockerRootDir"),
    )
}
