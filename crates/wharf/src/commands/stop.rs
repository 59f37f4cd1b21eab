//! `wharf stop`: asks containers to stop, and forgets them.

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::Globals;
use crate::container::state::Containers;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::world::World;

/// What `wharf stop` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Names or IDs
    #[arg(required = true)]
    containers: Vec<String>,
    /// Keep what is known of it, for `wharf ps --all` and `wharf logs`
    #[arg(long)]
    keep: bool,
}

/// Stops each, waits for its end, and forgets it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let found = args.containers.iter().map(|name| containers.find(name)).collect::<Result<Vec<_>, _>>()?;
    for (name, container) in args.containers.iter().zip(&found) {
        // The lock says that the supervisor lives, so its number has not been given to another process.
        if containers.is_running(container)
            && let Some(pid) = i32::try_from(container.supervisor).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, Signal::TERM);
            containers.wait(container)?;
        }
        if !args.keep {
            containers.remove(container)?;
        }
        output::print(&format!("{name}\n"))?;
    }
    Ok(Exit::Done)
}
