//! `docker start`.

use crate::cli::Globals;
use crate::container::attach::{self, How};
use crate::container::record::Status;
use crate::container::start::start;
use crate::container::state::Containers;
use crate::exit::{Exit, Failure, Outcome};
use crate::world::World;

/// What `start` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Connect to it until it ends
    #[arg(short, long)]
    attach: bool,
    /// Pass standard input on
    #[arg(short, long)]
    interactive: bool,
    /// Leaving by keys is not possible here
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Names or IDs
    #[arg(required = true)]
    containers: Vec<String>,
}

/// Starts each that does not run.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let data_dir = std::path::absolute(&world.data_dir)?;
    let attached = args.attach || args.interactive;
    if !attached {
        return super::each(&containers, &args.containers, |container| {
            if container.state.status != Status::Running {
                start(&containers, container, globals, &data_dir, false)?;
            }
            Ok(None)
        });
    }
    let [name] = args.containers.as_slice() else {
        return Err(Failure::usage("you cannot start and attach multiple containers at once"));
    };
    let container = containers.find(name)?;
    let stream = match container.state.status {
        Status::Running => Some(crate::container::start::attach(&containers, &container, true)?),
        _ => start(&containers, &container, globals, &data_dir, true)?,
    };
    let Some(stream) = stream else { return Ok(Exit::Done) };
    let how = How { stdin: args.interactive, tty: container.host.tty, signals: true };
    let code = attach::attach(stream, how)?;
    Ok(Exit::Process(u8::try_from(code & 0xff).unwrap_or(u8::MAX)))
}
