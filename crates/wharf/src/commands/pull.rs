//! `wharf pull`: brings images from a registry to this machine.

use wharf_oci::{Platform, Reference};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output::transfer::Transfers;
use crate::world::World;
use crate::{local, output};

/// What `wharf pull` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image
    image: String,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
}

/// Pulls it and names it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let reference: Reference = args.image.parse().or_usage()?;
    let world = World::open(globals)?;
    let digest = pull(&world, &reference, &args.platform.unwrap_or_else(Platform::host))?;
    if globals.json {
        output::print_json(&serde_json::json!({ "image": reference.to_string(), "digest": digest }))?;
    } else {
        output::print(&format!("{}@{digest}\n", reference.familiar_name()))?;
    }
    Ok(Exit::Done)
}

/// Pulls `reference` into the world's store under its name.
pub(crate) fn pull(
    world: &World,
    reference: &Reference,
    platform: &Platform,
) -> Result<wharf_oci::Digest, Failure> {
    let transfers = Transfers::new(&world.progress, format!("pulling {reference}"));
    let news = |event| transfers.tell(event);
    let pulled = wharf_registry::pull(&world.client, reference, platform, &world.store, &news);
    let pulled = world.runtime.block_on(pulled).map_err(super::registry_failure)?;
    world.store.tag(&local::key(reference), &pulled.descriptor)?;
    transfers.done();
    Ok(pulled.descriptor.digest)
}
