//! `docker stop` and `docker restart`.

use crate::cli::Globals;
use crate::container::start::start;
use crate::container::state::Containers;
use crate::container::{signal, stop};
use crate::exit::{Failure, Outcome};
use crate::world::World;

/// What `stop` and `restart` take.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds until it is killed [default: the container's own, or 10]
    #[arg(short, long, visible_aliases = ["timeout"], short_alias = 'T', value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// The signal that asks it to stop [default: the image's own, or TERM]
    #[arg(short, long)]
    signal: Option<String>,
    /// Names or IDs
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Args {
    fn terms(&self) -> Result<(Option<i32>, Option<u64>), Failure> {
        let number = |text: &String| {
            signal::number(text).ok_or_else(|| Failure::usage(format!("Invalid signal: {text}")))
        };
        // Negative is without end, as docker has it.
        let seconds = self.time.map(|seconds| u64::try_from(seconds).unwrap_or(u64::from(u32::MAX)));
        Ok((self.signal.as_ref().map(number).transpose()?, seconds))
    }
}

/// Stops each; what is known of it stays.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let (signal, seconds) = args.terms()?;
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    super::each(&containers, &args.containers, |container| {
        stop::stop(&containers, container, signal, seconds).map(|()| None)
    })
}

/// Stops each and starts it again.
pub(crate) fn restart(args: Args, globals: &Globals) -> Outcome {
    let (signal, seconds) = args.terms()?;
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let data_dir = std::path::absolute(&world.data_dir)?;
    super::each(&containers, &args.containers, |container| {
        stop::stop(&containers, container, signal, seconds)?;
        start(&containers, container, globals, &data_dir, false).map(|_| None)
    })
}
