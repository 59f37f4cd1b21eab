//! `wharf ps`: the containers on this machine.

use serde_json::{Value, json};
use wharf_oci::Reference;

use crate::cli::Globals;
use crate::container::record::{Bound, Container, Status};
use crate::container::state::Containers;
use crate::docker::filter::Filters;
use crate::docker::format::List;
use crate::docker::human;
use crate::exit::{Exit, Failure, Outcome};
use crate::world::World;
use crate::{local, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Those that have ended, too
    #[arg(short, long)]
    all: bool,
    /// Only print IDs
    #[arg(short, long)]
    quiet: bool,
    /// Only those that `ancestor=IMAGE`, `name=…`, `status=…`, `label=…`, `health=…` and others describe
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// `json`, or a Go template, with `table` before it for headings
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print everything in full
    #[arg(long)]
    no_trunc: bool,
    /// Only so many that were made last, whatever their state
    #[arg(short = 'n', long, value_name = "COUNT", allow_negative_numbers = true)]
    last: Option<i64>,
    /// Only the one that was made last, whatever its state
    #[arg(short, long)]
    latest: bool,
    /// Print sizes, too
    #[arg(short, long)]
    size: bool,
}

const FILTERS: [&str; 13] = [
    "id", "name", "label", "label!", "exited", "status", "ancestor", "before", "since", "volume", "network",
    "publish", "health",
];

const LIST: List = List {
    cells: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
    quiet: "{{.ID}}",
    headings: &[
        ("ID", "CONTAINER ID"),
        ("RunningFor", "CREATED"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("CreatedAt", "CREATED AT"),
    ],
};

/// Lists them, newest first.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let found = select(&args, &containers, &world)?;
    if globals.json {
        let documents: Vec<Value> = found
            .iter()
            .map(|container| {
                let mut document = serde_json::to_value(container)?;
                document["running"] = (container.state.status == Status::Running).into();
                Ok(document)
            })
            .collect::<Result<_, Failure>>()?;
        output::print_json(&documents)?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Value> = found
        .iter()
        .map(|container| {
            let size = if args.size { world_size(&containers, container) } else { "0B".into() };
            row(container, args.no_trunc, size)
        })
        .collect();
    let list = List {
        cells: if args.size {
            "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}"
        } else {
            LIST.cells
        },
        ..LIST
    };
    output::print(&list.render(&rows, args.format.as_deref(), args.quiet)?)?;
    Ok(Exit::Done)
}

fn select(args: &Args, containers: &Containers, world: &World) -> Result<Vec<Container>, Failure> {
    let filters = Filters::parse(&args.filter, &FILTERS)?;
    let last = if args.latest { Some(1) } else { args.last.and_then(|count| usize::try_from(count).ok()) };
    let states = ["status", "exited", "health"].iter().any(|name| filters.values(name).next().is_some());
    let everything = args.all || last.is_some() || (states && filters.values("health").next().is_none());
    let bound = |name| -> Result<Option<Container>, Failure> {
        filters.values(name).next().map(|value| containers.find(value)).transpose()
    };
    let (before, since) = (bound("before")?, bound("since")?);
    let ancestors: Vec<Ancestor> =
        filters.values("ancestor").map(|text| Ancestor::new(text, world)).collect();
    let mut found = containers.list()?;
    found.retain(|container| {
        let state = &container.state;
        (everything || matches!(state.status, Status::Running | Status::Restarting))
            && filters.any("id", |id| container.id.starts_with(id))
            && filters.any("name", |name| matches_name(&container.name, name))
            && filters.labels(container.labels())
            && filters.any("status", |status| status == state.status.word())
            && filters
                .any("exited", |code| state.status == Status::Exited && code.parse() == Ok(state.exit_code))
            && filters.any("health", |health| {
                health == state.health.as_ref().map_or("none", |health| health.status.word())
            })
            && filters.any("network", |network| network == container.host.network.word())
            && filters.any("volume", |volume| {
                container.host.mounts.iter().any(|mount| mount.source == volume || mount.target == volume)
            })
            && filters.any("publish", |port| {
                state
                    .ports
                    .iter()
                    .any(|bound| port.trim_end_matches("/tcp").parse() == Ok(bound.outside.port()))
            })
            && (ancestors.is_empty() || ancestors.iter().any(|ancestor| ancestor.is_of(container)))
            && before.as_ref().is_none_or(|other| container.created < other.created)
            && since.as_ref().is_none_or(|other| container.created > other.created)
    });
    found.truncate(last.unwrap_or(usize::MAX));
    Ok(found)
}

/// A part of the name, or with `^` and `$` its start and its end.
fn matches_name(name: &str, wanted: &str) -> bool {
    let wanted = wanted.strip_prefix('/').unwrap_or(wanted);
    let start = wanted.strip_prefix('^');
    let end = wanted.strip_suffix('$');
    let plain = wanted.trim_start_matches('^').trim_start_matches('/').trim_end_matches('$');
    match (start.is_some(), end.is_some()) {
        (true, true) => name == plain,
        (true, false) => name.starts_with(plain),
        (false, true) => name.ends_with(plain),
        (false, false) => name.contains(plain),
    }
}

/// An image that containers may have been made from: what it is called, and what it is now.
struct Ancestor {
    text: String,
    name: Option<String>,
    digest: Option<String>,
}

impl Ancestor {
    fn new(text: &str, world: &World) -> Self {
        let named = local::find(&world.store, text).ok();
        let name = text.parse::<Reference>().ok().map(|reference| local::key(&reference));
        Self { text: text.to_owned(), name, digest: named.map(|named| named.descriptor.digest.to_string()) }
    }

    fn is_of(&self, container: &Container) -> bool {
        let called = container.image.parse::<Reference>().ok().map(|reference| local::key(&reference));
        let digits = self.text.strip_prefix("sha256:").unwrap_or(&self.text);
        let id = container.image_id.trim_start_matches("sha256:");
        (called.is_some() && called == self.name)
            || self.digest.as_ref() == Some(&container.digest)
            || (digits.len() >= 4 && id.starts_with(digits))
    }
}

/// What a template can say of a container.
pub(crate) fn row(container: &Container, in_full: bool, size: String) -> Value {
    let host = &container.host;
    let command = container.command().join(" ");
    let command = if in_full { command } else { super::history::cut(&command, 20) };
    let labels: Vec<String> =
        container.labels().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mounts: Vec<String> = host
        .mounts
        .iter()
        .filter(|mount| !mount.source.is_empty())
        .map(|mount| if in_full { mount.source.clone() } else { super::history::cut(&mount.source, 15) })
        .collect();
    let volumes =
        host.mounts.iter().filter(|mount| mount.kind == crate::container::volume::Kind::Volume).count();
    json!({
        "Command": format!("{command:?}"),
        "CreatedAt": human::clock(&container.created),
        "HealthStatus": container.state.health.as_ref().map_or("", |health| health.status.word()),
        "ID": if in_full { container.id.as_str() } else { container.short_id() },
        "Image": container.image,
        "Labels": labels.join(","),
        "LocalVolumes": volumes.to_string(),
        "Mounts": mounts.join(","),
        "Names": container.name,
        "Networks": host.network.word(),
        "Platform": null,
        "Ports": ports(&container.state.ports, container),
        "RunningFor": human::ago(&container.created),
        "Size": size,
        "State": container.state.status.word(),
        "Status": status(container),
    })
}

/// `Up 2 minutes (healthy)`, `Exited (0) 5 seconds ago`.
pub(crate) fn status(container: &Container) -> String {
    let state = &container.state;
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => {
            let up = format!("Up {}", human::since(&state.started).unwrap_or_default());
            match &state.health {
                None => up,
                Some(health) if health.status.word() == "starting" => format!("{up} (health: starting)"),
                Some(health) => format!("{up} ({})", health.status.word()),
            }
        }
        Status::Restarting => format!("Restarting ({}) {}", state.exit_code, human::ago(&state.finished)),
        Status::Exited => format!("Exited ({}) {}", state.exit_code, human::ago(&state.finished)),
    }
}

