//! `wharf tag`: another name for an image.

use wharf_oci::Reference;

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::local;
use crate::world::World;

/// What `wharf tag` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image
    source: String,
    /// The new name, `latest` where it has no tag
    target: String,
}

/// Names it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let target: Reference = args.target.parse().or_usage()?;
    if target.digest().is_some() {
        return Err(Failure::usage("refusing to create a tag with a digest reference"));
    }
    let world = World::open(globals)?;
    let named = local::find(&world.store, &args.source)?;
    world.store.tag(&local::key(&target), &named.descriptor)?;
    Ok(Exit::Done)
}
