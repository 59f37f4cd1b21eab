//! `docker rename`.

use crate::cli::Globals;
use crate::container::record::Status;
use crate::container::start::ask;
use crate::container::state::Containers;
use crate::container::wire::Request;
use crate::container::{create, name};
use crate::exit::{Exit, Failure, Outcome};
use crate::world::World;

/// What `rename` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name or an ID
    container: String,
    /// The new name
    name: String,
}

/// Renames it; where it runs, its supervisor does.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let container = containers.find(&args.container)?;
    if !name::is_valid(&args.name) {
        return Err(Failure::usage(format!(
            "Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
            args.name
        )));
    }
    create::rename(&containers, &args.name, || {
        if matches!(container.state.status, Status::Running | Status::Restarting) {
            return ask(&containers, &container, Request::Rename { name: args.name.clone() }).map(drop);
        }
        let mut renamed = containers.read(&container.id)?;
        renamed.name.clone_from(&args.name);
        containers.hold(&container.id)?.save(&renamed)
    })?;
    Ok(Exit::Done)
}
