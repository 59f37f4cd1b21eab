//! `wharf rm`: takes names away from images. What nothing names any more goes with `wharf prune`.

use crate::cli::Globals;
use crate::exit::{Exit, Outcome};
use crate::world::World;
use crate::{local, output};

/// What `wharf rm` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The images
    #[arg(required = true)]
    images: Vec<String>,
}

/// Removes each name; all of them are looked up before the first one goes.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let found =
        args.images.iter().map(|name| local::find(&world.store, name)).collect::<Result<Vec<_>, _>>()?;
    for named in found {
        world.store.untag(&local::key(&named.reference))?;
        output::print(&format!("Untagged: {}\n", named.reference))?;
    }
    Ok(Exit::Done)
}
