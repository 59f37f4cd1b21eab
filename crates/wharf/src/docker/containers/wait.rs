//! `docker wait`.

use crate::cli::Globals;
use crate::container::attach::{self, How};
use crate::container::start;
use crate::container::state::Containers;
use crate::exit::Outcome;
use crate::world::World;

/// What `wait` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Names or IDs
    #[arg(required = true)]
    containers: Vec<String>,
}

/// Prints each one's exit code once it has ended.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    super::each(&containers, &args.containers, |container| {
        let code = match start::attach(&containers, container, false) {
            Ok(stream) => attach::attach(stream, How::default())?,
            // It does not run, or has just ended.
            Err(_) => {
                containers.wait(container)?;
                containers.read(&container.id)?.state.exit_code
            }
        };
        Ok(Some(code.to_string()))
    })
}
