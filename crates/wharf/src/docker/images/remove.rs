//! `docker rmi`.

use std::io::Write;

use wharf_oci::Platform;

use crate::cli::Globals;
use crate::container::record::Status;
use crate::container::state::Containers;
use crate::exit::{Exit, Failure, Outcome};
use crate::world::World;
use crate::{local, output};

/// What `rmi` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also what containers were made from, and all names of an ID
    #[arg(short, long)]
    force: bool,
    /// Nothing more: parents are not kept apart
    #[arg(long)]
    no_prune: bool,
    /// Nothing more
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    /// Names or IDs
    #[arg(required = true)]
    images: Vec<String>,
}

/// Takes each name away, and tells when an image has none left. Its blobs go with `docker image prune`.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let mut exit = Exit::Done;
    for name in &args.images {
        match remove(&world, name, args.force) {
            Ok(lines) => output::print(&lines)?,
            Err(_) if args.force && local::find(&world.store, name).is_err() => {}
            Err(failure) => {
                exit = Exit::Gate;
                // Standard error may be closed; the exit code still tells.
                let _ = writeln!(std::io::stderr(), "Error: {:#}", failure.error);
            }
        }
    }
    Ok(exit)
}

fn remove(world: &World, name: &str, force: bool) -> Result<String, Failure> {
    let named =
        local::find(&world.store, name).map_err(|_| Failure::usage(format!("No such image: {name}")))?;
    let same: Vec<local::Named> = local::list(&world.store)?
        .into_iter()
        .filter(|other| other.descriptor.digest == named.descriptor.digest)
        .collect();
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    let by_name = name.parse::<wharf_oci::Reference>().is_ok_and(|reference| {
        same.iter().any(|other| local::key(&other.reference) == local::key(&reference))
    });
    let image = local::open(&world.store, &named.descriptor, &Platform::host()).ok();
    let id =
        image.map_or_else(|| named.descriptor.digest.to_string(), |i| i.manifest.config.digest.to_string());
    if !by_name && same.len() > 1 && !force {
        return Err(Failure::usage(format!(
            "conflict: unable to delete {digits} (must be forced) - image is referenced in multiple repositories"
        )));
    }
    let last = !by_name || same.len() <= 1;
    if last && !force {
        let containers = Containers::new(&world.data_dir).list()?;
        let user =
            containers.iter().find(|container| container.digest == named.descriptor.digest.to_string());
        if let Some(container) = user {
            let (verb, state) = match container.state.status {
                Status::Running | Status::Restarting => ("cannot be forced", "running"),
                _ => ("must be forced", "stopped"),
            };
            return Err(Failure::usage(format!(
                "conflict: unable to remove {name} ({verb}) - container {} is using its referenced image and is {state}",
                container.short_id()
            )));
        }
    }
    let mut lines = String::new();
    for other in same {
        let is_it = !by_name
            || name
                .parse::<wharf_oci::Reference>()
                .is_ok_and(|it| local::key(&it) == local::key(&other.reference));
        if is_it {
            world.store.untag(&local::key(&other.reference))?;
            let tag = other.reference.tag().unwrap_or("latest");
            lines.push_str(&format!("Untagged: {}:{tag}\n", other.reference.familiar_name()));
        }
    }
    if last {
        world.store.untag(&local::nameless_key(&named.descriptor.digest))?;
        lines.push_str(&format!("Deleted: {id}\n"));
    }
    Ok(lines)
}
