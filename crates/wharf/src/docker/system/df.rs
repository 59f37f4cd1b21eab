//! `docker system df`.

use serde_json::{Value, json};
use wharf_oci::Platform;

use crate::cli::Globals;
use crate::commands::ps::directory_size;
use crate::container::record::Status;
use crate::container::state::Containers;
use crate::container::volume::Volumes;
use crate::docker::format::List;
use crate::exit::{Exit, Failure, Outcome};
use crate::world::World;
use crate::{building, local, output};

/// What `system df` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Nothing more
    #[arg(short, long)]
    verbose: bool,
    /// `json`, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const LIST: List = List {
    cells: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
    quiet: "{{.Type}}",
    headings: &[("TotalCount", "TOTAL")],
};

/// Prints how much lies where, and how much of it nothing needs.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::sandboxed(globals)?;
    let rows = [images(&world)?, containers(&world)?, volumes(&world)?, cache(&world)?];
    output::print(&LIST.render(&rows, args.format.as_deref(), false)?)?;
    Ok(Exit::Done)
}

fn row(kind: &str, total: usize, active: usize, size: u64, reclaimable: u64) -> Value {
    let share =
        (reclaimable * 100).checked_div(size).map_or_else(String::new, |share| format!(" ({share}%)"));
    json!({
        "Type": kind,
        "TotalCount": total.to_string(),
        "Active": active.to_string(),
        "Size": output::size::bytes(size),
        "Reclaimable": format!("{}{share}", output::size::bytes(reclaimable)),
    })
}

fn images(world: &World) -> Result<Value, Failure> {
    let used: Vec<String> =
        Containers::new(&world.data_dir).list()?.into_iter().map(|container| container.digest).collect();
    let mut seen = std::collections::HashSet::new();
    let (mut active, mut size, mut idle) = (0, 0, 0);
    let named = local::list(&world.store)?.into_iter().map(|named| named.descriptor);
    for descriptor in named.chain(local::nameless(&world.store)?) {
        if !seen.insert(descriptor.digest.clone()) {
            continue;
        }
        let bytes = local::open(&world.store, &descriptor, &Platform::host()).map_or(0, |image| image.size());
        size += bytes;
        match used.contains(&descriptor.digest.to_string()) {
            true => active += 1,
            false => idle += bytes,
        }
    }
    Ok(row("Images", seen.len(), active, size, idle))
}

fn containers(world: &World) -> Result<Value, Failure> {
    let containers = Containers::new(&world.data_dir);
    let all = containers.list()?;
    let size = |container: &crate::container::record::Container| {
        directory_size(&containers.directory(&container.id).join("upper"))
    };
    let (running, idle): (Vec<_>, Vec<_>) =
        all.iter().partition(|container| container.state.status == Status::Running);
    let reclaimable = idle.iter().map(|container| size(container)).sum::<u64>();
    let active = running.iter().map(|container| size(container)).sum::<u64>();
    Ok(row("Containers", all.len(), running.len(), active + reclaimable, reclaimable))
}

fn volumes(world: &World) -> Result<Value, Failure> {
    let volumes = Volumes::new(&world.data_dir);
    let containers = Containers::new(&world.data_dir).list()?;
    let (mut total, mut active, mut size, mut idle) = (0, 0, 0, 0);
    for volume in volumes.list() {
        let bytes = directory_size(&volumes.path(&volume.name));
        let used = containers
            .iter()
            .any(|container| container.host.mounts.iter().any(|mount| mount.source == volume.name));
        total += 1;
        size += bytes;
        match used {
            true => active += 1,
            false => idle += bytes,
        }
    }
    Ok(row("Local Volumes", total, active, size, idle))
}

/// What builds have left beside the images.
fn cache(world: &World) -> Result<Value, Failure> {
    let usage = building::engine(world)?.usage().map_err(building::failed)?;
    Ok(row("Build Cache", usage.items.len(), 0, usage.cache_bytes(), usage.cache_bytes()))
}
