//! `docker rm`.

use crate::cli::Globals;
use crate::container::record::Status;
use crate::container::state::Containers;
use crate::container::supervise::forget;
use crate::container::volume::Volumes;
use crate::container::{signal, stop};
use crate::exit::{Failure, Outcome};
use crate::world::World;

/// What `rm` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kill it first where it runs, and do not mind one that is not there
    #[arg(short, long)]
    force: bool,
    /// With the volumes that were made for it alone
    #[arg(short, long)]
    volumes: bool,
    /// Links are not used
    #[arg(short, long)]
    link: bool,
    /// Names or IDs
    #[arg(required = true)]
    containers: Vec<String>,
}

/// Forgets each.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    // In a user namespace, what a container has written belongs to users that only exist there.
    let world = World::sandboxed(globals)?;
    let containers = Containers::new(&world.data_dir);
    let volumes = Volumes::new(&world.data_dir);
    let mut names = args.containers.clone();
    if args.force {
        names.retain(|name| containers.find(name).is_ok());
    }
    super::each(&containers, &names, |container| {
        if matches!(container.state.status, Status::Running | Status::Restarting) {
            if !args.force {
                return Err(Failure::usage(format!(
                    "cannot remove container \"{}\": container is running: stop the container before removing or force remove",
                    container.name
                )));
            }
            stop::kill(&containers, container, signal::KILL)?;
            containers.wait(container)?;
        }
        match args.volumes {
            _ if !containers.directory(&container.id).exists() => Ok(None),
            true => forget(&containers, container, &volumes).map(|()| None),
            false => containers.remove(&container.id).map(|()| None),
        }
    })
}
