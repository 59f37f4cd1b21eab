//! `docker volume`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::Globals;
use crate::container::name;
use crate::container::state::Containers;
use crate::container::volume::{Volume, Volumes};
use crate::docker::filter::Filters;
use crate::docker::format::List;
use crate::docker::inspect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::world::{World, now};

/// `docker volume …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make one
    Create {
        /// There is one driver, `local`
        #[arg(short, long, default_value = "local", value_parser = ["local"])]
        driver: String,
        /// Set a label
        #[arg(long, value_name = "NAME[=VALUE]")]
        label: Vec<String>,
        /// Its name [default: made up]
        name: Option<String>,
    },
    /// List them
    #[command(visible_alias = "list")]
    Ls {
        /// Only print names
        #[arg(short, long)]
        quiet: bool,
        /// Only those that `name=…`, `label=…` or `dangling=…` describe
        #[arg(short, long, value_name = "NAME=VALUE")]
        filter: Vec<String>,
        /// `json`, or a Go template
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
    },
    /// Show everything about them
    Inspect {
        /// `json`, or a Go template
        #[arg(short, long, value_name = "FORMAT")]
        format: Option<String>,
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Remove them with their files
    #[command(visible_alias = "remove")]
    Rm {
        /// Do not mind one that is not there
        #[arg(short, long)]
        force: bool,
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Remove those that no container has and that nobody named
    Prune {
        /// Those that somebody named, too
        #[arg(short, long)]
        all: bool,
        /// Do not ask; wharf never does
        #[arg(short, long)]
        force: bool,
    },
}

const LIST: List =
    List { cells: "{{.Driver}}\t{{.Name}}", quiet: "{{.Name}}", headings: &[("Name", "VOLUME NAME")] };

/// Carries it out.
pub(crate) fn run(command: Command, globals: &Globals) -> Outcome {
    // In a user namespace, files of volumes belong to users that only exist there.
    let removes = matches!(command, Command::Rm { .. } | Command::Prune { .. });
    let world = if removes { World::sandboxed(globals)? } else { World::open(globals)? };
    let volumes = Volumes::new(&world.data_dir);
    match command {
        Command::Create { label, name, .. } => create(&volumes, &label, name)?,
        Command::Ls { quiet, filter, format } => {
            let filters = Filters::parse(&filter, &["name", "label", "label!", "dangling", "driver"])?;
            let rows: Vec<Value> = volumes
                .list()
                .iter()
                .filter(|volume| {
                    filters.any("name", |part| volume.name.contains(part))
                        && filters.labels(&volume.labels)
                        && filters
                            .any("dangling", |value| users(&world, volume).is_empty() == (value == "true"))
                })
                .map(|volume| row(volume, &volumes))
                .collect();
            output::print(&LIST.render(&rows, format.as_deref(), quiet)?)?;
        }
        Command::Inspect { format, names } => {
            let found = names.iter().map(|name| volumes.find(name)).collect::<Result<Vec<_>, _>>()?;
            let documents: Vec<Value> =
                found.iter().map(|volume| inspect::of_volume(volume, &volumes)).collect();
            output::print(&inspect::show(&documents, format.as_deref())?)?;
        }
        Command::Rm { force, names } => {
            for name in names {
                match volumes.find(&name) {
                    Err(_) if force => continue,
                    found => remove(&world, &volumes, &found?)?,
                }
                output::print(&format!("{name}\n"))?;
            }
        }
        Command::Prune { all, .. } => {
            let mut freed = 0;
            let mut lines = String::new();
            for volume in volumes.list() {
                if (all || volume.anonymous) && users(&world, &volume).is_empty() {
                    freed += crate::commands::ps::directory_size(&volumes.path(&volume.name));
                    volumes.remove(&volume.name)?;
                    lines.push_str(&format!("{}\n", volume.name));
                }
            }
            if !lines.is_empty() {
                lines = format!("Deleted Volumes:\n{lines}\n");
            }
            output::print(&format!("{lines}Total reclaimed space: {}\n", output::size::bytes(freed)))?;
        }
    }
    Ok(Exit::Done)
}

fn create(volumes: &Volumes, labels: &[String], name: Option<String>) -> Result<(), Failure> {
    let anonymous = name.is_none();
    let name = name.unwrap_or_else(name::new_id);
    if !name::is_valid(&name) {
        return Err(Failure::usage(format!(
            "\"{name}\" includes invalid characters for a local volume name"
        )));
    }
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text.clone(), String::new()),
    };
    let labels: BTreeMap<String, String> = labels.iter().map(pair).collect();
    volumes.create(&Volume { name: name.clone(), created: now().to_string(), labels, anonymous })?;
    output::print(&format!("{name}\n"))
}

/// The containers that have it.
fn users(world: &World, volume: &Volume) -> Vec<String> {
    let all = Containers::new(&world.data_dir).list().unwrap_or_default();
    all.iter()
        .filter(|container| container.host.mounts.iter().any(|mount| mount.source == volume.name))
        .map(|container| container.short_id().to_owned())
        .collect()
}

fn remove(world: &World, volumes: &Volumes, volume: &Volume) -> Result<(), Failure> {
    match users(world, volume).as_slice() {
        [] => volumes.remove(&volume.name),
        users => {
            Err(Failure::usage(format!("remove {}: volume is in use - [{}]", volume.name, users.join(", "))))
        }
    }
}

fn row(volume: &Volume, volumes: &Volumes) -> Value {
    let labels: Vec<String> = volume.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    json!({
        "Availability": "N/A",
        "Driver": "local",
        "Group": "N/A",
        "Labels": labels.join(","),
        "Links": "N/A",
        "Mountpoint": volumes.path(&volume.name),
        "Name": volume.name,
        "Scope": "local",
        "Size": "N/A",
        "Status": "N/A",
    })
}
