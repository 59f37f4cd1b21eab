//! `wharf stop`: asks containers to stop, and forgets them.

use crate::cli::Globals;
use crate::container::state::Containers;
use crate::container::stop::stop;
use crate::container::supervise::forget;
use crate::container::volume::Volumes;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Names or IDs
    #[arg(required = true)]
    containers: Vec<String>,
    /// Seconds until it is killed [default: 10]
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS")]
    time: Option<u64>,
    /// Keep what is known of it, for `wharf ps --all` and `wharf logs`
    #[arg(long)]
    keep: bool,
}

/// Stops each, waits for its end, and forgets it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    // In a user namespace, what a container has written belongs to users that only exist there.
    let world = if args.keep { World::open(globals)? } else { World::sandboxed(globals)? };
    let containers = Containers::new(&world.data_dir);
    let found = args.containers.iter().map(|name| containers.find(name)).collect::<Result<Vec<_>, _>>()?;
    for (name, container) in args.containers.iter().zip(&found) {
        stop(&containers, container, None, args.time)?;
        if !args.keep && !container.host.auto_remove {
            forget(&containers, container, &Volumes::new(&world.data_dir))?;
        }
        output::print(&format!("{name}\n"))?;
    }
    Ok(Exit::Done)
}
