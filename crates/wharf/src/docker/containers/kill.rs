//! `docker kill`.

use crate::cli::Globals;
use crate::container::record::Status;
use crate::container::state::Containers;
use crate::container::{signal, stop};
use crate::exit::{Failure, Outcome};
use crate::world::World;

/// What `kill` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name or a number
    #[arg(short, long, default_value = "KILL")]
    signal: String,
    /// Names or IDs
    #[arg(required = true)]
    containers: Vec<String>,
}

/// Sends each the signal.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let signal = signal::number(&args.signal)
        .ok_or_else(|| Failure::usage(format!("Invalid signal: {}", args.signal)))?;
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    super::each(&containers, &args.containers, |container| {
        if container.state.status != Status::Running {
            return Err(Failure::usage(format!(
                "cannot kill container: {}: container {} is not running",
                container.name, container.id
            )));
        }
        stop::kill(&containers, container, signal).map(|()| None)
    })
}