/// `0.0.0.0:8000->8000/tcp, [::]:8000->8000/tcp`, and what is exposed without being published.
fn ports(bound: &[Bound], container: &Container) -> String {
    if container.state.status != Status::Running {
        return String::new();
    }
    let mut shown: Vec<String> =
        bound.iter().map(|port| format!("{}->{}/tcp", port.outside, port.inside)).collect();
    let exposed = container.config.exposed_ports.keys().filter(|port| {
        let number = port.trim_end_matches("/tcp").parse::<u16>().ok();
        bound.iter().all(|bound| Some(bound.inside) != number)
    });
    shown.extend(exposed.cloned());
    shown.join(", ")
}

/// What the container has written, in bytes on disk.
fn world_size(containers: &Containers, container: &Container) -> String {
    output::size::bytes(directory_size(&containers.directory(&container.id).join("upper")))
}

/// The files below a directory, as far as this process may look.
pub(crate) fn directory_size(directory: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => directory_size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::record::{Health, Wellness, example};

    #[test]
    fn names_match_by_their_parts() {
        assert!(
            matches_name("web-1", "web") && matches_name("web-1", "^/web-1$") && matches_name("web-1", "1$")
        );
        assert!(!matches_name("web-1", "^1") && !matches_name("web-1", "^web$"));
    }

    #[test]
    fn the_state_is_told_in_docker_s_words() {
        let mut container = example("0123456789abcdef", "web");
        assert_eq!(status(&container), "Created");
        container.state.status = Status::Running;
        container.state.started = crate::world::now().to_string();
        container.state.health = Some(Health::default());
        assert_eq!(status(&container), "Up Less than a second (health: starting)");
        container.state.health = Some(Health { status: Wellness::Healthy, ..Health::default() });
        assert!(status(&container).ends_with("(healthy)"));
        container.state.ports = vec![Bound { outside: "0.0.0.0:80".parse().unwrap(), inside: 8000 }];
        container.config.exposed_ports.insert("9/tcp".into(), wharf_oci::Empty {});
        assert_eq!(row(&container, false, String::new())["Ports"], "0.0.0.0:80->8000/tcp, 9/tcp");
    }
}
